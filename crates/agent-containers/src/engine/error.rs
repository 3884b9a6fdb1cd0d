//! Why the engine could not be asked, or did not do what it was asked.

use std::{io, time::Duration};

use agent_api::{Classify, ErrorCode};
use bollard::errors::Error;

/// What went wrong between the agent and the engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum EngineError {
    /// There is no engine, or its address is wrong.
    #[error("engine not reachable: {reason}")]
    NoEngine {
        /// What was looked for, or what is wrong with the address.
        reason: String,
    },
    /// Nobody answers at the address.
    #[error("engine not reachable at {address}")]
    Unreachable {
        /// The engine's address.
        address: String,
        /// What the connection failed with.
        #[source]
        source: io::Error,
    },
    /// The agent may not talk to the engine.
    #[error("access denied by the engine at {address}")]
    Denied {
        /// The engine's address.
        address: String,
        /// What the connection failed with, or what the engine said.
        #[source]
        source: io::Error,
    },
    /// What the engine said is not what its interface promises.
    #[error("bad answer of the engine: {reason}")]
    BadAnswer {
        /// What is wrong with it.
        reason: String,
    },
    /// The engine took too long.
    #[error("no answer of the engine: over {} s", after.as_secs())]
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
    /// There is no such container.
    #[error("no such container: `{name}`")]
    NoContainer {
        /// What was asked for.
        name: String,
    },
    /// The engine refused.
    #[error("the engine answered {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The engine's words.
        message: String,
    },
}

impl Classify for EngineError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoEngine { .. }
            | Self::Unreachable { .. }
            | Self::Denied { .. }
            | Self::BadAnswer { .. }
            | Self::Refused { .. }
            | Self::TimedOut { .. } => ErrorCode::Internal,
            Self::NoContainer { .. } => ErrorCode::NotFound,
        }
    }
}

impl EngineError {
    /// Says an error of the client in the words of this one; `limit` is how long it waits.
    pub(super) fn new(error: Error, address: &str, limit: Duration) -> Self {
        let address = address.to_owned();
        match error {
            Error::IOError { err } => Self::io(err, address),
            Error::HyperResponseError { err } if err.is_parse() => {
                Self::BadAnswer { reason: err.to_string() }
            }
            Error::HyperResponseError { err } => Self::Unreachable { address, source: io_of(err) },
            Error::DockerResponseServerError { status_code, message } => {
                Self::status(status_code, message, address)
            }
            Error::RequestTimeoutError => Self::TimedOut { after: limit },
            other => Self::BadAnswer { reason: other.to_string() },
        }
    }

    /// What an I/O error on the way to the engine means.
    pub(super) fn io(source: io::Error, address: String) -> Self {
        if source.kind() == io::ErrorKind::PermissionDenied {
            Self::Denied { address, source }
        } else {
            Self::Unreachable { address, source }
        }
    }

    /// What an answer with a status that is no success means.
    pub(super) fn status(status: u16, message: String, address: String) -> Self {
        match status {
            401 | 403 => {
                let source = io::Error::new(io::ErrorKind::PermissionDenied, message);
                Self::Denied { address, source }
            }
            _ => Self::Refused { status, message },
        }
    }

    /// Whether another address may do better.
    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(self, Self::NoEngine { .. } | Self::Unreachable { .. } | Self::Denied { .. })
    }
}

/// The I/O error that an error of the connection has as its cause, else its text.
fn io_of(error: hyper::Error) -> io::Error {
    let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref());
    match cause.and_then(io::Error::raw_os_error) {
        Some(errno) => io::Error::from_raw_os_error(errno),
        None => io::Error::other(error),
    }
}
