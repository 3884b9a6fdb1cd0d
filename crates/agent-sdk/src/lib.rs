//! The agent from the other end: one trait over TCP, Unix sockets and in-memory streams.

mod answer;
mod body;
mod config;
mod conn;
mod error;
mod headers;

pub use agent_api as api;
pub use answer::{ContentRange, FileContent, PingPath, Pong};
pub use body::ByteStream;
pub use config::Config;
pub use conn::{AgentConn, PING_TIMEOUT};
pub use error::Error;
pub use headers::{caller_headers, headers_from};
