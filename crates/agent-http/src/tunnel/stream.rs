//! The byte stream that a connection became: what came early first, then the socket itself, with no
//! layer of HTTP left in between.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use hyper::upgrade::Upgraded;
use hyper_util::{rt::TokioIo, server::conn::auto::upgrade::downcast};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::serve::{Held, Reader, Transport, Watched, Writer};

/// A connection as a byte stream, both ways; it closes when it is dropped.
///
/// The end of the client's data is the end of reading, and [`AsyncWrite::poll_shutdown`] ends the
/// data of this side alone. The client's early bytes come first.
pub struct TunnelStream {
    transport: Transport,
    early: Bytes,
    /// The connection's place among those of its listener.
    _held: Option<Arc<Held>>,
}

/// The reading half of a [`TunnelStream`].
pub struct TunnelReader<'a> {
    inner: Reader<'a>,
    early: &'a mut Bytes,
}

/// The writing half of a [`TunnelStream`].
pub struct TunnelWriter<'a> {
    inner: Writer<'a>,
}

impl TunnelStream {
    pub(crate) fn new(upgraded: Upgraded, held: Option<Arc<Held>>) -> Self {
        let (transport, early) = match downcast::<TokioIo<Watched<Transport>>>(upgraded) {
            Ok(parts) => (parts.io.into_inner().into_inner(), parts.read_buf),
            // A connection of a server that is not ours; it has what came early itself.
            Err(upgraded) => (Transport::Other(Box::new(TokioIo::new(upgraded))), Bytes::new()),
        };
        Self { transport, early, _held: held }
    }

    /// The halves, which may be used at the same time.
    pub fn split(&mut self) -> (TunnelReader<'_>, TunnelWriter<'_>) {
        let (reader, writer) = self.transport.split();
        (TunnelReader { inner: reader, early: &mut self.early }, TunnelWriter { inner: writer })
    }

    /// The socket under it, where that is TCP.
    pub fn tcp(&self) -> Option<&TcpStream> {
        match &self.transport {
            Transport::Tcp(stream) => Some(stream),
            Transport::Unix(_) | Transport::Other(_) => None,
        }
    }

    /// The address of the client, where it has one.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.tcp().and_then(|stream| stream.peer_addr().ok())
    }

    /// The address that the client connected to, where it has one.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.tcp().and_then(|stream| stream.local_addr().ok())
    }

    /// Closes it so that a TCP client sees a reset and not an end.
    pub fn reset(self) {
        if let Some(stream) = self.tcp() {
            // A socket that refuses is broken already.
            let _ = stream.set_zero_linger();
        }
    }
}

impl TunnelReader<'_> {
    /// Waits until the connection is broken, without reading; an end of the client's data is none.
    ///
    /// Only sockets tell; for other streams it waits for ever.
    pub async fn broken(&mut self) {
        self.inner.broken().await;
    }
}

/// Takes what came early, as far as there is room; `false` when there is nothing left of it.
fn take_early(early: &mut Bytes, buf: &mut ReadBuf<'_>) -> bool {
    if early.is_empty() {
        return false;
    }
    let length = early.len().min(buf.remaining());
    buf.put_slice(&early[..length]);
    early.advance(length);
    if early.is_empty() {
        // An empty rest would still pin the buffer it is part of.
        *early = Bytes::new();
    }
    true
}

impl AsyncRead for TunnelStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if take_early(&mut self.early, buf) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.transport).poll_read(cx, buf)
    }
}

impl AsyncRead for TunnelReader<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if take_early(self.early, buf) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

/// Writes through to the field that does it.
macro_rules! write_through {
    ($kind:ty, $field:ident) => {
        impl AsyncWrite for $kind {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.$field).poll_write(cx, buf)
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.$field).poll_flush(cx)
            }

            fn poll_shutdown(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                Pin::new(&mut self.$field).poll_shutdown(cx)
            }

            fn is_write_vectored(&self) -> bool {
                self.$field.is_write_vectored()
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.$field).poll_write_vectored(cx, bufs)
            }
        }
    };
}

write_through!(TunnelStream, transport);
write_through!(TunnelWriter<'_>, inner);

impl std::fmt::Debug for TunnelStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TunnelStream").field("tcp", &self.tcp()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for TunnelReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TunnelReader").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for TunnelWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TunnelWriter").finish_non_exhaustive()
    }
}
