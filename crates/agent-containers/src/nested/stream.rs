//! One connection to an agent in a container, as the bytes it carries; how it is made is `mod.rs`.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    frames::{self, HEAD, HELLO, MAX_FRAME, Place},
    session::{Printed, Session},
};

/// One connection to an agent in a container.
///
/// Each direction ends on its own: a shutdown is the end of what is sent. Nothing is buffered beyond a
/// frame of 64 KiB each way. Dropping it ends both directions at once.
pub struct NestedStream {
    input: Pin<Box<dyn AsyncWrite + Send>>,
    output: Output,
    /// What came and was not read yet, frames and all.
    came: Bytes,
    place: Place,
    /// What is on its way into the helper, frames and all.
    sending: Bytes,
    is_shut: bool,
}

/// A read of the helper's output that goes on when nobody waits for it.
type Reading = Pin<Box<dyn Future<Output = (Option<Bytes>, Printed)> + Send>>;

enum Output {
    Reading(Reading),
    Ended,
}

impl Output {
    fn of(mut printed: Printed) -> Self {
        Self::Reading(Box::pin(async move { (printed.next().await, printed) }))
    }
}

impl NestedStream {
    /// Waits until the helper is connected.
    ///
    /// # Errors
    ///
    /// The session, when the helper ended instead.
    pub(super) async fn open(mut session: Session) -> Result<Self, Session> {
        let mut came = Vec::new();
        while came.len() < HELLO.len() && HELLO.starts_with(&came) {
            match session.output.next().await {
                Some(bytes) => came.extend_from_slice(&bytes),
                None => return Err(session),
            }
        }
        if !came.starts_with(&HELLO) {
            session.output.complain(&came);
            while let Some(bytes) = session.output.next().await {
                session.output.complain(&bytes);
            }
            return Err(session);
        }
        let Session { input, output, .. } = session;
        let came = Bytes::from(came).split_off(HELLO.len());
        let output = Output::of(output);
        let place = Place::START;
        Ok(Self { input, output, came, place, sending: Bytes::new(), is_shut: false })
    }

    /// Gives the helper what is on its way.
    fn poll_sent(&mut self, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sending.has_remaining() {
            match ready!(self.input.as_mut().poll_write(ctx, &self.sending))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.sending.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for NestedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            while !this.came.is_empty() && this.place != Place::End {
                // No more is taken than is asked for.
                let room = match this.place {
                    Place::Frame(_) => buffer.remaining().min(this.came.len()),
                    _ => this.came.len(),
                };
                if room == 0 {
                    return Poll::Ready(Ok(()));
                }
                let (used, content) = this.place.take(&this.came[..room])?;
                let has_content = !content.is_empty();
                buffer.put_slice(content);
                this.came.advance(used);
                if has_content {
                    return Poll::Ready(Ok(()));
                }
            }
            if this.place == Place::End {
                return Poll::Ready(Ok(()));
            }
            let cut = || io::Error::new(io::ErrorKind::ConnectionReset, "the connection was cut");
            let Output::Reading(reading) = &mut this.output else {
                return Poll::Ready(Err(cut()));
            };
            match ready!(reading.as_mut().poll(ctx)) {
                (Some(bytes), printed) => {
                    this.came = bytes;
                    this.output = Output::of(printed);
                }
                (None, _) => this.output = Output::Ended,
            }
        }
    }
}

impl AsyncWrite for NestedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent(ctx))?;
        let length = bytes.len().min(MAX_FRAME);
        if length == 0 {
            return Poll::Ready(Ok(0));
        }
        let mut frame = Vec::with_capacity(HEAD + length);
        frame.extend_from_slice(&frames::head(length));
        frame.extend_from_slice(&bytes[..length]);
        self.sending = frame.into();
        // What does not fit now is sent by the next call of any kind.
        match self.poll_sent(ctx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(length)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(ctx))?;
        self.input.as_mut().poll_flush(ctx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(ctx))?;
        if !self.is_shut {
            self.is_shut = true;
            self.sending = Bytes::copy_from_slice(&frames::head(0));
            ready!(self.poll_sent(ctx))?;
        }
        self.input.as_mut().poll_flush(ctx)
    }
}

impl fmt::Debug for NestedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NestedStream").finish_non_exhaustive()
    }
}
