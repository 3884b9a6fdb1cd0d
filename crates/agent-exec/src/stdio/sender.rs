//! The write end of a command's input pipe; not the order of those who write.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Share;
use crate::sys::watch;

/// Most pieces in one write.
const MOST_PIECES: usize = 16;

/// The write end of a pipe that a command reads; it never blocks.
///
/// Dropping it closes the pipe: the command then reads the end of its input.
#[derive(Debug)]
pub struct Sender {
    fd: AsyncFd<OwnedFd>,
    _share: Option<Share>,
}

impl Sender {
    /// Takes the end over; needs a runtime with I/O around it.
    pub(crate) fn new(fd: OwnedFd, share: Option<Share>) -> io::Result<Self> {
        Ok(Self { fd: watch(fd, Interest::WRITABLE)?, _share: share })
    }

    /// Waits for room and writes; answers how many of the bytes the pipe took, at least one of
    /// them unless there are none.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::BrokenPipe`] when nobody can read the pipe any more.
    ///
    /// # Cancellation
    ///
    /// Writes nothing.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        write(&self.fd, bytes).await
    }

    /// Waits for room and writes pieces one behind the other, at most the first 16 of them;
    /// answers how many of their bytes the pipe took.
    ///
    /// # Errors
    ///
    /// As [`Sender::write`].
    ///
    /// # Cancellation
    ///
    /// Writes nothing.
    pub async fn write_pieces(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let pieces = &pieces[..pieces.len().min(MOST_PIECES)];
        attempt(&self.fd, || rustix::io::writev(&self.fd, pieces)).await
    }
}

impl AsFd for Sender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Writes what there is room for, waiting for some.
pub(super) async fn write(fd: &AsyncFd<OwnedFd>, bytes: &[u8]) -> io::Result<usize> {
    attempt(fd, || rustix::io::write(fd, bytes)).await
}

async fn attempt(
    fd: &AsyncFd<OwnedFd>,
    write: impl Fn() -> Result<usize, Errno>,
) -> io::Result<usize> {
    loop {
        let mut ready = fd.writable().await?;
        match write() {
            Ok(written) => return Ok(written),
            Err(Errno::AGAIN) => ready.clear_ready(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
