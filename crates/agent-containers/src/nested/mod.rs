//! The agent inside: put into a running container, started there, reached, stopped. When that is to
//! happen is the service's business.

use std::{
    io,
    path::PathBuf,
    pin::Pin,
    task::{Context, Poll},
};

use agent_api::{Classify, DevContainerAgent, ErrorCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use uuid::Uuid;

use crate::{Workspace, engine::Engine};

/// What an agent in a container is made of.
#[derive(Clone, Debug)]
pub(crate) struct Injection {
    /// Id of the agent outside, the namespace of the id of the one inside.
    pub(crate) agent_id: Uuid,
    /// The executable to copy; `None` is the running one, even when its file was replaced.
    pub(crate) executable: Option<PathBuf>,
    /// Full id of the container.
    pub(crate) container_id: String,
    /// Name of the dev container, and of the agent.
    pub(crate) name: String,
    /// `workspaceFolder` of the merged configuration.
    pub(crate) directory: Option<String>,
}

/// A running agent in a container; cheap to clone, and dropping it does not stop the agent.
#[derive(Clone, Debug)]
pub(crate) struct NestedAgent {
    agent: DevContainerAgent,
    container_id: String,
}

/// Copies the agent into a container, starts it, and returns when it listens.
///
/// Dropped before that, nothing that was started goes on.
pub(crate) async fn inject(
    engine: &Engine,
    workspace: &dyn Workspace,
    injection: Injection,
) -> Result<NestedAgent, NestedError> {
    let _ = (engine, workspace, injection);
    todo!()
}

impl NestedAgent {
    /// What the list tells of it.
    pub(crate) fn agent(&self) -> &DevContainerAgent {
        &self.agent
    }

    /// The container that it runs in.
    pub(crate) fn container_id(&self) -> &str {
        &self.container_id
    }

    /// Waits until it has ended, by itself or with its container.
    pub(crate) async fn ended(&self) {
        todo!()
    }

    /// Asks it to end with `SIGTERM`, and returns when it has; after its grace it is killed.
    pub(crate) async fn stop(&self) -> Result<(), NestedError> {
        todo!()
    }

    /// Opens a connection to it, within five seconds.
    pub(crate) async fn connect(&self) -> Result<NestedStream, NestedError> {
        todo!()
    }
}

/// One connection to an agent in a container.
///
/// A shutdown is the end of what is sent; dropping it ends both directions.
#[derive(Debug)]
pub struct NestedStream {
    _private: (),
}

impl AsyncRead for NestedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        todo!()
    }
}

impl AsyncWrite for NestedStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        todo!()
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        todo!()
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        todo!()
    }
}

/// Why there is no agent in a container, or none that answers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum NestedError {
    /// A warning, never an error of the dev container: trying again does not help.
    #[error("the container is for {container}, the agent is for {host}")]
    Architecture { container: String, host: &'static str },
    /// The agent inside did not answer in time.
    #[error("the agent in the container does not answer")]
    Silent,
}

impl NestedError {
    /// Whether it is a warning only, which no later attempt changes.
    pub(crate) fn is_architecture(&self) -> bool {
        matches!(self, Self::Architecture { .. })
    }
}

impl Classify for NestedError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Architecture { .. } => ErrorCode::Unsupported,
            Self::Silent => ErrorCode::BadGateway,
        }
    }
}
