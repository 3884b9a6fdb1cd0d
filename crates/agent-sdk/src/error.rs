//! What can go wrong for a caller, and what to do about it; not what went wrong on the agent's disk,
//! which the agent says itself.

use std::{fmt, io, time::Duration};

use agent_api::{Classify, ErrorCode, FieldError};

/// Why a call gave no result.
///
/// `Display` is one sentence, `OPERATION: message (detail)`, with everything a person needs, so
/// there is no further source to print. No variant ever holds a token.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The agent answered with a status other than the success.
    Api {
        /// Name of the operation.
        operation: &'static str,
        /// The code that the status stands for; never guessed from the text.
        code: ErrorCode,
        /// What failed, in the agent's words; the status's standard phrase when it had none.
        message: String,
        /// Why it failed.
        detail: Option<String>,
        /// The refused parts of the request.
        fields: Vec<FieldError>,
    },
    /// No connection was made; nothing was sent.
    Connect {
        /// What could not be reached, as the target names it.
        target: String,
        /// Why.
        source: io::Error,
    },
    /// A time of [`Config`](crate::Config) or of the call passed.
    Timeout {
        /// Name of the operation.
        operation: &'static str,
        /// The time that passed.
        after: Duration,
    },
    /// The connection or stream ended early; the work may have begun.
    Closed {
        /// The close code of a WebSocket.
        code: Option<u16>,
        /// Why, as far as it is known.
        reason: String,
    },
    /// The peer did not speak this protocol.
    Protocol {
        /// Name of the operation.
        operation: &'static str,
        /// What it said instead.
        detail: String,
    },
    /// The argument was refused before anything was sent.
    InvalidArgument {
        /// Which one, and why.
        detail: String,
    },
    /// A message or body over the limit.
    TooLarge {
        /// The limit in bytes.
        limit_bytes: u64,
    },
}

/// Close codes of WebSockets that say more than that the stream ended.
const CLOSE_TOO_LARGE: u16 = 1009;
const CLOSE_INTERNAL: u16 = 1011;
const CLOSE_NOT_FOUND: u16 = 4404;

impl Error {
    /// What the caller should do, in the words of the whole API.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Api { code, .. } => *code,
            Self::Connect { .. } => ErrorCode::Unavailable,
            Self::Closed { code: Some(CLOSE_NOT_FOUND), .. } => ErrorCode::NotFound,
            Self::Closed { code: Some(CLOSE_TOO_LARGE), .. } => ErrorCode::TooLarge,
            Self::Closed { code: Some(CLOSE_INTERNAL), .. } => ErrorCode::Internal,
            Self::Closed { .. } => ErrorCode::Unavailable,
            Self::Timeout { .. } => ErrorCode::DeadlineExceeded,
            Self::Protocol { .. } => ErrorCode::Internal,
            Self::InvalidArgument { .. } => ErrorCode::InvalidArgument,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
        }
    }

    /// Tells whether the same call may simply be made again after a pause.
    ///
    /// True when nothing was sent, or the agent said that it is busy or starting. Not after
    /// [`Error::Closed`]: the work may have begun.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { .. } => true,
            Self::Api { code, .. } => {
                matches!(code, ErrorCode::Unavailable | ErrorCode::ResourceExhausted)
            }
            Self::Timeout { .. }
            | Self::Closed { .. }
            | Self::Protocol { .. }
            | Self::InvalidArgument { .. }
            | Self::TooLarge { .. } => false,
        }
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::InvalidArgument { detail: detail.into() }
    }

    pub(crate) fn closed(reason: impl Into<String>) -> Self {
        Self::Closed { code: None, reason: reason.into() }
    }

    pub(crate) fn protocol(operation: &'static str, detail: impl Into<String>) -> Self {
        Self::Protocol { operation, detail: detail.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api { operation, message, detail: None, .. } => {
                write!(f, "{operation}: {message}")
            }
            Self::Api { operation, message, detail: Some(detail), .. } => {
                write!(f, "{operation}: {message} ({detail})")
            }
            Self::Connect { target, source } => {
                write!(f, "connect: cannot reach {target} ({})", agent_api::io_text(source))
            }
            Self::Timeout { operation, after } => {
                write!(f, "{operation}: no answer within {after:?}")
            }
            Self::Closed { code: None, reason } => {
                write!(f, "closed: the connection ended early ({reason})")
            }
            Self::Closed { code: Some(code), reason } => {
                write!(f, "closed: the stream ended early ({code}: {reason})")
            }
            Self::Protocol { operation, detail } => {
                write!(f, "{operation}: the peer does not speak this protocol ({detail})")
            }
            Self::InvalidArgument { detail } => write!(f, "invalid argument: {detail}"),
            Self::TooLarge { limit_bytes } => {
                write!(f, "too large: the answer exceeds the limit ({limit_bytes} bytes)")
            }
        }
    }
}

// `Display` has the cause already, and a chain would print it twice.
impl std::error::Error for Error {}

impl Classify for Error {
    fn code(&self) -> ErrorCode {
        Self::code(self)
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Api { fields, .. } => fields.clone(),
            _ => Vec::new(),
        }
    }
}

impl From<Error> for io::Error {
    /// Lets a [`ByteStream`](crate::ByteStream) be read as an `AsyncRead`.
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Connect { source, .. } => source.kind(),
            Error::Timeout { .. } => io::ErrorKind::TimedOut,
            Error::Closed { .. } => io::ErrorKind::UnexpectedEof,
            Error::Protocol { .. } => io::ErrorKind::InvalidData,
            Error::InvalidArgument { .. } => io::ErrorKind::InvalidInput,
            Error::Api { .. } | Error::TooLarge { .. } => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(code: ErrorCode, detail: Option<&str>) -> Error {
        Error::Api {
            operation: "stat_path",
            code,
            message: "cannot stat `/a`".to_owned(),
            detail: detail.map(str::to_owned),
            fields: Vec::new(),
        }
    }

    fn close(code: Option<u16>) -> Error {
        Error::Closed { code, reason: "gone".to_owned() }
    }

    fn check(error: Error, code: ErrorCode, is_retryable: bool, sentence: &str) {
        assert_eq!(error.code(), code, "{error}");
        assert_eq!(error.is_retryable(), is_retryable, "{error}");
        assert_eq!(error.to_string(), sentence);
    }

    #[test]
    fn every_error_has_a_code_a_sentence_and_says_whether_to_retry() {
        use ErrorCode::{
            DeadlineExceeded, Internal, InvalidArgument, NotFound, ResourceExhausted, TooLarge,
            Unavailable,
        };
        check(api(NotFound, None), NotFound, false, "stat_path: cannot stat `/a`");
        check(api(Unavailable, Some("x")), Unavailable, true, "stat_path: cannot stat `/a` (x)");
        check(api(ResourceExhausted, None), ResourceExhausted, true, "stat_path: cannot stat `/a`");
        check(
            Error::Connect {
                target: "http://h:1".to_owned(),
                source: io::Error::from_raw_os_error(111),
            },
            Unavailable,
            true,
            "connect: cannot reach http://h:1 (connection refused)",
        );
        check(
            Error::Timeout { operation: "ping", after: Duration::from_secs(5) },
            DeadlineExceeded,
            false,
            "ping: no answer within 5s",
        );
        let early = "closed: the connection ended early (gone)";
        check(close(None), Unavailable, false, early);
        let stream = |code: u16| format!("closed: the stream ended early ({code}: gone)");
        check(close(Some(1001)), Unavailable, false, &stream(1001));
        check(close(Some(4404)), NotFound, false, &stream(4404));
        check(close(Some(1009)), TooLarge, false, &stream(1009));
        check(close(Some(1011)), Internal, false, &stream(1011));
        check(
            Error::protocol("ping", "302 Found"),
            Internal,
            false,
            "ping: the peer does not speak this protocol (302 Found)",
        );
        check(Error::invalid("no"), InvalidArgument, false, "invalid argument: no");
        check(
            Error::TooLarge { limit_bytes: 9 },
            TooLarge,
            false,
            "too large: the answer exceeds the limit (9 bytes)",
        );
    }
}
