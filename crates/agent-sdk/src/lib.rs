//! The agent from the other end: one trait over TCP, Unix sockets and in-memory streams.
//!
//! [`AgentConn`] has one method for each operation of the agent. [`AgentClient`] implements it over
//! HTTP, `mock::MockAgent` (feature `mock`) without an agent. What methods take and return are the
//! types of [`api`]; contents are [`ByteStream`]s; failures are an [`Error`] with a code that says
//! what to do. [`exec`] runs a command to its end, [`follow`] streams what one prints, across lost
//! connections, and across those [`watch_repositories`] tells how git's work trees differ from their
//! HEADs, [`follow_containers`] which containers there are, of which
//! [`dev_container`](AgentConn::dev_container) gives the agent inside. An [`Environment`] finds out which agent is meant.
//!
//! ```
//! use agent_sdk::{AgentClient, AgentConn, Config, Target, Token, api::ListDirectoryRequest};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! # use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::TcpListener};
//! # let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
//! # let url = format!("http://{}", listener.local_addr().unwrap());
//! # let token = "hunter2";
//! # let agentd = async {
//! #     let (mut stream, _) = listener.accept().await.unwrap();
//! #     stream.read(&mut [0; 4096]).await.unwrap();
//! #     let body = r#"{"absolute_path_string": "/srv", "contents": [{"name": "app",
//! #         "absolute_path_string": "/srv/app", "is_dir": true, "kind": "directory"}]}"#;
//! #     let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
//! #     stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
//! # };
//! # let client = async {
//! let target: Target = url.parse()?;
//! let target = target.with_token(Token::new(token)?);
//! let agent = AgentClient::connect(target, Config::default())?;
//! let answer = agent.list_directory(ListDirectoryRequest::all("/srv")).await?;
//! assert_eq!(answer.contents[0].name, "app");
//! # Ok::<(), agent_sdk::Error>(())
//! # };
//! # tokio::join!(client, agentd).0.unwrap();
//! # });
//! ```

mod answer;
mod app;
mod body;
mod capture;
mod client;
mod config;
mod conn;
mod containers;
mod environment;
mod error;
mod exec;
mod follow;
mod git;
mod headers;
#[cfg(feature = "mock")]
pub mod mock;
mod processes;
mod proxy;
mod reach;
mod reconnect;
#[cfg(feature = "ssh")]
pub mod ssh;
mod target;
mod terminal;
mod token;
mod transport;
mod tunnel;
mod until;

pub use agent_api as api;
pub use answer::{ContentRange, FileContent, PingPath, Pong};
pub use app::AppHttpClient;
pub use body::ByteStream;
pub use capture::CapturedOutput;
pub use client::AgentClient;
pub use config::Config;
pub use conn::{AgentConn, PING_TIMEOUT};
pub use containers::{
    ContainersWatch, DevContainerLogs, FollowContainers, find_dev_container, follow_containers,
};
pub use environment::{Environment, Resolved};
pub use error::Error;
pub use exec::{Exec, ExecConfig, ExecEnd, ExecOutcome, ExecStatistics, exec};
pub use follow::{Follow, follow};
pub use git::{GitWatch, GitWatchSender, RepositoryCommands, RepositoryWatch, watch_repositories};
pub use headers::{caller_headers, headers_from};
pub use processes::{OutputBytes, ProcessStream, ProcessStreamItem, ReadOutput};
pub use proxy::Proxies;
pub use reconnect::Reconnect;
pub use target::Target;
pub use terminal::{TerminalItem, TerminalSender, TerminalStream};
pub use token::{Token, Warning};
pub use tunnel::{DatagramReceiver, DatagramSender, DatagramSocket, DialStream};
