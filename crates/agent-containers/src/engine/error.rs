//! Why the engine could not be asked, or did not do what it was asked.

use std::{io, time::Duration};

use agent_api::{Classify, ErrorCode};

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
    #[error("the engine did not answer within {} s", after.as_secs())]
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
