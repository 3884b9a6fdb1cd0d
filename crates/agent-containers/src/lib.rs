//! Containers and dev containers of a workspace: listed, watched, brought up, entered, removed; with
//! or without HTTP.

mod config;
mod workspace;

mod cli;
mod config_files;
mod customizations;
mod engine;
mod error;
mod exec;
mod follow;
#[cfg(feature = "http")]
pub mod http;
mod logs;
mod nested;
mod projects;
mod registry;
mod service;
mod statistics;

pub use config::{Config, ConfiguredDevContainer};
pub use error::Error;
pub use exec::{ExecCommand, ExecError, ExecRequest, ExecTerminal};
pub use nested::{NestedStream, inside};
pub use service::{Containers, ContainersWatch, LogStream};
pub use statistics::{SECONDS, Statistics, Times};
pub use workspace::Workspace;
