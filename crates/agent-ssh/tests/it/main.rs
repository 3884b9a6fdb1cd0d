//! The SSH server through its public API, with a client of the same protocol: real commands, real
//! terminals, no network but loopback.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod commands;
mod contained;
mod doors;
mod environment;
mod exits;
mod forced;
mod greeting;
mod harness;
mod limits;
#[path = "../../../agent-exec/tests/it/local.rs"]
mod local;
mod log;
mod requests;
mod shutdown;
mod signals;
mod streams;
mod vanished;
