//! How a scan of a repository ends when it finds no snapshot.

use thiserror::Error;

use crate::repository::SourceError;

/// Why there is no snapshot.
#[derive(Debug, Error)]
pub(crate) enum ScanError {
    /// The root, its `.git` or what that points to is gone.
    #[error("the repository is gone")]
    Removed,
    /// Neither source can read a repository of this format.
    #[error("the format of the repository is not supported: {why}")]
    Unsupported {
        /// What of it.
        why: String,
    },
    /// The stop flag was raised.
    #[error("the scan was stopped")]
    Stopped,
    /// A step failed; another scan may succeed.
    #[error("cannot {what}")]
    Failed {
        /// The step, as words after "cannot".
        what: String,
        /// Its failure.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ScanError {
    /// A step that failed.
    pub(crate) fn failed(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Failed { what: what.into(), source: source.into() }
    }
}

impl From<SourceError> for ScanError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Unsupported { why } => Self::Unsupported { why },
            SourceError::Stopped => Self::Stopped,
            SourceError::Failed { what, source } => Self::Failed { what, source },
            SourceError::Missing { .. } => Self::failed("read an object", error),
        }
    }
}
