//! System tests: a bound agent through the SDK and through raw sockets.

#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod containers;
mod full_disk;
mod git;
mod hostile;
mod large;
mod near_and_far;
mod ports;
mod processes;
mod programs;
mod shutdown;
mod ssh;
mod terminals;
