//! What runs in a container, for whom, and why it did not start; not how it is started.

use std::{error::Error as StdError, ffi::OsString, fmt};

use agent_api::{Classify, ErrorCode};
use agent_exec::{CommandLineError, Size};

/// A command for a container.
///
/// Its `Debug` shows neither the command nor the variables.
#[derive(Clone, PartialEq, Eq)]
pub struct ExecRequest {
    /// Id, unique beginning of an id, or name of the container.
    pub container: String,
    /// `NAME` or `UID`, each with `:GROUP` if wanted; absent or empty: the user of the dev
    /// container, else the container's own.
    pub user: Option<String>,
    /// What runs.
    pub command: ExecCommand,
    /// Variables that the client sent; of several values of one name the last counts.
    ///
    /// Names that are empty or contain `=` or NUL, and values with NUL, are left out.
    pub variables: Vec<(OsString, OsString)>,
    /// The terminal it gets; without one its three streams stay apart.
    pub terminal: Option<ExecTerminal>,
}

/// What runs in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecCommand {
    /// The user's shell as a login shell.
    Login,
    /// A text for the user's shell or for the interpreter it names, at most 131,071 bytes; an
    /// empty one is a login shell.
    Text(Vec<u8>),
}

/// The terminal of a command in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecTerminal {
    /// Its size at the start.
    pub size: Size,
    /// What `TERM` says; empty: `TERM` is not set.
    pub term: OsString,
}

impl fmt::Debug for ExecRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { container, user, command: _, variables: _, terminal } = self;
        f.debug_struct("ExecRequest")
            .field("container", container)
            .field("user", user)
            .field("terminal", terminal)
            .finish_non_exhaustive()
    }
}

/// Why a command did not start in a container.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// Containers are turned off.
    #[error("containers are not enabled")]
    Disabled,
    /// The engine knows no such container, or more than one.
    #[error("there is no container `{container}`")]
    NoContainer {
        /// What was asked for.
        container: String,
    },
    /// The container does not run, or is paused.
    #[error("the container `{container}` is not running: it is {state}")]
    NotRunning {
        /// What was asked for.
        container: String,
        /// The engine's word for what it is.
        state: String,
    },
    /// The container has no such user or group.
    #[error("the container `{container}` has no user `{user}`")]
    NoUser {
        /// What was asked for.
        container: String,
        /// The user, and the group if one was given.
        user: String,
    },
    /// The text is no command.
    #[error("the text is no command")]
    CommandLine(#[source] CommandLineError),
    /// The engine cannot be reached, refused, or gave a bad answer.
    #[error("the container engine did not {step}")]
    Engine {
        /// What was to be done.
        step: &'static str,
        /// Why not.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl Classify for ExecError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Disabled => ErrorCode::PermissionDenied,
            Self::NoContainer { .. } | Self::NoUser { .. } => ErrorCode::NotFound,
            Self::NotRunning { .. } => ErrorCode::Conflict,
            Self::CommandLine(_) => ErrorCode::InvalidArgument,
            Self::Engine { .. } => ErrorCode::Internal,
        }
    }
}
