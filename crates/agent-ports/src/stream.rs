//! A byte stream as tunnels need it: in halves, with a way to see that it broke and a way to break
//! it.

use std::future::pending;

use rustix::net::sockopt;
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, Interest, ReadHalf, WriteHalf},
    net::{TcpStream, tcp},
};

/// One side of a tunnel.
pub trait ByteStream: Send + 'static {
    /// The reading half.
    type Reader<'a>: ByteReader
    where
        Self: 'a;
    /// The writing half; its shutdown ends the data of this direction alone.
    type Writer<'a>: AsyncWrite + Unpin + Send
    where
        Self: 'a;

    /// The halves, which are used at the same time.
    fn split(&mut self) -> (Self::Reader<'_>, Self::Writer<'_>);

    /// Closes it so that its other end sees a reset, as far as that is possible.
    fn reset(self);

    /// The TCP socket under it, if there is one.
    fn tcp(&self) -> Option<&TcpStream>;
}

/// The reading half of a [`ByteStream`].
pub trait ByteReader: AsyncRead + Unpin + Send {
    /// Waits until the stream is broken, without reading; an end of its data is none. A stream that
    /// cannot tell waits for ever.
    fn broken(&mut self) -> impl Future<Output = ()> + Send;
}

/// Sets what both sockets of a tunnel have: no wait for small data, and a look now and then whether
/// the other end is still there.
pub(crate) fn prepare(stream: &impl ByteStream) {
    let Some(stream) = stream.tcp() else { return };
    // A socket that refuses is broken, which its first use tells.
    let _ = stream.set_nodelay(true);
    let _ = sockopt::set_socket_keepalive(stream, true);
}

impl ByteStream for TcpStream {
    type Reader<'a> = tcp::ReadHalf<'a>;
    type Writer<'a> = tcp::WriteHalf<'a>;

    fn split(&mut self) -> (Self::Reader<'_>, Self::Writer<'_>) {
        Self::split(self)
    }

    fn reset(self) {
        // A socket that refuses is broken already.
        let _ = self.set_zero_linger();
    }

    fn tcp(&self) -> Option<&TcpStream> {
        Some(self)
    }
}

impl ByteReader for tcp::ReadHalf<'_> {
    async fn broken(&mut self) {
        // Either way there is an error: the socket's, or that of asking.
        let _ = self.ready(Interest::ERROR).await;
    }
}

impl ByteStream for DuplexStream {
    type Reader<'a> = ReadHalf<&'a mut Self>;
    type Writer<'a> = WriteHalf<&'a mut Self>;

    fn split(&mut self) -> (Self::Reader<'_>, Self::Writer<'_>) {
        tokio::io::split(self)
    }

    fn reset(self) {}

    fn tcp(&self) -> Option<&TcpStream> {
        None
    }
}

impl ByteReader for ReadHalf<&mut DuplexStream> {
    fn broken(&mut self) -> impl Future<Output = ()> + Send {
        pending()
    }
}
