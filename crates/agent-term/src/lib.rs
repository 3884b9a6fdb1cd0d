//! Terminals that outlive their connections: screen, scrollback and program stay, with or without
//! HTTP.
//!
//! [`Terminals::open_terminal`] joins the terminal of an id or creates it, and answers an
//! [`Attachment`]: a half that types and a half that shows. Whoever joins is shown the screen as it
//! is, and then what is printed. A connection that does not keep up loses output and is shown the
//! screen anew; the program and the other connections never wait for it. [`Terminals::serve_raw`]
//! does the same on a byte stream, and the feature `http` over WebSockets.
//!
//! ```
//! # #[cfg(target_os = "linux")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::{path::{Path, PathBuf}, sync::Arc};
//!
//! use agent_api::OpenTerminalRequest;
//! use agent_exec::{Environment, Launcher};
//! use agent_term::{Config, End, Outgoing, Terminals, Workspace};
//!
//! #[derive(Debug)]
//! struct Bare;
//!
//! impl Workspace for Bare {
//!     fn environment(&self) -> Environment {
//!         [("PATH", "/usr/bin:/bin")].into_iter().collect()
//!     }
//!     fn working_directory(&self) -> PathBuf {
//!         "/".into()
//!     }
//!     fn shell(&self) -> &Path {
//!         Path::new("/bin/sh")
//!     }
//! }
//!
//! # let dir = tempfile::tempdir()?;
//! # let state_dir = dir.path();
//! let launcher = Launcher::new(Default::default());
//! let terminals = Terminals::new(Config::new(state_dir), launcher, Arc::new(Bare));
//! let id = "7c0b3c3e-3f0c-4a51-9b1e-0d6d0b1f2a11".parse()?;
//! let command = "read word; echo \"got $word\"";
//! let req = OpenTerminalRequest { command: Some(command.into()), ..Default::default() };
//! let mut terminal = terminals.open_terminal(id, req).await?;
//! terminal.input.begin(r#"{"data":"it\r"}"#.into());
//! terminal.input.apply().await?;
//! let mut shown = Vec::new();
//! loop {
//!     match terminal.output.next().await {
//!         Outgoing::Output(bytes) => shown.extend_from_slice(&bytes),
//!         Outgoing::End(end) => break assert_eq!(end, End::Exited),
//!         _ => {}
//!     }
//! }
//! assert!(shown.ends_with(b"got it\r\n"));
//! terminals.shutdown().await;
//! # Ok(())
//! # }
//! # #[cfg(not(target_os = "linux"))]
//! # fn main() {}
//! ```

mod attachment;
mod buffered;
mod config;
mod contained;
mod containers;
mod control;
mod emulator;
mod entry;
mod environment;
mod error;
#[cfg(feature = "http")]
pub mod http;
mod input;
mod messages;
mod outbox;
mod program;
mod raw;
mod redraw;
mod redraws;
mod request;
mod screen;
mod service;
mod size;
mod statistics;
mod terminal;
mod workspace;

pub use attachment::{Attachment, Input, Outgoing, Output};
pub use config::Config;
pub use containers::{ContainerCommand, Containers};
pub use error::Error;
pub use messages::InvalidMessage;
pub use outbox::End;
pub use service::Terminals;
pub use statistics::{ErrorType, Statistics};
pub use workspace::Workspace;
