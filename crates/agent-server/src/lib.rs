//! agentd as a library: what it is told, what it consists of, where it listens, how it stops.
//!
//! [`read`] makes a [`Config`] of flags, environment and file. [`Agent::bind`] starts an agent of
//! it, and [`Agent::shutdown`] stops it. What a program needs around that, and only once in a
//! process, is in [`program`] and [`announce`].
//!
//! ```
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! use agent_server::{Agent, Config, Stopped};
//!
//! let dir = tempfile::tempdir()?;
//! let config = Config { listen: vec!["127.0.0.1:0".parse()?], ..Config::new(dir.path(), "/") };
//! let agent = Agent::bind(config).await?;
//! assert_eq!(agent.info().http.len(), 1);
//! assert_eq!(agent.shutdown().await, Stopped::Clean);
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod agent;
pub mod announce;
mod api;
mod compose;
mod config;
mod containers;
mod debug;
mod doors;
mod error;
mod lifecycle;
mod listeners;
mod logs;
mod metrics;
pub mod nested;
pub mod program;
mod scripts;
mod secrets;
mod session;
mod state_dir;
mod system;
mod wiring;

pub use agent::{Agent, Stopped};
pub use config::{
    Account, Auth, ByteSize, Config, Environment, Inherited, Invocation, ParseByteSizeError,
    ProcessSettings, Script, Secret, UsageError, Variables, read,
};
pub use debug::{Diagnostics, Error as DebugError};
pub use error::StartError;
pub use lifecycle::{Event, Lifecycles, Outcome, step};
pub use logs::{LogFilter, LogLayer, Logs, StderrFormat};
pub use metrics::Metrics;
pub use scripts::{ParseScheduleError, Schedule};

/// Version of the agent.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
