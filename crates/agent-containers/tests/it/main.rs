//! The service as its users see it, with an engine and a `devcontainer` command that tests play.
#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod engine;
mod fixture;

mod changes;
mod configurations;
mod list;
mod start;
mod watch;
