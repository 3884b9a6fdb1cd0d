//! What a session that names a container asks the agent for; the server of the agent answers.

use std::{ffi::OsString, fmt};

use agent_exec::{Foreign, ForeignError, Size};
use async_trait::async_trait;

/// Runs commands in the containers of the workspace.
#[async_trait]
pub trait Containers: Send + Sync + fmt::Debug {
    /// Whether there can be containers at all; otherwise every session runs on the host.
    fn is_enabled(&self) -> bool;

    /// Starts a command in a container.
    ///
    /// # Errors
    ///
    /// There is no such container or user, or the command cannot be started.
    ///
    /// # Cancellation
    ///
    /// Never happens: whoever asks waits until the command has started, and ends it where nobody
    /// wants it any more.
    async fn exec(&self, command: ContainerCommand) -> Result<Foreign, ForeignError>;
}

/// A command for a container.
#[derive(Clone, PartialEq, Eq)]
pub struct ContainerCommand {
    /// Id, the beginning of one, or name of the container, as the client wrote it.
    pub container: String,
    /// Whom it runs as; `None` stands for the container's own user.
    pub user: Option<String>,
    /// Text for the shell, or for the interpreter that it names; `None` is a login shell.
    pub text: Option<Vec<u8>>,
    /// Variables of the client, no name twice; they go before those of the container.
    pub variables: Vec<(OsString, OsString)>,
    /// The terminal that it gets; without one it has three pipes.
    pub terminal: Option<ContainerTerminal>,
}

/// A terminal in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerTerminal {
    /// Size at the start; as the client sent it, 0 included.
    pub size: Size,
    /// Value of `TERM`; empty leaves it unset.
    pub term: OsString,
}

/// Without the text and the values, which may be secrets.
impl fmt::Debug for ContainerCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerCommand")
            .field("container", &self.container)
            .field("user", &self.user)
            .field("terminal", &self.terminal)
            .finish_non_exhaustive()
    }
}
