//! What is told of containers bit by bit: lists that are watched, on one connection and across lost
//! ones, and the log of bringing one up; not how connections are made.

mod follow;
mod logs;
mod name;
mod watch;

pub use follow::{FollowContainers, follow_containers};
pub use logs::DevContainerLogs;
pub use name::find_dev_container;
pub use watch::ContainersWatch;
