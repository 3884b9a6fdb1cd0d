//! Streams that `close` ends, of a real client and of a mock; not the calls, which end by
//! themselves.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::Error;

/// Gives a stream's items until it ends, fails or is stopped; drops it there and then.
pub(crate) struct Until<S> {
    stream: Option<S>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<S> Until<S> {
    pub(crate) fn new(stream: S, stop: CancellationToken) -> Self {
        Self { stream: Some(stream), stop: Box::pin(stop.cancelled_owned()) }
    }
}

impl<T, S: Stream<Item = Result<T, Error>> + Unpin> Stream for Until<S> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(stream) = &mut this.stream else { return Poll::Ready(None) };
        let next = match this.stop.as_mut().poll(ctx) {
            Poll::Ready(()) => Poll::Ready(Some(Err(closed()))),
            Poll::Pending => Pin::new(stream).poll_next(ctx),
        };
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            this.stream = None;
        }
        next
    }
}

/// The error of everything that `close` ends.
pub(crate) fn closed() -> Error {
    Error::closed("the client was closed")
}
