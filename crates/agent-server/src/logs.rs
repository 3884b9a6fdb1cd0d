//! The agent's log.

mod filter;

pub use filter::LogFilter;
