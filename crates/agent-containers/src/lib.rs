//! Containers and dev containers of a workspace: listed, watched, brought up, entered, removed; with
//! or without HTTP.

mod config;
mod workspace;

mod cli;
mod config_files;
mod customizations;
mod engine;
mod exec;
mod follow;
#[cfg(feature = "http")]
pub mod http;
mod logs;
mod nested;
mod projects;
mod registry;
mod service;

pub use config::{Config, ConfiguredDevContainer};
pub use workspace::Workspace;
