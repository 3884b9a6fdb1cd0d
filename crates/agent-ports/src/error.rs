//! What can go wrong with a port, and what the caller should do about it.

use std::{io, time::Duration};

use agent_api::{Classify, ErrorCode};

use crate::DoorError;

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The port is not written as one.
    #[error("invalid port: it must be a decimal number up to 65535 without sign and leading zeros")]
    InvalidPort,
    /// Nothing can be behind the port.
    #[error("unsupported port {port}")]
    UnsupportedPort {
        /// The port.
        port: u16,
        /// The ports that are supported, for people.
        supported: String,
    },
    /// As many tunnels are open as may be.
    #[error("{max} tunnels are open")]
    TooManyTunnels {
        /// How many may be.
        max: usize,
    },
    /// The agent's own service behind the port does not take the stream.
    #[error("port {port} is not available")]
    Door {
        /// The port.
        port: u16,
        /// Why.
        #[source]
        source: DoorError,
    },
    /// Nothing listens on the port.
    #[error("connection refused: nothing listens on port {port}")]
    Refused {
        /// The port.
        port: u16,
    },
    /// The port cannot be connected for another reason.
    #[error("cannot connect to port {port}")]
    Connect {
        /// The port.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The connection took too long.
    #[error("no connection to port {port} within {} s", after.as_secs_f32())]
    Timeout {
        /// The port.
        port: u16,
        /// Longest time.
        after: Duration,
    },
    /// A socket for datagrams cannot be made.
    #[error("cannot make a socket for datagrams to port {port}")]
    Datagrams {
        /// The port.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The service is shutting down.
    #[error("the agent is shutting down")]
    ShuttingDown,
    /// The sockets of the system cannot be read.
    #[error("could not scan ports")]
    Scan(#[source] io::Error),
    /// The platform does not tell which ports are listened on.
    #[error("this platform does not tell which ports are listened on")]
    Unsupported,
    /// A defect ended the work.
    #[error("the operation ended by a defect")]
    Panicked(#[source] tokio::task::JoinError),
}

impl Classify for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidPort | Self::UnsupportedPort { .. } => ErrorCode::InvalidArgument,
            Self::TooManyTunnels { .. } => ErrorCode::ResourceExhausted,
            Self::Door { source, .. } => source.code(),
            Self::Refused { .. } => ErrorCode::BadGateway,
            Self::Connect { source, .. } => unavailable(source).unwrap_or(ErrorCode::BadGateway),
            Self::Timeout { .. } => ErrorCode::DeadlineExceeded,
            Self::Datagrams { source, .. } => unavailable(source).unwrap_or(ErrorCode::Internal),
            Self::ShuttingDown => ErrorCode::Unavailable,
            Self::Scan(_) | Self::Panicked(_) => ErrorCode::Internal,
            Self::Unsupported => ErrorCode::Unsupported,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::UnsupportedPort { supported, .. } => Some(supported.clone()),
            other => agent_api::causes(std::error::Error::source(other)),
        }
    }
}

/// The code of a want of descriptors or memory, which passes; other errors have none here.
fn unavailable(error: &io::Error) -> Option<ErrorCode> {
    Some(ErrorCode::from_io(error)).filter(|code| *code == ErrorCode::Unavailable)
}
