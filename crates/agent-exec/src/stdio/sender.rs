//! The write end of a command's input pipe; not the order of those who write.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Share;
use crate::sys::watch;

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
}

impl AsFd for Sender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Writes what there is room for, waiting for some.
pub(super) async fn write(fd: &AsyncFd<OwnedFd>, bytes: &[u8]) -> io::Result<usize> {
    loop {
        let mut ready = fd.writable().await?;
        match rustix::io::write(fd, bytes) {
            Ok(written) => return Ok(written),
            Err(Errno::AGAIN) => ready.clear_ready(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
