//! Both ends of a connection through the public interface, over a stream in memory.
#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod channels;
mod endings;
mod support;
