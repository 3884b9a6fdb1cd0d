//! A TCP connection whose first bytes are acknowledged as they are read.
//!
//! OpenSSH's client follows its NEWKEYS message by a request that the system keeps back until the
//! message is acknowledged (RFC 896), and our system would delay that by 40 ms, because the server
//! has nothing to say in between.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes of a peer that are acknowledged at once: its part of key exchange and authentication.
const PROMPT_BYTES: usize = 16 * 1024;

/// A connection whose peer does not wait for acknowledgements while it begins.
#[derive(Debug)]
pub(super) struct Prompt {
    stream: TcpStream,
    /// Bytes that are still acknowledged at once.
    left: usize,
}

impl Prompt {
    pub(super) const fn new(stream: TcpStream) -> Self {
        Self { stream, left: PROMPT_BYTES }
    }
}

impl AsyncRead for Prompt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if self.left > 0 && read.is_ready() {
            self.left = self.left.saturating_sub(buffer.filled().len() - before);
            acknowledge(&self.stream);
        }
        read
    }
}

impl AsyncWrite for Prompt {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Has the system acknowledge what was read; it forgets that with the next bytes (tcp(7)).
#[cfg(target_os = "linux")]
fn acknowledge(stream: &TcpStream) {
    // Without it the peer waits a little longer.
    let _ = stream.set_quickack(true);
}

#[cfg(not(target_os = "linux"))]
const fn acknowledge(_: &TcpStream) {}
