//! Why a command was not started, and what of the command was to blame.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use agent_api::{Classify, ErrorCode};

use crate::Command;

/// Why a command was not started; nothing of it is left then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The working directory is missing, no directory, or closed to the command's user.
    #[error("the working directory `{}` cannot be used", path.display())]
    Workdir {
        /// The directory that was asked for.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The program was not found or cannot be executed, or its arguments are too long.
    #[error("the program `{}` cannot be executed", program.display())]
    Program {
        /// The first of the arguments, as it was given.
        program: OsString,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A variable with an empty name, `=` in its name, or NUL.
    #[error("the environment variable `{}` cannot be given to a program", name.display())]
    Variable {
        /// Its name.
        name: OsString,
    },
    /// The command may not run as this user.
    #[error("cannot run as the user `{user}`")]
    User {
        /// The account's name.
        user: String,
        /// Why; `EPERM` when agentd is not privileged.
        #[source]
        source: io::Error,
    },
    /// There is no cgroup v2 here that can enforce the limits.
    #[error("limits need a cgroup v2 that agentd may create, with controllers for them")]
    Limits {
        /// What was refused; absent when no hierarchy offers the controllers.
        #[source]
        source: Option<io::Error>,
    },
    /// The system refused something else, such as a further process or descriptor.
    #[error("cannot {step}")]
    System {
        /// What was to be done.
        step: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The part of a command that was to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// [`Command::workdir`](crate::Command::workdir).
    Workdir,
    /// [`Command::args`](crate::Command::args).
    Program,
    /// [`Command::env`](crate::Command::env).
    Environment,
    /// [`Command::account`](crate::Command::account).
    User,
    /// [`Command::limits`](crate::Command::limits).
    Limits,
}

impl SpawnError {
    /// The part of the command that was to blame; `None` when it was the system.
    pub fn refused(&self) -> Option<Refused> {
        match self {
            Self::Workdir { .. } => Some(Refused::Workdir),
            Self::Program { .. } => Some(Refused::Program),
            Self::Variable { .. } => Some(Refused::Environment),
            Self::User { .. } => Some(Refused::User),
            Self::Limits { .. } => Some(Refused::Limits),
            Self::System { .. } => None,
        }
    }

    /// The error that blames the program or its arguments.
    pub(crate) fn program(command: &Command, source: io::Error) -> Self {
        Self::Program { program: command.args.first().cloned().unwrap_or_default(), source }
    }

    pub(crate) fn system(step: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { step, source }
    }
}

impl Classify for SpawnError {
    fn code(&self) -> ErrorCode {
        match self {
            // The protocol has one code for every command that the system refuses to start,
            // but a machine that is short of something may have it later.
            Self::Workdir { .. } | Self::Program { .. } => ErrorCode::Internal,
            Self::System { source, .. } => match ErrorCode::from_io(source) {
                ErrorCode::Unavailable => ErrorCode::Unavailable,
                _ => ErrorCode::Internal,
            },
            Self::Variable { .. } => ErrorCode::InvalidArgument,
            Self::User { source, .. } => ErrorCode::from_io(source),
            Self::Limits { .. } => ErrorCode::Unsupported,
        }
    }
}
