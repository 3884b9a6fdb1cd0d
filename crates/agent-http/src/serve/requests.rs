//! The requests of a server: how many may be in work, how many are open, and whether new ones are
//! answered.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use tokio::sync::{Semaphore, watch};

use super::activity::InFlight;
use crate::Waiting;

/// Counts and slots of requests; cheap to share.
#[derive(Debug)]
pub(crate) struct Requests {
    /// One permit a request in work.
    pub(crate) slots: Arc<Semaphore>,
    /// One permit a request that waits without a slot.
    pub(crate) waits: Arc<Semaphore>,
    draining: AtomicBool,
    open: Arc<watch::Sender<usize>>,
    /// Those of them that are streams.
    streams: Arc<watch::Sender<usize>>,
}

impl Requests {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(max)),
            waits: Arc::new(Semaphore::new(Waiting::MOST)),
            draining: AtomicBool::new(false),
            open: Arc::new(watch::Sender::new(0)),
            streams: Arc::new(watch::Sender::new(0)),
        }
    }

    pub(crate) fn begin_drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Counts a request until the value is dropped.
    pub(crate) fn open(&self) -> OpenRequest {
        OpenRequest::counted(&self.open)
    }

    /// Counts a stream, as a request and as a stream.
    pub(crate) fn open_stream(&self) -> (OpenRequest, OpenRequest) {
        (self.open(), OpenRequest::counted(&self.streams))
    }

    pub(crate) async fn none_open(&self) {
        none(&self.open).await;
    }

    pub(crate) async fn no_stream_open(&self) {
        none(&self.streams).await;
    }
}

/// One open request.
#[derive(Debug)]
pub(crate) struct OpenRequest {
    open: Arc<watch::Sender<usize>>,
}

async fn none(open: &watch::Sender<usize>) {
    // The sender lives as long as the caller, so waiting cannot fail.
    let _ = open.subscribe().wait_for(|open| *open == 0).await;
}

impl OpenRequest {
    fn counted(open: &Arc<watch::Sender<usize>>) -> Self {
        open.send_modify(|open| *open += 1);
        Self { open: Arc::clone(open) }
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.open.send_modify(|open| *open -= 1);
    }
}

/// A response body that keeps its request open, and its connection busy, until its end.
pub(crate) struct OpenBody {
    inner: Body,
    _open: OpenRequest,
    _busy: InFlight,
}

impl OpenBody {
    pub(crate) fn new(inner: Body, open: OpenRequest, busy: InFlight) -> Self {
        Self { inner, _open: open, _busy: busy }
    }
}

impl http_body::Body for OpenBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
