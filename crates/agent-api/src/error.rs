//! How a failure is classified and what of it crosses the socket; not how a transport sends it.

use serde::{Deserialize, Deserializer, Serialize};

/// What a caller should do about a failure.
///
/// Each code is one HTTP status and each status one code, so a client recovers the code from the
/// status alone. The snake_case name is used where a code travels inside a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// Fix the request (400).
    InvalidArgument,
    /// Present credentials (401).
    Unauthenticated,
    /// Ask for access (403).
    PermissionDenied,
    /// Check the name (404).
    NotFound,
    /// Use a method named in `Allow` (405).
    MethodNotAllowed,
    /// Look at the state (409).
    Conflict,
    /// Start over (410).
    Gone,
    /// Send or ask for less (413).
    TooLarge,
    /// Ask within the size (416).
    RangeNotSatisfiable,
    /// Use a WebSocket (426).
    UpgradeRequired,
    /// Wait, then retry (429).
    ResourceExhausted,
    /// Report a defect (500); inside a body also any code of a newer agent.
    Internal,
    /// Do not retry: the machine lacks what this needs (501).
    Unsupported,
    /// Check the other server (502).
    BadGateway,
    /// Retry with backoff (503).
    Unavailable,
    /// Allow more time (504).
    DeadlineExceeded,
}

/// Code, HTTP status and wire name, in the order of the statuses.
const TABLE: [(ErrorCode, u16, &str); 16] = [
    (ErrorCode::InvalidArgument, 400, "invalid_argument"),
    (ErrorCode::Unauthenticated, 401, "unauthenticated"),
    (ErrorCode::PermissionDenied, 403, "permission_denied"),
    (ErrorCode::NotFound, 404, "not_found"),
    (ErrorCode::MethodNotAllowed, 405, "method_not_allowed"),
    (ErrorCode::Conflict, 409, "conflict"),
    (ErrorCode::Gone, 410, "gone"),
    (ErrorCode::TooLarge, 413, "too_large"),
    (ErrorCode::RangeNotSatisfiable, 416, "range_not_satisfiable"),
    (ErrorCode::UpgradeRequired, 426, "upgrade_required"),
    (ErrorCode::ResourceExhausted, 429, "resource_exhausted"),
    (ErrorCode::Internal, 500, "internal"),
    (ErrorCode::Unsupported, 501, "unsupported"),
    (ErrorCode::BadGateway, 502, "bad_gateway"),
    (ErrorCode::Unavailable, 503, "unavailable"),
    (ErrorCode::DeadlineExceeded, 504, "deadline_exceeded"),
];

impl ErrorCode {
    /// Every code, in the order of the statuses.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(code, _, _)| *code)
    }

    fn row(self) -> &'static (Self, u16, &'static str) {
        TABLE.iter().find(|(code, _, _)| *code == self).expect("the table has a row for every code")
    }

    /// The HTTP status of this code.
    pub fn status(self) -> u16 {
        self.row().1
    }

    /// The snake_case name used inside bodies.
    pub fn as_str(self) -> &'static str {
        self.row().2
    }

    /// Recovers the code from an HTTP status; `None` below 400.
    ///
    /// An unknown 4xx is [`ErrorCode::InvalidArgument`], an unknown status above that
    /// [`ErrorCode::Internal`].
    pub fn from_status(status: u16) -> Option<Self> {
        let known = TABLE.iter().find(|(_, s, _)| *s == status);
        match (known, status) {
            (Some((code, _, _)), _) => Some(*code),
            (None, ..=399) => None,
            (None, 400..=499) => Some(Self::InvalidArgument),
            (None, 500..) => Some(Self::Internal),
        }
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    /// A name that is not known is [`ErrorCode::Internal`], like a status that is not known.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = TABLE.iter().find(|(_, _, known)| *known == name);
        Ok(known.map_or(Self::Internal, |(code, _, _)| *code))
    }
}

/// One refused part of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// Name of the query parameter, or path of the JSON field such as `files[0].edits[2].old_text`.
    pub field: String,
    /// Why it was refused, one sentence.
    pub detail: String,
}

impl FieldError {
    /// Names a field and the reason for its refusal.
    pub fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: field.into(), detail: detail.into() }
    }
}

/// The body of every error response.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What failed, one sentence; always there.
    pub message: String,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The refused fields, in the order of their detection.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "crate::null::as_default"
    )]
    pub validations: Vec<FieldError>,
}

impl ErrorBody {
    /// Describes a classified error: its sentence, its detail and its refused fields.
    pub fn of(error: &dyn Classify) -> Self {
        Self { message: error.to_string(), detail: error.detail(), validations: error.fields() }
    }
}

/// Says what a caller should do about an error.
///
/// Implemented once, beside each crate's error enum, with every variant written out. A transport
/// turns it into its own form and decides nothing.
pub trait Classify: std::error::Error {
    /// The code of this error.
    fn code(&self) -> ErrorCode;

    /// The refused parts of the request, if the request was at fault.
    fn fields(&self) -> Vec<FieldError> {
        Vec::new()
    }

    /// Why it failed; by default the chain of sources, joined by `: `.
    fn detail(&self) -> Option<String> {
        causes(self.source())
    }
}

/// Joins an error and its sources by `: `, with the protocol's words for I/O errors.
///
/// `None` when there is no error.
pub fn causes(first: Option<&(dyn std::error::Error + 'static)>) -> Option<String> {
    let chain = std::iter::successors(first, |error| error.source());
    let texts: Vec<String> = chain.map(text_of).collect();
    (!texts.is_empty()).then(|| texts.join(": "))
}

fn text_of(error: &(dyn std::error::Error + 'static)) -> String {
    match error.downcast_ref::<std::io::Error>() {
        Some(io) => crate::io_text(io),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_and_its_status_convert_into_each_other() {
        for code in ErrorCode::all() {
            assert_eq!(ErrorCode::from_status(code.status()), Some(code));
        }
        assert_eq!(ErrorCode::all().count(), 16);
    }

    #[test]
    fn unknown_statuses_fall_into_their_class() {
        let cases = [
            (200, None),
            (304, None),
            (418, Some(ErrorCode::InvalidArgument)),
            (599, Some(ErrorCode::Internal)),
        ];
        for (status, expected) in cases {
            assert_eq!(ErrorCode::from_status(status), expected, "status {status}");
        }
    }

    #[test]
    fn a_code_is_written_as_its_wire_name() {
        for code in ErrorCode::all() {
            let json = serde_json::to_string(&code).unwrap();
            assert_eq!(json, format!("\"{}\"", code.as_str()));
        }
    }
}
