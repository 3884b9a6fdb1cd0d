//! What can go wrong with a repository, and what the caller should do about it.

use std::{io, path::PathBuf, time::Duration};

use agent_api::{Classify, ErrorCode, FieldError, PathError};

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The path of the request is missing, relative or malformed.
    #[error("the path is not usable")]
    Path {
        /// The field that holds it.
        field: &'static str,
        /// What is wrong with it.
        source: PathError,
    },
    /// No repository with a work tree encloses the path.
    #[error("not a git repository: `{}`", path.display())]
    NotARepository {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// The way to the path could not be looked at.
    #[error("cannot look for the repository of `{}`", path.display())]
    Discover {
        /// The path that was asked for.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Neither the agent nor an installed `git` can read the repository.
    #[error("cannot read the repository `{}`: {why}", root.display())]
    Unsupported {
        /// Top of its work tree.
        root: PathBuf,
        /// What about it.
        why: String,
    },
    /// A scan of the repository failed.
    #[error("cannot scan the repository `{}`: {why}", root.display())]
    Scan {
        /// Top of its work tree.
        root: PathBuf,
        /// The step and its failure.
        why: String,
    },
    /// A scan took too long.
    #[error(
        "the scan of the repository `{}` takes longer than {} s",
        root.display(),
        limit.as_secs()
    )]
    Timeout {
        /// Top of its work tree.
        root: PathBuf,
        /// Longest time.
        limit: Duration,
    },
    /// As many repositories are followed as may be.
    #[error("more than {max} repositories are followed")]
    TooManyRepositories {
        /// How many may be.
        max: usize,
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
            Self::Path { .. } => ErrorCode::InvalidArgument,
            Self::NotARepository { .. } => ErrorCode::NotFound,
            Self::Discover { source, .. } => ErrorCode::from_io(source),
            Self::Unsupported { .. } => ErrorCode::Unsupported,
            Self::Scan { .. } | Self::Panicked(_) => ErrorCode::Internal,
            Self::Timeout { .. } => ErrorCode::DeadlineExceeded,
            Self::TooManyRepositories { .. } => ErrorCode::ResourceExhausted,
            Self::ShuttingDown => ErrorCode::Unavailable,
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Path { field, source } => vec![source.field(field)],
            Self::NotARepository { .. }
            | Self::Discover { .. }
            | Self::Unsupported { .. }
            | Self::Scan { .. }
            | Self::Timeout { .. }
            | Self::TooManyRepositories { .. }
            | Self::ShuttingDown
            | Self::Panicked(_) => Vec::new(),
        }
    }
}
