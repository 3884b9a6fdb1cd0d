//! Terminals on the real system: real shells, real clients, no network.

#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]
#![cfg(target_os = "linux")]

mod contained;
mod ends;
mod fixture;
mod flood;
#[cfg(feature = "http")]
mod http;
mod join;
#[path = "../../../agent-exec/tests/it/local.rs"]
mod local;
mod needs_screen;
mod needs_xterm;
mod open;
mod raw;
mod sizes;
