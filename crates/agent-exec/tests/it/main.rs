//! Real commands and real trees of processes, through the public API.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod endings;
mod foreign;
mod harness;
mod inherited;
mod local;
mod many;
mod opened;
mod other;
mod refusals;
mod stdio;
mod terminal;
mod tree;
mod users;
