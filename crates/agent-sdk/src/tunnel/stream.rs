//! A byte stream to a port of the workspace, in place of the HTTP connection it began as.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{transport::BoxedStream, until::closed};

/// Answer of [`dial`](crate::AgentConn::dial): the bytes of a port, both ways.
///
/// Each direction ends on its own: `shutdown` is a half-close, after which the port's bytes still
/// come until it ends, too. Nothing is buffered here: a reader that waits holds its port up, and
/// the other way round. After [`close`](crate::AgentConn::close) reading and writing fail. Dropping
/// the stream closes the connection.
pub struct DialStream {
    stream: BoxedStream,
    /// What came together with the head of the answer.
    early: Bytes,
    stop: CancellationToken,
    /// The same for each direction, as they may be polled by different tasks.
    stopped: [Pin<Box<WaitForCancellationFutureOwned>>; 2],
}

/// Which direction waits.
const READ: usize = 0;
const WRITE: usize = 1;

impl DialStream {
    /// The same over another stream, such as one end of a `duplex` in the answer of a mock.
    pub fn from_stream(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self::new(Box::new(stream), Bytes::new(), CancellationToken::new())
    }

    pub(crate) fn new(stream: BoxedStream, early: Bytes, stop: CancellationToken) -> Self {
        let stopped = [READ, WRITE].map(|_| Box::pin(stop.clone().cancelled_owned()));
        Self { stream, early, stop, stopped }
    }

    /// The same stream, which this token ends.
    #[cfg(feature = "mock")]
    pub(crate) fn until(self, stop: CancellationToken) -> Self {
        Self::new(self.stream, self.early, stop)
    }

    /// Does some of the work of one direction, unless the client was closed.
    fn poll<T>(
        &mut self,
        direction: usize,
        ctx: &mut Context<'_>,
        work: impl FnOnce(Pin<&mut BoxedStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.stop.is_cancelled() {
            return Poll::Ready(Err(closed().into()));
        }
        let done = work(Pin::new(&mut self.stream), ctx);
        if done.is_pending() {
            ready!(self.stopped[direction].as_mut().poll(ctx));
            return Poll::Ready(Err(closed().into()));
        }
        done
    }
}

impl AsyncRead for DialStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.early.is_empty() && !self.stop.is_cancelled() {
            let length = self.early.len().min(buffer.remaining());
            buffer.put_slice(&self.early[..length]);
            self.early.advance(length);
            return Poll::Ready(Ok(()));
        }
        self.poll(READ, ctx, |stream, ctx| stream.poll_read(ctx, buffer))
    }
}

impl AsyncWrite for DialStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(WRITE, ctx, |stream, ctx| stream.poll_write(ctx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(WRITE, ctx, |stream, ctx| stream.poll_flush(ctx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(WRITE, ctx, |stream, ctx| stream.poll_shutdown(ctx))
    }
}

impl fmt::Debug for DialStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DialStream").finish_non_exhaustive()
    }
}
