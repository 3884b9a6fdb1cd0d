//! What can go wrong with a terminal, and what the caller should do about it.

use std::{io, sync::Arc};

use agent_api::{Classify, ErrorCode, FieldError, TerminalId, limits::MAX_TERMINAL_COMMAND_BYTES};
use agent_exec::{CommandLineError, ForeignError, SpawnError};

/// Why an operation failed.
///
/// Everybody who waited for the same terminal gets the same one, hence it can be cloned.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The id in the path is no UUID.
    #[error("the id of a terminal must be a UUID")]
    Id,
    /// The command is longer than any program could be given.
    #[error("the command has {bytes} bytes, more than {MAX_TERMINAL_COMMAND_BYTES}")]
    CommandTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The command contains NUL, which no argument can.
    #[error("the command contains a NUL byte")]
    CommandWithNul,
    /// There is no backend of this name.
    #[error("the backend must be `auto`, `buffered` or `screen`")]
    UnknownBackend,
    /// A container was named.
    #[error("containers are not enabled")]
    ContainersOff,
    /// A container was named together with `screen`, which runs on the host only.
    #[error("the backend `screen` does not run in a container")]
    ScreenInContainer,
    /// The program does not run in the container.
    #[error(transparent)]
    Container(ForeignError),
    /// There is no such terminal.
    #[error("terminal `{id}` not found")]
    NoTerminal {
        /// The id.
        id: TerminalId,
    },
    /// There are as many terminals as may be.
    #[error("there are {max} terminals already")]
    TooManyTerminals {
        /// How many may be.
        max: usize,
    },
    /// The terminal has as many connections as may be.
    #[error("the terminal has {max} connections already")]
    TooManyConnections {
        /// How many may be.
        max: usize,
    },
    /// The command's `#!` line is not usable.
    #[error("the command cannot be started")]
    CommandLine(#[source] CommandLineError),
    /// There is no pseudo terminal.
    #[error("cannot open a pseudo terminal")]
    NoPty(#[source] Arc<io::Error>),
    /// The program could not be started.
    #[error("the program cannot be started")]
    Spawn(#[source] Arc<SpawnError>),
    /// `screen` would find nothing to run.
    #[error("the program `{name}` cannot be executed")]
    NoProgram {
        /// Its name.
        name: String,
    },
    /// There is no `screen` on the agent's search path.
    #[error("`screen` is not installed")]
    NoScreen,
    /// The configuration of `screen` could not be written.
    #[error("cannot write the configuration of `screen`")]
    ScreenConfig(#[source] Arc<io::Error>),
    /// `screen` was started and did not become ready.
    #[error("`screen` did not start its session")]
    ScreenNotReady,
    /// The service is shutting down.
    #[error("the agent is shutting down")]
    ShuttingDown,
    /// A defect ended the work.
    #[error("the operation ended by a defect")]
    Panicked,
}

impl Classify for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Id
            | Self::CommandTooLong { .. }
            | Self::CommandWithNul
            | Self::UnknownBackend => ErrorCode::InvalidArgument,
            Self::ContainersOff => ErrorCode::PermissionDenied,
            Self::NoTerminal { .. } => ErrorCode::NotFound,
            // Any other failure of an engine is a program that cannot be started.
            Self::Container(error) => match error.code() {
                code
                @ (ErrorCode::NotFound | ErrorCode::Conflict | ErrorCode::PermissionDenied) => code,
                _ => ErrorCode::Internal,
            },
            Self::TooManyTerminals { .. } | Self::TooManyConnections { .. } => {
                ErrorCode::ResourceExhausted
            }
            // Whatever the system says: for a terminal the protocol has one status for all of it.
            Self::CommandLine(_)
            | Self::NoPty(_)
            | Self::Spawn(_)
            | Self::NoProgram { .. }
            | Self::ScreenConfig(_)
            | Self::ScreenNotReady
            | Self::Panicked => ErrorCode::Internal,
            Self::NoScreen | Self::ScreenInContainer => ErrorCode::Unsupported,
            Self::ShuttingDown => ErrorCode::Unavailable,
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        let field = match self {
            Self::Id => "id",
            Self::CommandTooLong { .. } | Self::CommandWithNul => "command",
            Self::UnknownBackend => "backend",
            Self::ContainersOff
            | Self::ScreenInContainer
            | Self::Container(_)
            | Self::NoTerminal { .. }
            | Self::TooManyTerminals { .. }
            | Self::TooManyConnections { .. }
            | Self::CommandLine(_)
            | Self::NoPty(_)
            | Self::Spawn(_)
            | Self::NoProgram { .. }
            | Self::NoScreen
            | Self::ScreenConfig(_)
            | Self::ScreenNotReady
            | Self::ShuttingDown
            | Self::Panicked => return Vec::new(),
        };
        vec![FieldError::new(field, self.to_string())]
    }
}

impl Error {
    /// Takes over why there is no pseudo terminal.
    pub(crate) fn no_pty(source: io::Error) -> Self {
        Self::NoPty(Arc::new(source))
    }

    /// Takes over why a program did not start.
    pub(crate) fn spawn(source: SpawnError) -> Self {
        Self::Spawn(Arc::new(source))
    }
}
