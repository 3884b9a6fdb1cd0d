//! What can go wrong with a process, and what the caller should do about it; one enum for each
//! group of operations.

use std::{io, sync::Arc};

use agent_api::{Classify, ErrorCode, FieldError, ProcessId};
use agent_exec::{SpawnError, TreeError};

/// Why an operation on processes failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The id is unknown, no UUID, or belongs to a process that the caller does not see.
    #[error("process not found")]
    NoProcess,
    /// The process existed and was forgotten.
    #[error("the process {id} was forgotten")]
    Forgotten {
        /// Its id.
        id: ProcessId,
        /// Why it was.
        reason: ForgetReason,
    },
    /// A part of the request other than a start's is wrong.
    #[error("invalid request: {reason}")]
    Argument {
        /// The field or parameter.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A start failed; every request that waited for it gets the same error.
    #[error(transparent)]
    Start(#[from] Arc<StartError>),
    /// Reading output failed.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// Input or the size of the terminal was refused.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A signal was not sent.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// The state directory could not be read at the start.
    #[error("cannot use the state directory of processes")]
    Store(#[source] io::Error),
    /// The service is shutting down.
    #[error("the agent is shutting down")]
    ShuttingDown,
    /// A defect ended the work.
    #[error("the operation ended by a defect")]
    Panicked(#[source] tokio::task::JoinError),
}

/// Why a process was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForgetReason {
    /// Its time had passed.
    Expired,
    /// There were too many.
    Evicted,
    /// A client deleted it.
    Deleted,
}

/// Why a process was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The request is wrong.
    #[error("{message}")]
    Request {
        /// What is wrong with it as a whole.
        message: &'static str,
        /// The refused fields.
        fields: Vec<FieldError>,
    },
    /// The user database has no such user.
    #[error("the user is not known")]
    UnknownUser {
        /// Name or id as the caller gave it.
        user: String,
    },
    /// The agent is not root and may not run anything as another user.
    #[error("permission denied: only root may start processes of other users")]
    OtherUser {
        /// Name or id as the caller gave it.
        user: String,
    },
    /// The id belongs to a process with another request.
    #[error("the id belongs to a process that was started by another request")]
    OtherRequest,
    /// The id belongs to a process that was forgotten.
    #[error("the process {id} was forgotten and is not run again")]
    Forgotten {
        /// The id.
        id: ProcessId,
        /// Why it was forgotten.
        reason: ForgetReason,
    },
    /// As many processes run as may.
    #[error("too many processes are running")]
    TooManyRunning {
        /// The most.
        max: usize,
    },
    /// The limits cannot be enforced on this machine.
    #[error("limits need a cgroup v2 leaf that the agent may create")]
    LimitsUnsupported(#[source] Option<SpawnError>),
    /// The user database could not be asked.
    #[error("Failed to start process.")]
    Account(#[source] io::Error),
    /// The system refused.
    #[error("Failed to start process.")]
    Spawn {
        /// The field that is to blame, if one is.
        field: Option<&'static str>,
        /// What was refused.
        #[source]
        source: SpawnError,
    },
    /// The service is shutting down.
    #[error("the agent is shutting down")]
    ShuttingDown,
    /// A defect ended the start.
    #[error("the start ended by a defect")]
    Panicked,
}

/// Why output could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// Every byte of the range was forgotten.
    #[error("the bytes from {from} on were forgotten")]
    Forgotten {
        /// The offset that was asked for.
        from: u64,
        /// The first readable offset at or after it; the end of the stream if there is none.
        next: u64,
    },
    /// The offset lies beyond the end.
    #[error("the offset {from} lies beyond the {end} bytes of the stream")]
    BeyondEnd {
        /// The offset that was asked for.
        from: u64,
        /// The end of the stream.
        end: u64,
    },
    /// The journal could not be read.
    #[error("cannot read the output")]
    Read(#[source] io::Error),
}

/// Why input was not taken, or the terminal not resized.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The process was started without an open input.
    #[error("the input of the process was never open")]
    NeverOpen,
    /// The input is closed, or nothing reads it any more.
    #[error("the input of the process is closed")]
    Closed,
    /// The process exited.
    #[error("the process exited, and its input with it")]
    Exited,
    /// The end of a terminal's input is a byte.
    #[error("the input of a terminal cannot be closed; send byte 4 instead")]
    Terminal,
    /// The body is larger than an input may be.
    #[error("the input is too large")]
    TooLarge {
        /// The most bytes.
        max: usize,
    },
    /// Only terminals have a size.
    #[error("the process has no terminal")]
    NoTerminal,
    /// The terminal went with the process.
    #[error("the process exited, and its terminal with it")]
    NoTerminalLeft,
    /// The system refused the bytes or the size.
    #[error("cannot reach the process")]
    Io(#[source] io::Error),
}

/// Why a signal was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    /// The signal was left out.
    #[error("Signal is required")]
    Required,
    /// The signal is not known.
    #[error("Unsupported signal")]
    Unsupported,
    /// The scope is not known.
    #[error("unknown scope of a signal")]
    UnknownScope,
    /// The leader exited and the signal was for nobody else.
    #[error("the process exited")]
    Exited,
    /// Nothing was sent.
    #[error("the signal was not sent")]
    Tree(#[source] TreeError),
    /// The agent that started the process died, and its tree is not known any more.
    #[error("the process exited, and what it left is not known any more")]
    NoTree,
}

impl ForgetReason {
    /// The word for it on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Evicted => "evicted",
            Self::Deleted => "deleted",
        }
    }
}

impl Classify for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoProcess => ErrorCode::NotFound,
            Self::Forgotten { .. } => ErrorCode::Gone,
            Self::Argument { .. } => ErrorCode::InvalidArgument,
            Self::Start(error) => error.code(),
            Self::Output(error) => error.code(),
            Self::Input(error) => error.code(),
            Self::Signal(error) => error.code(),
            Self::Store(_) | Self::Panicked(_) => ErrorCode::Internal,
            Self::ShuttingDown => ErrorCode::Unavailable,
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Argument { field, reason } => vec![FieldError::new(*field, reason)],
            Self::Start(error) => error.fields(),
            Self::Signal(error) => error.fields(),
            Self::Output(_)
            | Self::Input(_)
            | Self::NoProcess
            | Self::Forgotten { .. }
            | Self::Store(_)
            | Self::ShuttingDown
            | Self::Panicked(_) => Vec::new(),
        }
    }

    fn detail(&self) -> Option<String> {
        use std::error::Error as _;
        match self {
            Self::Forgotten { reason, .. } => Some(reason.as_str().to_owned()),
            Self::Start(error) => error.detail(),
            Self::Output(error) => error.detail(),
            Self::Input(error) => error.detail(),
            Self::Signal(error) => error.detail(),
            other => agent_api::causes(other.source()),
        }
    }
}

impl Classify for StartError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Request { .. } | Self::UnknownUser { .. } => ErrorCode::InvalidArgument,
            Self::OtherUser { .. } => ErrorCode::PermissionDenied,
            Self::OtherRequest => ErrorCode::Conflict,
            Self::Forgotten { .. } => ErrorCode::Gone,
            Self::TooManyRunning { .. } => ErrorCode::ResourceExhausted,
            Self::LimitsUnsupported(_) => ErrorCode::Unsupported,
            // The protocol has one code for every command that the system refuses to start.
            Self::Account(_) | Self::Spawn { .. } | Self::Panicked => ErrorCode::Internal,
            Self::ShuttingDown => ErrorCode::Unavailable,
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Request { fields, .. } => fields.clone(),
            Self::UnknownUser { user } => {
                vec![FieldError::new("user", format!("there is no user `{user}`"))]
            }
            Self::OtherUser { user } => {
                vec![FieldError::new("user", format!("`{user}` is not the agent's own user"))]
            }
            Self::Spawn { field: Some(field), source } => {
                let why = agent_api::causes(Some(source)).unwrap_or_default();
                vec![FieldError::new(*field, why)]
            }
            Self::OtherRequest
            | Self::Forgotten { .. }
            | Self::TooManyRunning { .. }
            | Self::LimitsUnsupported(_)
            | Self::Account(_)
            | Self::Spawn { field: None, .. }
            | Self::ShuttingDown
            | Self::Panicked => Vec::new(),
        }
    }

    fn detail(&self) -> Option<String> {
        use std::error::Error as _;
        match self {
            Self::Forgotten { reason, .. } => Some(reason.as_str().to_owned()),
            Self::TooManyRunning { max } => Some(format!("at most {max} processes may run")),
            other => agent_api::causes(other.source()),
        }
    }
}

impl Classify for OutputError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Forgotten { .. } => ErrorCode::Gone,
            Self::BeyondEnd { .. } => ErrorCode::RangeNotSatisfiable,
            Self::Read(_) => ErrorCode::Internal,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Forgotten { next, .. } => Some(format!("the next readable byte is {next}")),
            Self::BeyondEnd { .. } => None,
            Self::Read(source) => agent_api::causes(Some(source)),
        }
    }
}

impl Classify for InputError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NeverOpen
            | Self::Closed
            | Self::Exited
            | Self::Terminal
            | Self::NoTerminal
            | Self::NoTerminalLeft => ErrorCode::Conflict,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::Io(_) => ErrorCode::Internal,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::TooLarge { max } => Some(format!("at most {max} bytes are accepted")),
            Self::Io(source) => agent_api::causes(Some(source)),
            Self::NeverOpen
            | Self::Closed
            | Self::Exited
            | Self::Terminal
            | Self::NoTerminal
            | Self::NoTerminalLeft => None,
        }
    }
}

impl Classify for SignalError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Required | Self::Unsupported | Self::UnknownScope => ErrorCode::InvalidArgument,
            Self::Exited | Self::NoTree => ErrorCode::Conflict,
            Self::Tree(error) => error.code(),
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Required | Self::Unsupported => vec![FieldError::new("signal", self.to_string())],
            Self::UnknownScope => {
                let reason = "the scope must be `tree`, `group` or `leader`";
                vec![FieldError::new("scope", reason)]
            }
            Self::Exited | Self::NoTree | Self::Tree(_) => Vec::new(),
        }
    }
}
