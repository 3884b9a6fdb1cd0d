//! The body of a request on its way to the agent; not the response, which may come before its end.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;

use crate::{ByteStream, Error};

/// What a request carries.
pub(crate) struct Upload {
    content: Content,
    progress: Arc<Progress>,
}

enum Content {
    /// All that is left to send.
    Whole(Bytes),
    Stream {
        stream: ByteStream,
        /// Bytes still to come, where the length is known; the connection does not ask beyond it.
        left: Option<u64>,
    },
}

/// How far an upload came, for whoever waits for the response.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    is_complete: AtomicBool,
    failure: Mutex<Option<Error>>,
}

/// Tells the connection that the body ends early; the reason is in [`Progress`].
#[derive(Debug)]
pub(crate) struct SourceFailed;

impl Upload {
    pub(crate) fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    pub(crate) fn whole(bytes: Bytes) -> Self {
        let progress = Progress { is_complete: bytes.is_empty().into(), ..Progress::default() };
        Self { content: Content::Whole(bytes), progress: progress.into() }
    }

    pub(crate) fn stream(stream: ByteStream) -> Self {
        let left = stream.length();
        let progress = Progress { is_complete: (left == Some(0)).into(), ..Progress::default() };
        Self { content: Content::Stream { stream, left }, progress: progress.into() }
    }

    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }
}

impl Progress {
    /// Whether the connection has taken the whole body.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_complete.load(Ordering::Acquire)
    }

    /// The error with which the body's source ended, once.
    pub(crate) fn take_failure(&self) -> Option<Error> {
        self.failure.lock().take()
    }

    fn complete(&self) {
        self.is_complete.store(true, Ordering::Release);
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = SourceFailed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SourceFailed>>> {
        let this = &mut *self;
        let next = match &mut this.content {
            Content::Whole(bytes) => {
                this.progress.complete();
                let rest = std::mem::take(bytes);
                return Poll::Ready((!rest.is_empty()).then(|| Ok(Frame::data(rest))));
            }
            Content::Stream { stream, left } => {
                let next = ready!(Pin::new(stream).poll_next(ctx));
                if let (Some(Ok(bytes)), Some(left)) = (&next, left.as_mut()) {
                    *left = left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                    if *left == 0 {
                        this.progress.complete();
                    }
                }
                next
            }
        };
        Poll::Ready(match next {
            Some(Ok(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Err(error)) => {
                *this.progress.failure.lock() = Some(error);
                Some(Err(SourceFailed))
            }
            None => {
                this.progress.complete();
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_empty(),
            Content::Stream { left, .. } => *left == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let length = match &self.content {
            Content::Whole(bytes) => u64::try_from(bytes.len()).ok(),
            Content::Stream { left, .. } => *left,
        };
        length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl fmt::Display for SourceFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the source of the body failed")
    }
}

impl std::error::Error for SourceFailed {}
