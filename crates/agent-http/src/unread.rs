//! Request bodies that a handler left unread: taken off the socket within bounds, so that a client
//! that is still sending reads its answer instead of a reset connection.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio_util::task::TaskTracker;

use crate::serve::InFlight;

/// Most bytes taken off the socket after the answer.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Longest time spent on it; then the connection closes under the client.
const MAX_TIME: Duration = Duration::from_secs(3);

/// A request body that is drained when it is dropped before its end.
pub(crate) struct DrainedBody<B: Body<Data = Bytes> + Send + Unpin + 'static>
where
    B::Error: Send,
{
    /// `None` once it ended or waits for `100 Continue`, which a drain would not send.
    inner: Option<B>,
    tasks: TaskTracker,
    expects_continue: bool,
    /// While the body is on its way its bytes are not the head of another request, also after the
    /// answer.
    busy: InFlight,
}

impl<B: Body<Data = Bytes> + Send + Unpin + 'static> DrainedBody<B>
where
    B::Error: Send,
{
    pub(crate) fn new(body: B, tasks: TaskTracker, expects_continue: bool, busy: InFlight) -> Self {
        Self { inner: Some(body), tasks, expects_continue, busy }
    }
}

impl<B: Body<Data = Bytes> + Send + Unpin + 'static> Body for DrainedBody<B>
where
    B::Error: Send,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.expects_continue = false;
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        let polled = Pin::new(inner).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.inner = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: Body<Data = Bytes> + Send + Unpin + 'static> Drop for DrainedBody<B>
where
    B::Error: Send,
{
    fn drop(&mut self) {
        let Some(body) = self.inner.take() else { return };
        let is_worth_it = !body.is_end_stream() && !self.expects_continue;
        if is_worth_it && tokio::runtime::Handle::try_current().is_ok() {
            let busy = self.busy.clone();
            self.tasks.spawn(async move {
                // Whether all of it was taken shows on the connection.
                let _ = tokio::time::timeout(MAX_TIME, drain(body)).await;
                drop(busy);
            });
        }
    }
}

async fn drain<B: Body<Data = Bytes> + Unpin>(mut body: B) {
    let mut taken = 0;
    while let Some(Ok(frame)) = body.frame().await {
        taken += frame.data_ref().map_or(0, Bytes::len);
        if taken > MAX_BYTES {
            return;
        }
    }
}
