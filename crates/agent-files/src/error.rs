//! What can go wrong with a file, and what the caller should do about it.

use std::{io, path::PathBuf};

use agent_api::{Classify, ErrorCode, FieldError, PathError};

/// Why a file operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A path of the request is missing, relative or malformed.
    #[error("the path is not usable")]
    Path {
        /// The field that holds it.
        field: String,
        /// What is wrong with it.
        source: PathError,
    },
    /// Another field of the request is wrong.
    #[error("invalid request: {reason}")]
    Argument {
        /// The field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The system refused a step.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// The step, as an infinitive.
        action: &'static str,
        /// What it was about.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A directory stands where a file should be read or edited.
    #[error("`{}` is a directory, not a file", path.display())]
    NotAFile {
        /// The directory.
        path: PathBuf,
    },
    /// A directory stands where a file should be written.
    #[error("`{}` is a directory", path.display())]
    IsADirectory {
        /// The directory.
        path: PathBuf,
    },
    /// Something else stands where a directory should be listed.
    #[error("`{}` is not a directory", path.display())]
    NotADirectory {
        /// What stands there, or a file on the way to it.
        path: PathBuf,
    },
    /// A FIFO, socket or device stands where a file should be.
    #[error("`{}` is not a regular file", path.display())]
    NotARegularFile {
        /// The special file.
        path: PathBuf,
    },
    /// The file is not in the state that the caller demanded.
    #[error("a precondition failed for `{}`: {reason}", path.display())]
    Precondition {
        /// The file.
        path: PathBuf,
        /// What does not hold.
        reason: &'static str,
    },
    /// The range that was asked for lies beyond the end.
    #[error("the range lies beyond the {size} bytes of the file")]
    RangeNotSatisfiable {
        /// Size of the file in bytes.
        size: u64,
    },
    /// The client stopped sending, or its transport failed.
    #[error("the content did not arrive completely")]
    Upload {
        /// What the transport said.
        #[source]
        source: io::Error,
    },
    /// A file that is overwritten in place may now be a mix of old and new.
    #[error("`{}` may be incomplete", path.display())]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// Why overwriting stopped.
        #[source]
        source: io::Error,
    },
    /// Making, moving or removing failed.
    #[error(transparent)]
    Tree(#[from] crate::tree::TreeError),
    /// An edit of files failed.
    #[error(transparent)]
    Edit(#[from] crate::edit_files::EditFilesError),
    /// A search was refused.
    #[error(transparent)]
    Search(#[from] crate::walk::SearchError),
    /// The service is shutting down.
    #[error("the agent is shutting down")]
    ShuttingDown,
    /// A defect ended the work.
    #[error("the operation ended by a defect")]
    Panicked(#[source] tokio::task::JoinError),
}

impl Error {
    /// Names the step and the path that an I/O error belongs to.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

impl Classify for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Path { .. }
            | Self::Argument { .. }
            | Self::NotAFile { .. }
            | Self::IsADirectory { .. }
            | Self::NotADirectory { .. }
            | Self::NotARegularFile { .. }
            | Self::Upload { .. } => ErrorCode::InvalidArgument,
            Self::Io { source, .. } => ErrorCode::from_io(source),
            Self::Precondition { .. } => ErrorCode::Conflict,
            Self::RangeNotSatisfiable { .. } => ErrorCode::RangeNotSatisfiable,
            Self::Incomplete { .. } | Self::Panicked(_) => ErrorCode::Internal,
            Self::Tree(error) => error.code(),
            Self::Edit(error) => error.code(),
            Self::Search(error) => error.code(),
            Self::ShuttingDown => ErrorCode::Unavailable,
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Path { field, source } => vec![source.field(field)],
            Self::Argument { field, reason } => vec![FieldError::new(field, reason)],
            Self::Tree(error) => error.fields(),
            Self::Edit(error) => error.fields(),
            Self::Search(error) => error.fields(),
            Self::Io { .. }
            | Self::NotAFile { .. }
            | Self::IsADirectory { .. }
            | Self::NotADirectory { .. }
            | Self::NotARegularFile { .. }
            | Self::Precondition { .. }
            | Self::RangeNotSatisfiable { .. }
            | Self::Upload { .. }
            | Self::Incomplete { .. }
            | Self::ShuttingDown
            | Self::Panicked(_) => Vec::new(),
        }
    }

    fn detail(&self) -> Option<String> {
        use std::error::Error as _;
        match self {
            Self::Tree(error) => error.detail(),
            Self::Edit(error) => error.detail(),
            Self::Search(error) => error.detail(),
            other => agent_api::causes(other.source()),
        }
    }
}
