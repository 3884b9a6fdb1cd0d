//! The stream below one HTTP/1 connection, and what its traffic tells; not the protocol on it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::BoxedStream;

/// What can be learned about a connection without asking HTTP.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Whether a byte came since the last request was begun.
    heard: AtomicBool,
    /// Whether bytes wait because the peer does not take them.
    stuck: AtomicBool,
}

impl Traffic {
    pub(crate) fn begin_request(&self) {
        self.heard.store(false, Ordering::Release);
    }

    pub(crate) fn heard(&self) -> bool {
        self.heard.load(Ordering::Acquire)
    }

    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Acquire)
    }
}

/// A stream that keeps [`Traffic`], and that goes on reading when the peer stopped reading.
///
/// An agent that refuses an upload answers and closes. What the client writes from then on is
/// answered with a reset, and the write that meets it fails, perhaps before the answer, which has
/// arrived already, was read. So such a write counts as done, and reading decides: it gives the
/// answer, or the reset.
pub(crate) struct Wire {
    stream: BoxedStream,
    traffic: Arc<Traffic>,
    peer_stopped_reading: bool,
}

impl Wire {
    pub(crate) fn new(stream: BoxedStream, traffic: Arc<Traffic>) -> Self {
        Self { stream, traffic, peer_stopped_reading: false }
    }

    fn wrote(&mut self, result: Poll<io::Result<usize>>, all: usize) -> Poll<io::Result<usize>> {
        self.traffic.stuck.store(result.is_pending(), Ordering::Release);
        match ready!(result) {
            Err(error) if is_refusal(&error) => {
                self.peer_stopped_reading = true;
                Poll::Ready(Ok(all))
            }
            result => Poll::Ready(result),
        }
    }
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(ctx, buffer))?;
        if buffer.filled().len() > before {
            self.traffic.heard.store(true, Ordering::Release);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.peer_stopped_reading {
            return Poll::Ready(Ok(bytes.len()));
        }
        let result = Pin::new(&mut self.stream).poll_write(ctx, bytes);
        self.wrote(result, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = slices.iter().map(|slice| slice.len()).sum();
        if self.peer_stopped_reading {
            return Poll::Ready(Ok(all));
        }
        let result = Pin::new(&mut self.stream).poll_write_vectored(ctx, slices);
        self.wrote(result, all)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.peer_stopped_reading {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_flush(ctx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(ctx)
    }
}
