//! Processes on the real system: real children, real disk, no network.

#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]
#![cfg(target_os = "linux")]

mod bytes;
mod describe;
#[cfg(feature = "http")]
mod embed;
mod ending;
mod fixture;
#[cfg(feature = "http")]
mod http;
mod input;
mod output;
mod restart;
mod retention;
mod start;
mod stream;
