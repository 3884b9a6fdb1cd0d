//! Why a repository was not read.

use std::error::Error;

use crate::model::ObjectId;

/// Why a repository was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// Nothing that is installed here can read it.
    #[error("{why}")]
    Unsupported { why: String },
    /// An object that is needed does not exist, as in a damaged or partial clone.
    #[error("object {id} is missing")]
    Missing { id: ObjectId },
    /// The scan was told to stop, or had no time left.
    #[error("the scan was stopped")]
    Stopped,
    /// A step failed; `what` are the words after "cannot".
    #[error("cannot {what}")]
    Failed {
        what: String,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl SourceError {
    /// Says which step an error ended; to be used with `map_err`.
    pub(crate) fn failed<E>(what: impl Into<String>) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let what = what.into();
        |source| Self::Failed { what, source: source.into() }
    }
}
