//! Containers and dev containers of a workspace: listed, watched, brought up, entered, removed;
//! served over HTTP by the feature `http`, and usable without it.
//!
//! [`Containers`] follows one engine that speaks the Docker Engine API and knows at any moment what
//! there is: [`Containers::list_containers`] answers it, [`Containers::watch_containers`] tells each
//! change. A dev container is a folder: of the configuration, of a container's label, or of a
//! project that was found. It is brought up by the official `devcontainer` command
//! ([`Containers::recreate_dev_container`], [`Containers::start`]), whose output
//! [`Containers::dev_container_logs`] reads, and removed by [`Containers::delete_dev_container`].
//! [`Containers::exec`] runs a command inside any container, and
//! [`Containers::connect_dev_container`] reaches the agent inside a dev container, where there is
//! one. What the crate must know of the workspace around it, it asks a [`Workspace`].
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::{ffi::OsString, sync::Arc};
//!
//! use agent_containers::{Config, Containers, Workspace};
//! use agent_exec::{Environment, Launcher};
//!
//! #[derive(Debug)]
//! struct Bare;
//!
//! impl Workspace for Bare {
//!     fn cli_environment(&self) -> Environment {
//!         [("PATH", "/usr/bin:/bin")].into_iter().collect()
//!     }
//!
//!     fn agent_variables(&self) -> Vec<(OsString, OsString)> {
//!         Vec::new()
//!     }
//! }
//!
//! # let dir = tempfile::tempdir()?;
//! # let here = dir.path();
//! let mut config = Config::new(uuid::Uuid::from_u128(1), here.join("state"), here);
//! config.engine = Some(format!("unix://{}", here.join("nobody.sock").display()));
//! let containers = Containers::new(config, Launcher::new(Default::default()), Arc::new(Bare));
//!
//! // Nobody listens there.
//! let error = containers.list_containers(Default::default()).await.unwrap_err();
//! assert_eq!(error.to_string(), "could not get containers");
//! containers.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod cli;
mod config;
mod config_files;
mod customizations;
mod engine;
mod error;
mod exec;
mod follow;
#[cfg(feature = "http")]
pub mod http;
mod logs;
mod nested;
mod projects;
mod registry;
mod service;
mod statistics;
mod workspace;

pub use config::{Config, ConfiguredDevContainer};
pub use error::Error;
pub use exec::{ExecCommand, ExecError, ExecRequest, ExecTerminal};
pub use nested::{NestedStream, inside};
pub use service::{Containers, ContainersWatch, LogStream};
pub use statistics::{SECONDS, Statistics, Times};
pub use workspace::Workspace;
