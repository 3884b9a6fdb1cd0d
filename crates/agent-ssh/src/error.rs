//! Why the server does not start and why it takes no further connection.

use std::{io, path::PathBuf};

use agent_api::{Classify, ErrorCode};

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A host key cannot be used.
    #[error("cannot use the host key `{}`", path.display())]
    HostKey {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
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
