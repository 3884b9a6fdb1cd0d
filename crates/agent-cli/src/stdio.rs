//! The standard streams of this process, read and written on threads that may wait; also where
//! whoever shares a stream has made it nonblocking, which then is so for everybody. What goes
//! through them is not known here.

use std::{
    io,
    os::fd::AsFd,
    pin::Pin,
    task::{Context, Poll, ready},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::{Errno, read, write},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::{JoinHandle, spawn_blocking},
};

/// Bytes of one read and of one write.
const BUFFER: usize = 256 * 1024;

/// A stream that is read.
pub(crate) struct Source<F> {
    fd: F,
    /// `None` while a thread has it.
    buffer: Option<Vec<u8>>,
    /// What was read and not taken.
    rest: std::ops::Range<usize>,
    work: Option<JoinHandle<(Vec<u8>, io::Result<usize>)>>,
}

/// A stream that is written; a write has happened when it is flushed, or the next one is taken.
pub(crate) struct Sink<F> {
    fd: F,
    work: Option<JoinHandle<io::Result<()>>>,
    /// What makes the end of the stream known.
    close: Option<fn() -> io::Result<()>>,
}

impl<F> Source<F> {
    pub(crate) fn new(fd: F) -> Self {
        Self { fd, buffer: Some(Vec::new()), rest: 0..0, work: None }
    }
}

impl<F> Sink<F> {
    pub(crate) fn new(fd: F) -> Self {
        Self { fd, work: None, close: None }
    }

    /// The same with something to be done once everything is written and a shutdown was asked for.
    /// Without it a shutdown does no more than a flush: others may have the stream, too.
    pub(crate) fn closed_by(self, close: fn() -> io::Result<()>) -> Self {
        Self { close: Some(close), ..self }
    }

    fn poll_work(&mut self, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(work) = &mut self.work else { return Poll::Ready(Ok(())) };
        let written = ready!(Pin::new(work).poll(ctx));
        self.work = None;
        Poll::Ready(written.unwrap_or_else(|error| Err(io::Error::other(error))))
    }
}

impl<F: AsFd + Clone + Send + Unpin + 'static> AsyncRead for Source<F> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if let Some(buffer) = this.buffer.as_mut() {
                if !this.rest.is_empty() {
                    let length = this.rest.len().min(into.remaining());
                    into.put_slice(&buffer[this.rest.start..][..length]);
                    this.rest.start += length;
                    return Poll::Ready(Ok(()));
                }
                let (fd, mut buffer) = (this.fd.clone(), std::mem::take(buffer));
                this.buffer = None;
                this.work = Some(spawn_blocking(move || {
                    buffer.resize(BUFFER, 0);
                    let length = read_some(&fd, &mut buffer);
                    (buffer, length)
                }));
            }
            let Some(work) = &mut this.work else {
                return Poll::Ready(Err(io::Error::other("a read has failed")));
            };
            let done = ready!(Pin::new(work).poll(ctx));
            this.work = None;
            let (buffer, length) = done.map_err(io::Error::other)?;
            this.buffer = Some(buffer);
            this.rest = 0..length?;
            if this.rest.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<F: AsFd + Clone + Send + Unpin + 'static> AsyncWrite for Sink<F> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_work(ctx))?;
        let bytes = bytes[..bytes.len().min(BUFFER)].to_vec();
        let (fd, length) = (self.fd.clone(), bytes.len());
        self.work = Some(spawn_blocking(move || write_all(&fd, &bytes)));
        Poll::Ready(Ok(length))
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_work(ctx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_work(ctx))?;
        Poll::Ready(self.close.take().map_or(Ok(()), |close| close()))
    }
}

/// Leaves stdout to nobody, so that its reader sees the end while this process goes on.
pub(crate) fn close_stdout() -> io::Result<()> {
    let nowhere = std::fs::File::options().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdout(nowhere)?)
}

fn read_some(fd: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match read(&fd, &mut *buffer) {
            Ok(length) => return Ok(length),
            Err(errno) => overcome(errno, &fd, PollFlags::IN)?,
        }
    }
}

/// Writes all of it, and waits where the stream does not take it yet.
pub(crate) fn write_all(fd: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match write(&fd, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(length) => bytes = &bytes[length..],
            Err(errno) => overcome(errno, &fd, PollFlags::OUT)?,
        }
    }
    Ok(())
}

/// Waits until it can be tried again, where only that is missing.
fn overcome(errno: Errno, fd: impl AsFd, until: PollFlags) -> io::Result<()> {
    match errno {
        Errno::INTR => Ok(()),
        Errno::AGAIN => match poll(&mut [PollFd::new(&fd, until)], None) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        },
        errno => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustix::io::ioctl_fionbio;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// More than a pipe and a buffer hold.
    fn many() -> Vec<u8> {
        (0..1_000_000_u32).map(|number| number.to_le_bytes()[0] ^ 7).collect()
    }

    #[tokio::test]
    async fn everything_goes_through_a_pipe_that_somebody_made_nonblocking() {
        for is_nonblocking in [false, true] {
            let (reader, writer) = io::pipe().unwrap();
            ioctl_fionbio(&reader, is_nonblocking).unwrap();
            ioctl_fionbio(&writer, is_nonblocking).unwrap();
            let mut source = Source::new(Arc::new(reader));
            let mut sink = Sink::new(Arc::new(writer));
            let send = async move {
                sink.write_all(&many()).await.unwrap();
                sink.flush().await.unwrap();
            };
            let mut received = Vec::new();
            let (_, length) = tokio::join!(send, source.read_to_end(&mut received));
            assert_eq!(length.unwrap(), received.len());
            assert!(received == many());
        }
    }

    #[tokio::test]
    async fn a_read_that_is_given_up_loses_nothing() {
        let (reader, writer) = io::pipe().unwrap();
        let mut source = Source::new(Arc::new(reader));
        let mut byte = [0; 1];
        let given_up = futures_util::poll!(std::pin::pin!(source.read(&mut byte)));
        assert!(given_up.is_pending());
        write_all(&writer, b"ab").unwrap();
        drop(writer);
        let mut received = String::new();
        source.read_to_string(&mut received).await.unwrap();
        assert_eq!(received, "ab");
    }

    #[tokio::test]
    async fn a_write_that_failed_is_told_by_the_flush() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut sink = Sink::new(Arc::new(writer));
        sink.write_all(b"a").await.unwrap();
        assert_eq!(sink.flush().await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn a_source_that_cannot_be_read_says_why_each_time() {
        let directory = Arc::new(std::fs::File::open("/").unwrap());
        let mut source = Source::new(directory);
        for _ in 0..2 {
            let error = source.read_u8().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        }
    }
}
