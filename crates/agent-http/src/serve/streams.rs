//! Answers that last, WebSockets and event streams: how many there may be, and what ends them; not
//! what they carry.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use agent_api::{Classify, ErrorCode};
use axum::extract::FromRequestParts;
use http::request::Parts;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Observer,
    connection::Held,
    requests::{OpenRequest, Requests},
};

/// Longest time from the stop to the end of a stream whose peer does not follow; the protocol gives
/// 6 s.
pub(crate) const END_TIMEOUT: Duration = Duration::from_secs(3);

/// The streams of one server.
pub(crate) struct Streams {
    /// One permit a stream; `None` is no limit.
    pub(crate) slots: Option<Arc<Semaphore>>,
    pub(crate) requests: Option<Arc<Requests>>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) tasks: TaskTracker,
    /// Streams are to end.
    pub(crate) stop: CancellationToken,
    /// Streams are gone.
    pub(crate) abort: CancellationToken,
}

/// What ties a request to the connection it came on.
#[derive(Clone)]
pub(crate) struct Link {
    /// Keeps the connection counted, also after HTTP handed it over.
    pub(crate) held: Option<Arc<Held>>,
    /// Cuts the connection, or over HTTP/2 the request alone.
    pub(crate) cut: CancellationToken,
}

/// What a request needs in order to become a stream; in its extensions, and without our server a
/// stand-in that has no limit and no stop.
#[derive(Clone)]
pub(crate) struct StreamHost {
    pub(crate) streams: Arc<Streams>,
    pub(crate) operation: &'static str,
    pub(crate) link: Link,
}

/// One open stream, counted until it is dropped.
pub(crate) struct OpenStream {
    operation: &'static str,
    observer: Arc<dyn Observer>,
    _slot: Option<OwnedSemaphorePermit>,
    _counted: Option<(OpenRequest, OpenRequest)>,
    _held: Option<Arc<Held>>,
}

/// As many streams are open as may be.
#[derive(Debug)]
pub(crate) struct TooManyStreams;

impl Streams {
    /// Streams of a server that is not ours: their tasks end with their connections.
    fn foreign() -> Arc<Self> {
        static FOREIGN: LazyLock<Arc<Streams>> = LazyLock::new(|| {
            Arc::new(Streams {
                slots: None,
                requests: None,
                observer: Arc::new(()),
                tasks: TaskTracker::new(),
                stop: CancellationToken::new(),
                abort: CancellationToken::new(),
            })
        });
        Arc::clone(&FOREIGN)
    }
}

impl StreamHost {
    /// Counts one more stream.
    pub(crate) fn open(&self) -> Result<OpenStream, TooManyStreams> {
        let streams = &self.streams;
        let slot = streams.slots.as_ref().map(|slots| Arc::clone(slots).try_acquire_owned());
        let slot = slot.transpose().map_err(|_| TooManyStreams)?;
        streams.observer.stream_opened(self.operation);
        Ok(OpenStream {
            operation: self.operation,
            observer: Arc::clone(&streams.observer),
            _slot: slot,
            _counted: streams.requests.as_ref().map(|requests| requests.open_stream()),
            _held: self.link.held.clone(),
        })
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.observer.stream_closed(self.operation);
    }
}

impl<S: Send + Sync> FromRequestParts<S> for StreamHost {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self {
            streams: Streams::foreign(),
            operation: "unknown",
            link: Link { held: None, cut: CancellationToken::new() },
        }))
    }
}

impl std::fmt::Display for TooManyStreams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("too many WebSockets and event streams are open")
    }
}

impl std::error::Error for TooManyStreams {}

impl Classify for TooManyStreams {
    fn code(&self) -> ErrorCode {
        ErrorCode::ResourceExhausted
    }
}

impl std::fmt::Debug for StreamHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamHost").field("operation", &self.operation).finish_non_exhaustive()
    }
}
