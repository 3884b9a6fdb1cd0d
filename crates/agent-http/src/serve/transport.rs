//! The stream under a connection, as what it is: a socket keeps its own ways to read, write and
//! fail, also after HTTP handed it over.

use std::{
    future::pending,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf, ReadHalf, WriteHalf},
    net::{TcpStream, UnixStream, tcp, unix},
};

/// A stream of a listener, or one that somebody brought.
pub(crate) enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
    Other(Box<dyn Stream>),
}

/// Any stream of bytes.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// The reading half of a borrowed transport.
pub(crate) enum Reader<'a> {
    Tcp(tcp::ReadHalf<'a>),
    Unix(unix::ReadHalf<'a>),
    Other(ReadHalf<&'a mut Box<dyn Stream>>),
}

/// The writing half of a borrowed transport.
pub(crate) enum Writer<'a> {
    Tcp(tcp::WriteHalf<'a>),
    Unix(unix::WriteHalf<'a>),
    Other(WriteHalf<&'a mut Box<dyn Stream>>),
}

/// Does the same to whichever stream it is.
macro_rules! each {
    ($kind:ident, $of:expr, $stream:pat => $do:expr) => {
        match $of {
            $kind::Tcp($stream) => $do,
            $kind::Unix($stream) => $do,
            $kind::Other($stream) => $do,
        }
    };
}

impl Transport {
    pub(crate) fn split(&mut self) -> (Reader<'_>, Writer<'_>) {
        match self {
            Self::Tcp(stream) => {
                let (reader, writer) = stream.split();
                (Reader::Tcp(reader), Writer::Tcp(writer))
            }
            Self::Unix(stream) => {
                let (reader, writer) = stream.split();
                (Reader::Unix(reader), Writer::Unix(writer))
            }
            Self::Other(stream) => {
                let (reader, writer) = tokio::io::split(stream);
                (Reader::Other(reader), Writer::Other(writer))
            }
        }
    }
}

impl Reader<'_> {
    /// Waits until the system reports an error of the socket, without reading.
    pub(crate) async fn broken(&mut self) {
        let reported = match self {
            Self::Tcp(half) => half.ready(Interest::ERROR).await,
            Self::Unix(half) => half.ready(Interest::ERROR).await,
            Self::Other(_) => pending().await,
        };
        // Either way there is an error: the socket's, or that of asking.
        let _ = reported;
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(Self, self.get_mut(), stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncRead for Reader<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(Self, self.get_mut(), half => Pin::new(half).poll_read(cx, buf))
    }
}

/// Writes through to whichever stream it is.
macro_rules! write_through {
    ($kind:ty) => {
        impl AsyncWrite for $kind {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                each!(Self, self.get_mut(), stream => Pin::new(stream).poll_write(cx, buf))
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                each!(Self, self.get_mut(), stream => Pin::new(stream).poll_flush(cx))
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                each!(Self, self.get_mut(), stream => Pin::new(stream).poll_shutdown(cx))
            }

            fn is_write_vectored(&self) -> bool {
                each!(Self, self, stream => stream.is_write_vectored())
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                each!(Self, self.get_mut(), stream => {
                    Pin::new(stream).poll_write_vectored(cx, bufs)
                })
            }
        }
    };
}

write_through!(Transport);
write_through!(Writer<'_>);
