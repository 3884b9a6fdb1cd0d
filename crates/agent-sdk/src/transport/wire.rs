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
/// arrived already, was read. So such a write waits forever, and reading decides: it gives the
/// answer, or the end. To call the write done instead would let a source that is always ready
/// keep HTTP from ever reading.
pub(crate) struct Wire {
    stream: BoxedStream,
    traffic: Arc<Traffic>,
    peer_stopped_reading: bool,
}

impl Wire {
    pub(crate) fn new(stream: BoxedStream, traffic: Arc<Traffic>) -> Self {
        Self { stream, traffic, peer_stopped_reading: false }
    }

    /// The stream itself, of which a refused write fails at once.
    pub(crate) fn into_inner(self) -> BoxedStream {
        self.stream
    }

    fn wrote(&mut self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let result = match result {
            Poll::Ready(Err(error)) if is_refusal(&error) => {
                self.peer_stopped_reading = true;
                Poll::Pending
            }
            result => result,
        };
        self.traffic.stuck.store(result.is_pending(), Ordering::Release);
        result
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
            return Poll::Pending;
        }
        let result = Pin::new(&mut self.stream).poll_write(ctx, bytes);
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.peer_stopped_reading {
            return Poll::Pending;
        }
        let result = Pin::new(&mut self.stream).poll_write_vectored(ctx, slices);
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.peer_stopped_reading {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_flush(ctx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(ctx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use bytes::Bytes;
    use futures_util::{StreamExt, future::Either};
    use http::Request;
    use hyper::client::conn::http1;
    use hyper_util::rt::TokioIo;

    use super::*;
    use crate::{ByteStream, client::Upload};

    /// A peer that takes one write, refuses the next, and whose answer is seen only after that: the
    /// worst order in which the two can arrive.
    struct Refusing {
        answer: &'static [u8],
        writes: usize,
        reader: Option<Waker>,
    }

    impl AsyncRead for Refusing {
        fn poll_read(
            mut self: Pin<&mut Self>,
            ctx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if self.writes < 2 {
                self.reader = Some(ctx.waker().clone());
                return Poll::Pending;
            }
            buffer.put_slice(std::mem::take(&mut self.answer));
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Refusing {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.writes += 1;
            if self.writes < 2 {
                return Poll::Ready(Ok(bytes.len()));
            }
            self.reader.take().iter().for_each(Waker::wake_by_ref);
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    async fn upload_to(answer: &'static [u8]) -> hyper::Result<u16> {
        let stream = Refusing { answer, writes: 0, reader: None };
        let wire = Wire::new(Box::new(stream), Arc::default());
        let (mut sender, connection) = http1::handshake(TokioIo::new(wire)).await?;
        let chunk = Bytes::from(vec![0; 64 * 1024]);
        let endless = ByteStream::from_stream(futures_util::stream::repeat(chunk).map(Ok));
        let mut request = Request::new(Upload::stream(endless));
        *request.method_mut() = http::Method::POST;
        let exchange = async { sender.send_request(request).await.map(|r| r.status().as_u16()) };
        let time = std::time::Duration::from_secs(10);
        let (exchange, connection) = (std::pin::pin!(exchange), std::pin::pin!(connection));
        let both = futures_util::future::select(exchange, connection);
        match tokio::time::timeout(time, both).await.expect("nothing waits forever") {
            Either::Left((response, _)) => response,
            Either::Right((_, exchange)) => exchange.await,
        }
    }

    #[tokio::test]
    async fn an_answer_that_arrives_after_a_refused_write_is_read() {
        let answer = b"HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(upload_to(answer).await.unwrap(), 409);
    }

    #[tokio::test]
    async fn a_refused_write_without_an_answer_is_an_error() {
        assert!(upload_to(b"").await.unwrap_err().is_incomplete_message());
    }
}
