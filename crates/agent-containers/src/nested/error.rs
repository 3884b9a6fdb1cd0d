//! Why there is no agent in a container, or none that answers.

use std::{error::Error as StdError, io, path::PathBuf, time::Duration};

use agent_api::{Classify, ErrorCode};

use crate::{engine::EngineError, exec::ExecError};

/// What went wrong with the agent in a container.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum NestedError {
    /// A warning, never an error of the dev container: trying again does not help.
    #[error("the container is for {container} and the agent for {host}")]
    Architecture {
        /// The container's operating system and architecture.
        container: String,
        /// The agent's.
        host: String,
    },
    /// The engine did not do its part.
    #[error("cannot {step}")]
    Engine {
        /// What was to be done.
        step: &'static str,
        /// Why not.
        #[source]
        source: EngineError,
    },
    /// Who the agent is to run as is not known.
    #[error("cannot tell the user of the container")]
    User(#[source] ExecError),
    /// The user has no number, which the agent's folder is named after.
    #[error("the user `{user}` of the container has no number")]
    NoUid {
        /// The user.
        user: String,
    },
    /// The agent's own executable cannot be read.
    #[error("cannot read `{}`", path.display())]
    Executable {
        /// Where it is.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The agent was started and did not listen.
    #[error("the agent in the container did not start: {why}")]
    Start {
        /// What it said last, or how it ended.
        why: String,
    },
    /// The agent does not answer.
    #[error("the agent in the container does not answer: {why}")]
    Silent {
        /// What its helper said, or how long was waited.
        why: String,
    },
    /// The agent did not end.
    #[error("the agent in the container does not end: {why}")]
    Stop {
        /// What the helper said, or how long was waited.
        why: String,
    },
}

impl NestedError {
    /// Whether it is a warning only, which no later attempt changes.
    pub(crate) fn is_architecture(&self) -> bool {
        matches!(self, Self::Architecture { .. })
    }

    /// The error of a step that the engine did not do.
    pub(super) fn engine(step: &'static str) -> impl FnOnce(EngineError) -> Self {
        move |source| Self::Engine { step, source }
    }

    /// A text for a wait that was too long.
    pub(super) fn after(time: Duration) -> String {
        format!("nothing for {} s", time.as_secs())
    }
}

impl Classify for NestedError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Architecture { .. } => ErrorCode::Unsupported,
            Self::Engine { .. }
            | Self::User(_)
            | Self::NoUid { .. }
            | Self::Executable { .. }
            | Self::Start { .. }
            | Self::Stop { .. } => ErrorCode::Internal,
            Self::Silent { .. } => ErrorCode::BadGateway,
        }
    }

    fn detail(&self) -> Option<String> {
        agent_api::causes(self.source())
    }
}
