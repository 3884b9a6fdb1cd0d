//! Why `search_files` or `find_files` failed, and what the caller should do about it.

use std::io;

use agent_api::{Classify, ErrorCode, FieldError, io_text};

/// Why a search of contents or names failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// Fields of the request were refused; nothing was touched.
    #[error("invalid search request")]
    Invalid {
        /// Every refused field.
        fields: Vec<FieldError>,
    },
    /// A path that the request names cannot be examined.
    #[error("cannot search `{path}`")]
    Path {
        /// The path's field.
        field: String,
        /// The path, cleaned.
        path: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A path that the request names is neither a file nor a directory.
    #[error("cannot search `{path}`: not a regular file")]
    WrongKind {
        /// The path's field.
        field: String,
        /// The path, cleaned.
        path: String,
    },
    /// The search was given up, because its caller left or the service shuts down.
    #[error("the search was given up")]
    Stopped,
}

impl Classify for SearchError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid { .. } | Self::WrongKind { .. } => ErrorCode::InvalidArgument,
            Self::Path { source, .. } => ErrorCode::from_io(source),
            Self::Stopped => ErrorCode::Unavailable,
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Invalid { fields } => fields.clone(),
            Self::Path { field, source, .. } => vec![FieldError::new(field, io_text(source))],
            Self::WrongKind { field, .. } => vec![FieldError::new(field, "not a regular file")],
            Self::Stopped => Vec::new(),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Invalid { fields } if fields.len() == 1 => Some("1 field was refused".to_owned()),
            Self::Invalid { fields } => Some(format!("{} fields were refused", fields.len())),
            Self::Path { source, .. } => Some(io_text(source)),
            Self::WrongKind { .. } | Self::Stopped => None,
        }
    }
}
