//! What a terminal that names a container asks the agent for; the server of the agent answers.

use std::fmt;

#[cfg(doc)]
use agent_api::ErrorCode;
use agent_exec::{Foreign, ForeignError, Size};
use async_trait::async_trait;

/// Runs programs on terminals in the containers of the workspace.
#[async_trait]
pub trait Containers: Send + Sync + fmt::Debug {
    /// Whether there can be containers at all.
    fn is_enabled(&self) -> bool;

    /// Starts a program on a terminal in a container.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NotFound`] when there is no such container or user, [`ErrorCode::Conflict`]
    /// when the container does not run, anything else when the program cannot be started.
    ///
    /// # Cancellation
    ///
    /// Never happens: whoever asks waits until the program has started, and ends it where nobody
    /// wants it any more.
    async fn exec(&self, command: ContainerCommand) -> Result<Foreign, ForeignError>;
}

/// A program for a terminal in a container.
#[derive(Clone, PartialEq, Eq)]
pub struct ContainerCommand {
    /// Id, the beginning of one, or name of the container, as the client wrote it.
    pub container: String,
    /// Whom it runs as; `None` stands for the container's own user.
    pub user: Option<String>,
    /// Text for the shell, or for the interpreter that it names; empty is a login shell.
    pub text: String,
    /// Size of the terminal at the start.
    pub size: Size,
    /// Value of `TERM`.
    pub term: &'static str,
}

/// Without the text, which may hold secrets.
impl fmt::Debug for ContainerCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerCommand")
            .field("container", &self.container)
            .field("user", &self.user)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
