//! Why the server does not start and why it takes no further connection.

use agent_api::{Classify, ErrorCode};

use crate::host_keys::HostKeyError;

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A host key cannot be used.
    #[error(transparent)]
    HostKey(#[from] HostKeyError),
    /// The agent's runtime stops.
    #[error("the agent is stopping")]
    Stopping,
}

/// Why a connection is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// As many connections as are allowed are open.
    #[error("too many connections")]
    TooManyConnections,
    /// The service ends.
    #[error("the agent is shutting down")]
    ShuttingDown,
}

impl Classify for Refused {
    fn code(&self) -> ErrorCode {
        match self {
            Self::TooManyConnections => ErrorCode::ResourceExhausted,
            Self::ShuttingDown => ErrorCode::Unavailable,
        }
    }
}
