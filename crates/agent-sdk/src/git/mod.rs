//! The watch of repositories: one connection, and any number of them; not how its messages travel.

mod message;
mod repositories;
mod view;
mod watch;
mod wishes;

pub use repositories::{RepositoryCommands, RepositoryWatch, watch_repositories};
pub use watch::{GitWatch, GitWatchSender};
