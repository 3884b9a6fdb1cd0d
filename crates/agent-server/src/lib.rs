//! agentd: configuration, composition, listeners, shutdown.

mod api;
mod compose;
mod config;
mod debug;
mod lifecycle;
mod logs;
mod metrics;
mod system;

pub use config::{
    Account, Auth, ByteSize, Config, Environment, Invocation, ParseByteSizeError, UsageError,
    Variables, read,
};
pub use lifecycle::{Event, Lifecycles, Outcome, step};
pub use logs::{LogFilter, LogLayer, Logs, StderrFormat};

/// Version of the agent.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
