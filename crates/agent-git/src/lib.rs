//! Git repositories, live: what differs from HEAD, said exactly as git says it, within
//! milliseconds of the change, and at no cost while nothing changes.

mod config;
mod convert;
mod diff;
mod engine;
mod error;
mod events;
mod fs;
mod index;
mod model;
mod paths;
mod repository;
mod staged;
mod sys;
mod worktree;

pub use config::Config;
pub use error::Error;
