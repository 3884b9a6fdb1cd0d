//! The read end of a command's output pipe; not what is done with the bytes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

use super::Share;
use crate::sys::watch;

/// The read end of a pipe that a command writes; it never blocks.
///
/// Dropping it closes the pipe: the command then gets `SIGPIPE` when it writes.
#[derive(Debug)]
pub struct Receiver {
    fd: AsyncFd<OwnedFd>,
    _share: Option<Share>,
}

impl Receiver {
    /// Takes the end over; needs a runtime with I/O around it.
    pub(crate) fn new(fd: OwnedFd, share: Option<Share>) -> io::Result<Self> {
        let fd = watch(fd, Interest::READABLE)?;
        Ok(Self { fd, _share: share })
    }

    /// Waits until there are bytes, or the last writer has closed the pipe.
    ///
    /// Then read or splice from the descriptor ([`AsFd`]) until it would block, and say so with
    /// [`Ready::clear`]; without that the next call returns at once.
    ///
    /// # Errors
    ///
    /// The runtime stops.
    ///
    /// # Cancellation
    ///
    /// Loses nothing.
    pub async fn readable(&self) -> io::Result<Ready<'_>> {
        Ok(Ready(self.fd.readable().await?))
    }

    /// Waits for bytes and reads them; 0 when the last writer has closed the pipe.
    ///
    /// # Errors
    ///
    /// The system refuses the read.
    ///
    /// # Cancellation
    ///
    /// Loses nothing.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        read(&self.fd, buffer).await
    }

    /// Number of bytes that wait in the pipe now (`FIONREAD`).
    ///
    /// # Errors
    ///
    /// The system refuses the answer.
    pub fn available(&self) -> io::Result<u64> {
        Ok(rustix::io::ioctl_fionread(&self.fd)?)
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// That a descriptor was readable.
#[derive(Debug)]
#[must_use = "a descriptor stays ready until it is cleared"]
pub struct Ready<'a>(pub(super) AsyncFdReadyGuard<'a, OwnedFd>);

impl Ready<'_> {
    /// Says that the descriptor would block now; bytes that came since it was found readable are
    /// not forgotten.
    pub fn clear(mut self) {
        self.0.clear_ready();
    }
}

/// Reads what is there, waiting for something.
pub(super) async fn read(fd: &AsyncFd<OwnedFd>, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        let mut ready = fd.readable().await?;
        match rustix::io::read(fd, &mut *buffer) {
            Ok(read) => return Ok(read),
            Err(Errno::AGAIN) => ready.clear_ready(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
