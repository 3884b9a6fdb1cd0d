//! The agent from the other end: one trait over TCP, Unix sockets and in-memory streams.

mod answer;
mod body;
mod client;
mod config;
mod conn;
mod environment;
mod error;
mod headers;
mod proxy;
mod reach;
mod target;
mod token;
mod transport;

pub use agent_api as api;
pub use answer::{ContentRange, FileContent, PingPath, Pong};
pub use body::ByteStream;
pub use client::AgentClient;
pub use config::Config;
pub use conn::{AgentConn, PING_TIMEOUT};
pub use environment::{Environment, Resolved};
pub use error::Error;
pub use headers::{caller_headers, headers_from};
pub use proxy::Proxies;
pub use target::Target;
pub use token::{Token, Warning};
