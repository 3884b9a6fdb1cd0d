//! The service on real repositories: asked, watched, told of files, restarted.

#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod fixture;
#[cfg(feature = "http")]
mod http;
mod needs_git;
mod status;
