//! `agentctl`: the agent at a prompt. Arguments in, one or more operations of `agent-sdk`, text or
//! JSON out; no logic of its own about files.
//!
//! The binary passes its streams and an agent that it looks up; a test passes its own:
//!
//! ```
//! use std::sync::Arc;
//!
//! use agent_cli::{Connection, Io, run};
//! use agent_sdk::AgentClient;
//!
//! # async fn example(stream: tokio::io::DuplexStream) {
//! let agent = Arc::new(AgentClient::from_stream(stream));
//! let mut io = Io::new(tokio::io::stdout(), std::io::stderr());
//! let connect = |_: &_, _: Option<&str>| Ok(Connection::new(agent, "nearby"));
//! let exit_code = run(["agentctl", "ls", "-l", "/srv"], &mut io, connect).await;
//! # }
//! ```

mod args;
mod body;
mod columns;
mod commands;
mod connect;
mod copy;
mod error;
mod format;
mod io;
mod output;
mod palette;
mod progress;
mod run;
mod screen;
mod signals;
mod stdio;
mod terminal;
mod values;

pub use args::{AgentCommand, Args, ColorWhen, Command, GlobalArgs, OutputFormat};
pub use connect::{Connection, Invocation, connect};
pub use error::Error;
pub use io::{Input, Io, Surroundings};
pub use run::run;
pub use signals::{LocalSignal, Signals, until_signaled};
pub use terminal::Terminal;
