//! The client seen from the other side: servers that behave, and servers that do not.

#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

#[cfg(feature = "mock")]
mod app;
mod bodies;
mod cancel;
mod close;
mod containers;
mod environment;
mod errors;
mod events;
#[cfg(feature = "mock")]
mod exec;
mod flow;
#[cfg(feature = "mock")]
mod follow;
mod git_status;
mod git_watch;
mod headers;
#[cfg(feature = "mock")]
mod mock;
mod operations;
mod peer;
mod processes;
mod proxy;
mod reach;
#[cfg(feature = "mock")]
mod repositories;
mod retries;
mod shared;
mod socket;
#[cfg(all(feature = "mock", feature = "ssh"))]
mod ssh;
mod streams;
mod terminals;
mod timeouts;
mod tunnels;
