//! agentd: configuration, composition, listeners, shutdown.

mod config;
mod logs;

pub use config::{
    Account, Auth, ByteSize, Config, Environment, Invocation, ParseByteSizeError, UsageError,
    Variables, read,
};
pub use logs::LogFilter;

/// Version of the agent.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
