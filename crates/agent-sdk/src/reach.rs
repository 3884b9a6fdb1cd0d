//! Waiting until an agent answers: when to ask again and when that is pointless; not how to ask.

use std::{io, time::Duration};

use agent_api::ErrorCode;

use crate::{AgentConn, Error};

/// The pause after the first failure.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause, and the longest time for one ping.
const LONGEST: Duration = Duration::from_secs(30);

/// Pings until one succeeds, for at most `timeout`.
pub(crate) async fn await_reachable(conn: &dyn AgentConn, timeout: Duration) -> Result<(), Error> {
    let pings = async {
        let mut pause = FIRST_PAUSE;
        loop {
            match conn.ping_within(LONGEST).await {
                Ok(_) => return Ok(()),
                Err(error) if is_final(&error) => return Err(error),
                Err(_) => {}
            }
            tokio::time::sleep(pause).await;
            pause = after(pause);
        }
    };
    let timed_out = Err(Error::Timeout { operation: "await_reachable", after: timeout });
    tokio::time::timeout(timeout, pings).await.unwrap_or(timed_out)
}

fn after(pause: Duration) -> Duration {
    (pause * 2).min(LONGEST)
}

/// Whether waiting cannot help: who asks is refused, or the target cannot be right.
fn is_final(error: &Error) -> bool {
    match error {
        Error::Api { code, .. } => {
            matches!(code, ErrorCode::Unauthenticated | ErrorCode::PermissionDenied)
        }
        Error::InvalidArgument { .. } => true,
        // How TLS reports a certificate that does not match.
        Error::Connect { source, .. } => source.kind() == io::ErrorKind::InvalidData,
        Error::Timeout { .. }
        | Error::Closed { .. }
        | Error::Protocol { .. }
        | Error::TooLarge { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_half_a_minute() {
        let pauses: Vec<_> = std::iter::successors(Some(FIRST_PAUSE), |pause| Some(after(*pause)))
            .map(|pause| pause.as_millis())
            .take(12)
            .collect();
        let expected = [50, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000];
        assert_eq!(pauses, expected);
    }

    fn check(error: Error, expected: bool) {
        assert_eq!(is_final(&error), expected, "{error}");
    }

    #[test]
    fn only_what_waiting_can_help_is_waited_for() {
        let api = |code| Error::Api {
            operation: "ping",
            code,
            message: String::new(),
            detail: None,
            fields: Vec::new(),
        };
        let connect =
            |kind: io::ErrorKind| Error::Connect { target: String::new(), source: kind.into() };
        check(api(ErrorCode::Unauthenticated), true);
        check(api(ErrorCode::PermissionDenied), true);
        check(api(ErrorCode::Unavailable), false);
        check(api(ErrorCode::NotFound), false);
        check(Error::invalid("no"), true);
        check(connect(io::ErrorKind::InvalidData), true);
        check(connect(io::ErrorKind::ConnectionRefused), false);
        check(connect(io::ErrorKind::NotFound), false);
        check(Error::closed("gone"), false);
        check(Error::protocol("ping", "HTTP/9"), false);
    }
}
