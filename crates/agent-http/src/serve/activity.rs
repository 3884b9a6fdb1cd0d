//! What a connection is doing, as far as its time limits care: waiting for a head, reading one, or
//! at work; not how HTTP is spoken.
//!
//! ```text
//!          first byte            request                 last response ended
//!  idle ──────────────▶ head ──────────────▶ at work ──────────────────────────▶ idle
//!   │ idle_timeout        │ head_timeout      (no limit)
//!   ▼                     ▼
//!  closed               closed
//! ```

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{io::AsyncRead, time::Instant};
use tokio_util::io::InspectReader;

/// The first bytes of a connection that speaks HTTP/2 with prior knowledge (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI";

/// What one connection is doing; shared by its stream and its requests.
#[derive(Clone, Debug)]
pub(crate) struct Activity {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    in_flight: usize,
    idle_since: Instant,
    /// When the first byte of the head being read arrived.
    head_since: Option<Instant>,
    /// How many of the connection's first bytes are those of the HTTP/2 preface, however they are
    /// split. Frames without a request (pings, settings) are no head, so that after the whole
    /// preface only idleness counts.
    preface: Preface,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Preface {
    Matched(usize),
    Other,
}

/// A stream that reports what it reads.
pub(crate) type Watched<S> = InspectReader<S, Box<dyn FnMut(&[u8]) + Send>>;

/// Keeps its connection at work until dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    activity: Activity,
}

impl Activity {
    pub(crate) fn new() -> Self {
        let state = State {
            in_flight: 0,
            idle_since: Instant::now(),
            head_since: None,
            preface: Preface::Matched(0),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Makes a stream report what it reads.
    pub(crate) fn watch<S: AsyncRead>(&self, stream: S) -> Watched<S> {
        let activity = self.clone();
        InspectReader::new(stream, Box::new(move |bytes| activity.received(bytes)))
    }

    fn received(&self, bytes: &[u8]) {
        // The end of the client's data begins no head.
        if bytes.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        state.preface = state.preface.followed_by(bytes);
        if state.preface == Preface::WHOLE {
            state.head_since = None;
        } else if state.in_flight == 0 && state.head_since.is_none() {
            state.head_since = Some(Instant::now());
        }
    }

    pub(crate) fn begin(&self) -> InFlight {
        let mut state = self.state.lock();
        state.in_flight += 1;
        state.head_since = None;
        InFlight { activity: self.clone() }
    }

    /// When the connection is to close if nothing happens; `None` while it is at work.
    pub(crate) fn deadline(&self, head: Duration, idle: Duration) -> Option<Instant> {
        let state = self.state.lock();
        match (state.in_flight, state.head_since) {
            (0, Some(since)) => Some(since + head),
            (0, None) => Some(state.idle_since + idle),
            _ => None,
        }
    }
}

impl Clone for InFlight {
    fn clone(&self) -> Self {
        self.activity.begin()
    }
}

impl Preface {
    const WHOLE: Self = Self::Matched(HTTP2_PREFACE.len());

    fn followed_by(self, bytes: &[u8]) -> Self {
        let Self::Matched(count) = self else { return Self::Other };
        let rest = &HTTP2_PREFACE[count..];
        let length = rest.len().min(bytes.len());
        if rest[..length] == bytes[..length] { Self::Matched(count + length) } else { Self::Other }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.activity.state.lock();
        state.in_flight -= 1;
        if state.in_flight == 0 {
            state.idle_since = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Duration = Duration::from_secs(30);
    const IDLE: Duration = Duration::from_secs(90);

    #[tokio::test(start_paused = true)]
    async fn the_deadline_follows_what_the_connection_does() {
        let activity = Activity::new();
        let start = Instant::now();
        assert_eq!(activity.deadline(HEAD, IDLE), Some(start + IDLE));

        tokio::time::advance(Duration::from_secs(10)).await;
        activity.received(b"GET /");
        tokio::time::advance(Duration::from_secs(10)).await;
        activity.received(b" HTTP/1.1");
        assert_eq!(activity.deadline(HEAD, IDLE), Some(start + Duration::from_secs(10) + HEAD));

        let (first, second) = (activity.begin(), activity.begin());
        activity.received(b"body");
        assert_eq!(activity.deadline(HEAD, IDLE), None);
        drop(first);
        assert_eq!(activity.deadline(HEAD, IDLE), None);
        drop(second);
        assert_eq!(activity.deadline(HEAD, IDLE), Some(Instant::now() + IDLE));
    }

    #[tokio::test(start_paused = true)]
    async fn frames_of_http2_are_no_head_however_they_arrive() {
        let cases: [(&[&[u8]], Duration); 4] = [
            (&[b"PRI * HTTP/2.0\r\n", b"ping"], IDLE),
            (&[b"P", b"RI * HTTP/2.0\r\n", b"ping"], IDLE),
            (&[b"P"], HEAD),
            (&[b"P", b"OST / HTTP/1.1\r\n", b"PRI"], HEAD),
        ];
        for (parts, limit) in cases {
            let activity = Activity::new();
            for part in parts {
                activity.received(part);
            }
            assert_eq!(activity.deadline(HEAD, IDLE), Some(Instant::now() + limit), "{parts:?}");
        }
    }
}
