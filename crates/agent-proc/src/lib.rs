//! Processes whose output is never lost: start them, follow and read what they print, feed, signal
//! and end them; served over HTTP by the feature `http`, and usable without it.
//!
//! What a process prints goes into a journal on the disk and stays readable by its offset, for any
//! number of readers that neither wait for each other nor hold the process up. A process outlives
//! whoever started it, has a tree that is ended as a whole, and is known for a while after its
//! end, also to the next agent on the same directory.
//!
//! ```
//! # #[cfg(target_os = "linux")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use agent_api::{Caller, GetProcessOutputRequest, StartProcessRequest};
//! use agent_exec::{Account, Environment, Launcher};
//! use agent_proc::{Config, Processes, SessionEnvironment};
//!
//! #[derive(Debug)]
//! struct Plain;
//!
//! impl SessionEnvironment for Plain {
//!     fn session(&self, _account: Option<&Account>) -> Environment {
//!         [("PATH", "/usr/bin:/bin")].into_iter().collect()
//!     }
//! }
//!
//! # let state = tempfile::tempdir()?;
//! # let state_dir = state.path();
//! # let mut exec = agent_exec::Config::default();
//! # exec.cgroups = agent_exec::Cgroups::Off;
//! # let launcher = Launcher::new(exec);
//! let processes = Processes::new(Config::new(state_dir, "/"), launcher, Arc::new(Plain));
//! let caller = Caller::anonymous();
//! let request = StartProcessRequest { command: Some("echo hi".into()), ..Default::default() };
//! let started = processes.start_process(&caller, request).await?;
//! let wait = GetProcessOutputRequest { wait: true, ..Default::default() };
//! let output = processes.get_process_output(&caller, started.id, wait).await?;
//! assert_eq!((output.output.as_str(), output.exit_code), ("hi\n", Some(0)));
//! processes.shutdown().await;
//! # Ok(())
//! # }
//! # #[cfg(not(target_os = "linux"))]
//! # fn main() {}
//! ```

mod config;
mod describe;
mod end;
mod error;
mod find;
mod get_process_output;
#[cfg(feature = "http")]
pub mod http;
mod journal;
mod process;
mod read_process_output;
mod request;
mod restart;
mod retention;
mod service;
mod start;
mod store;
mod stream_process_output;
mod table;
mod wait;
mod write_process_input;

pub use config::{Config, SessionEnvironment};
pub use error::{Error, ForgetReason, InputError, OutputError, SignalError, StartError};
pub use read_process_output::{OutputBody, ReadProcessOutputResponse};
pub use service::{Event, Processes, Statistics};
pub use stream_process_output::{OutputItem, OutputStream};

#[cfg(feature = "http")]
use start::random_id;
