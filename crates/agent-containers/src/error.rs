//! What can go wrong with containers, and what the caller should do about it.

use agent_api::{Classify, DevContainerStatus, ErrorCode, FieldError};
use uuid::Uuid;

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration switches containers off.
    #[error("containers are not enabled")]
    Disabled,
    /// The agent runs inside a dev container itself.
    #[error("containers are not supported inside a dev container")]
    Nested,
    /// A label of the query has no key.
    #[error("invalid query parameters")]
    Label {
        /// The label as it was given.
        label: String,
    },
    /// The id is empty or not a UUID.
    #[error("the id of a dev container must be a UUID")]
    InvalidId {
        /// The id as it was given.
        id: String,
    },
    /// No dev container has the id, or has it any more.
    #[error("there is no dev container {id}")]
    NoDevContainer {
        /// The id.
        id: Uuid,
    },
    /// The life of the dev container belongs to the configuration.
    #[error("dev container \"{name}\" is managed by the configuration of the agent")]
    Managed {
        /// Its name, or its folder when it has none.
        name: String,
    },
    /// Another operation has the dev container in its hands.
    #[error("dev container \"{name}\" is {}", .status.as_str())]
    Busy {
        /// Its name, or its folder when it has none.
        name: String,
        /// What is done to it.
        status: DevContainerStatus,
    },
    /// The command that brings dev containers up is not installed.
    #[error("no devcontainer command is installed")]
    NotInstalled,
    /// The engine did not tell its containers.
    #[error("could not get containers")]
    List {
        /// The failure of the last listing that finished.
        why: String,
    },
    /// The container of a dev container that is deleted did not stop.
    #[error("stopping container failed")]
    StopContainer {
        /// Why.
        why: String,
    },
    /// The container of a dev container that is deleted was not removed.
    #[error("removing container failed")]
    RemoveContainer {
        /// Why.
        why: String,
    },
    /// The agent inside a dev container that is deleted did not end.
    #[error("stopping agent failed")]
    StopAgent {
        /// Why.
        why: String,
    },
    /// The dev container has no agent inside.
    #[error("dev container \"{name}\" has no agent")]
    NoAgent {
        /// Its name, or its folder when it has none.
        name: String,
    },
    /// The agent inside does not answer.
    #[error("the agent in dev container \"{name}\" does not answer")]
    Connect {
        /// Its name, or its folder when it has none.
        name: String,
        /// Why.
        why: String,
    },
    /// The service is shutting down.
    #[error("the agent is shutting down")]
    ShuttingDown,
    /// A defect ended the work.
    #[error("the operation ended by a defect")]
    Panicked(#[source] tokio::task::JoinError),
}

impl Classify for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Disabled | Self::Nested | Self::Managed { .. } => ErrorCode::PermissionDenied,
            Self::Label { .. } | Self::InvalidId { .. } => ErrorCode::InvalidArgument,
            Self::NoDevContainer { .. } => ErrorCode::NotFound,
            Self::Busy { .. } | Self::NoAgent { .. } => ErrorCode::Conflict,
            Self::NotInstalled => ErrorCode::Unsupported,
            Self::List { .. }
            | Self::StopContainer { .. }
            | Self::RemoveContainer { .. }
            | Self::StopAgent { .. }
            | Self::Panicked(_) => ErrorCode::Internal,
            Self::Connect { .. } => ErrorCode::BadGateway,
            Self::ShuttingDown => ErrorCode::Unavailable,
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        if let Self::Label { label } = self {
            let detail = format!("`{label}` is not KEY or KEY=VALUE with a key");
            return vec![FieldError::new("label", detail)];
        }
        Vec::new()
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Disabled => Some("the setting `containers.enabled` is false".to_owned()),
            Self::InvalidId { id } => Some(format!("`{id}` is not a UUID")),
            Self::NotInstalled => {
                Some("install it with: npm install -g @devcontainers/cli".to_owned())
            }
            Self::List { why }
            | Self::StopContainer { why }
            | Self::RemoveContainer { why }
            | Self::StopAgent { why }
            | Self::Connect { why, .. } => Some(why.clone()),
            other => agent_api::causes(std::error::Error::source(other)),
        }
    }
}
