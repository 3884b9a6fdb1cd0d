//! Git repositories, live: what differs from HEAD, said exactly as git says it, within
//! milliseconds of the change, and at no cost while nothing changes.

mod command;
mod config;
mod convert;
mod diff;
mod engine;
mod error;
mod events;
mod fs;
#[cfg(feature = "http")]
pub mod http;
mod index;
mod model;
mod paths;
mod repository;
mod service;
mod staged;
mod sys;
mod tracker;
mod watch;
mod worktree;

pub use config::Config;
pub use error::Error;
pub use service::{Git, Statistics};
pub use watch::GitWatch;
