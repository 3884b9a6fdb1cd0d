//! Why an edit of files was refused or failed; which edit matches is the matcher's matter.

use std::{io, path::PathBuf};

use agent_api::{Classify, ErrorCode, FieldError};

use crate::Error;

/// Why `edit_files` changed nothing, or not everything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditFilesError {
    /// The request as a whole is wrong.
    #[error("{reason}")]
    Request {
        /// The field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// One or more files cannot be edited as asked; nothing was written.
    #[error("{}", texts(.0))]
    Refused(Vec<EditFailure>),
    /// Publishing failed; what had been published was taken back, or is named.
    #[error("cannot publish the edit of `{}`", path.display())]
    Commit {
        /// The file that failed.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<Error>,
        /// Files whose originals could not be put back, with the reason.
        not_restored: Vec<(PathBuf, io::Error)>,
    },
}

/// Why one file cannot be edited as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditFailure {
    /// The resolved path, or the path as given where there is none.
    pub path: String,
    /// The part of the request: `files[0]`, `files[0].path` or `files[0].edits[2]`.
    pub field: String,
    /// What the caller should do.
    pub code: ErrorCode,
    /// Why, one sentence.
    pub reason: String,
}

fn texts(failures: &[EditFailure]) -> String {
    let texts: Vec<String> = failures
        .iter()
        .map(|failure| format!("edit {}: {}", failure.path, failure.reason))
        .collect();
    texts.join("\n")
}

impl EditFilesError {
    pub(super) fn request(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Request { field: field.into(), reason: reason.into() }
    }
}

impl Classify for EditFilesError {
    /// Of several refusals the one with the highest status.
    fn code(&self) -> ErrorCode {
        match self {
            Self::Request { .. } => ErrorCode::InvalidArgument,
            Self::Refused(failures) => failures
                .iter()
                .map(|failure| failure.code)
                .max_by_key(|code| code.status())
                .unwrap_or(ErrorCode::Internal),
            Self::Commit { source, .. } => source.code(),
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Request { field, reason } => vec![FieldError::new(field, reason)],
            Self::Refused(failures) => failures
                .iter()
                .map(|failure| FieldError::new(&failure.field, &failure.reason))
                .collect(),
            Self::Commit { .. } => Vec::new(),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Request { .. } | Self::Refused(_) => None,
            Self::Commit { source, not_restored, .. } => {
                let cause = match source.detail() {
                    Some(detail) => format!("{source}: {detail}"),
                    None => source.to_string(),
                };
                Some(format!("{cause}; {}", outcome(not_restored)))
            }
        }
    }
}

fn outcome(not_restored: &[(PathBuf, io::Error)]) -> String {
    if not_restored.is_empty() {
        return "every file already changed was restored".to_owned();
    }
    let files: Vec<String> = not_restored
        .iter()
        .map(|(path, error)| format!("{} ({})", path.display(), agent_api::io_text(error)))
        .collect();
    format!("not restored: {}", files.join(", "))
}
