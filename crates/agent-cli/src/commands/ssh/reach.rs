//! The way to the agent's SSH server: how often it is tried, and when trying again is pointless; not
//! what goes through it.

use std::{io, time::Duration};

use agent_sdk::Error as SdkError;

use super::log::Log;
use crate::commands::within;

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_secs(2);

/// How long an attempt may take, of which an agent that answers needs a few seconds.
const ATTEMPT: Duration = Duration::from_secs(60);

/// How often the agent is tried in all.
const ATTEMPTS: u32 = 10;

/// Tries until the agent is reached.
///
/// # Errors
///
/// The last failure of ten, or the first one that waiting does not help.
pub(super) async fn reach<T>(
    mut attempt: impl AsyncFnMut() -> Result<T, SdkError>,
    log: &Log,
) -> Result<T, SdkError> {
    let mut attempts = 1;
    loop {
        match within(ATTEMPT, "ssh", attempt()).await {
            Ok(reached) => {
                log.line(format_args!("connected at attempt {attempts}"));
                return Ok(reached);
            }
            Err(error) => {
                log.line(format_args!("attempt {attempts} failed: {error}"));
                if attempts == ATTEMPTS || !may_pass(&error) {
                    return Err(error);
                }
            }
        }
        attempts += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether a failure is one of an agent, or of a network, that just starts.
fn may_pass(error: &SdkError) -> bool {
    match error {
        SdkError::Connect { source, .. } => {
            source.kind() == io::ErrorKind::ConnectionRefused || is_unknown_name(source)
        }
        SdkError::Api { code, .. } => code.status() >= 500,
        _ => false,
    }
}

/// Whether a name has no address, for which there is neither a stable kind nor a number: the text
/// is that of the standard library.
fn is_unknown_name(error: &io::Error) -> bool {
    let is_of_names = error.to_string().starts_with("failed to lookup address information");
    let has_no_address = error.kind() == io::ErrorKind::NotFound && error.raw_os_error().is_none();
    is_of_names || has_no_address
}

#[cfg(test)]
mod tests {
    use agent_sdk::api::ErrorCode;
    use tokio::time::Instant;

    use super::*;

    fn refused() -> SdkError {
        connect(io::ErrorKind::ConnectionRefused.into())
    }

    fn connect(source: io::Error) -> SdkError {
        SdkError::Connect { target: "http://host".to_owned(), source }
    }

    fn api(code: ErrorCode) -> SdkError {
        let message = "no".to_owned();
        SdkError::Api { operation: "dial", code, message, detail: None, fields: vec![] }
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_starts_is_tried_ten_times() {
        let begin = Instant::now();
        let mut tried = 0;
        let attempt = async || {
            tried += 1;
            Err::<(), _>(refused())
        };
        assert!(reach(attempt, &Log::none()).await.is_err());
        assert_eq!((tried, begin.elapsed()), (10, Duration::from_secs(18)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_between_is_taken() {
        let mut tried = 0;
        let attempt = async || {
            tried += 1;
            if tried < 3 { Err(api(ErrorCode::Unavailable)) } else { Ok(tried) }
        };
        assert_eq!(reach(attempt, &Log::none()).await.unwrap(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_never_answers_is_given_up_at_once() {
        let begin = Instant::now();
        let attempt = async || std::future::pending::<Result<(), _>>().await;
        let error = reach(attempt, &Log::none()).await.unwrap_err();
        assert_eq!(error.to_string(), "ssh: no answer within 60s");
        assert_eq!(begin.elapsed(), ATTEMPT);
    }

    #[tokio::test]
    async fn only_what_may_pass_is_tried_again() {
        // The name is reserved: it never has an address (RFC 6761 section 6.4).
        let unknown = tokio::net::lookup_host(("name.invalid", 1)).await.map(drop).unwrap_err();
        for (error, expected) in [
            (connect(unknown), true),
            (refused(), true),
            (api(ErrorCode::Internal), true),
            (api(ErrorCode::BadGateway), true),
            (api(ErrorCode::ResourceExhausted), false),
            (api(ErrorCode::Unauthenticated), false),
            (connect(io::Error::from_raw_os_error(2)), false),
            (connect(io::ErrorKind::PermissionDenied.into()), false),
            (SdkError::Timeout { operation: "dial", after: PAUSE }, false),
        ] {
            assert_eq!(may_pass(&error), expected, "{error}");
        }
    }
}
