//! Pseudo terminals: the near end of one, and opening both; not what is shown on it.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, kill_process_group};
use rustix::pty::OpenptFlags;
use rustix::termios::{InputModes, Winsize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Ready;
use super::receiver::read;
use crate::sys::watch;
use crate::{Signal, Size};

/// Pause between two attempts to write to a full terminal that was closed and opened again.
const REOPENED_PAUSE: Duration = Duration::from_millis(10);

/// The near end of a command's pseudo terminal; it never blocks.
///
/// Dropping it hangs the terminal up: the command's session gets `SIGHUP`.
#[derive(Debug)]
pub struct Pty {
    fd: AsyncFd<OwnedFd>,
    path: PathBuf,
}

impl Pty {
    /// Takes the near end over; needs a runtime with I/O around it.
    pub(crate) fn new(fd: OwnedFd, path: PathBuf) -> io::Result<Self> {
        Ok(Self { fd: watch(fd, Interest::READABLE | Interest::WRITABLE)?, path })
    }

    /// The device the command has as its terminal, as tty(1) shows it there.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until there are bytes or the terminal's last user is gone, as
    /// [`Receiver::readable`](crate::Receiver::readable) does.
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

    /// Waits for output and reads it; 0 when nobody has the terminal open any more.
    ///
    /// # Errors
    ///
    /// The system refuses the read.
    ///
    /// # Cancellation
    ///
    /// Loses nothing.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        ended(read(&self.fd, buffer).await)
    }

    /// Reads output that is there now, without waiting.
    ///
    /// 0 when nobody has the terminal open any more.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] when there is none yet.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        ended(rustix::io::read(&self.fd, buffer).map_err(io::Error::from))
    }

    /// Waits for room and writes input; answers how many of the bytes the terminal took.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::BrokenPipe`] where the system says that nobody has the terminal open any
    /// more; Linux takes bytes then that nobody will read.
    ///
    /// # Cancellation
    ///
    /// Writes nothing.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.fd.writable().await?;
            match rustix::io::write(&self.fd, bytes) {
                Ok(written) => return Ok(written),
                Err(Errno::AGAIN) => {}
                Err(Errno::INTR) => continue,
                Err(Errno::IO) => return Err(io::ErrorKind::BrokenPipe.into()),
                Err(error) => return Err(error.into()),
            }
            let was_closed = ready.ready().is_write_closed();
            ready.clear_ready();
            // The runtime keeps for ever that a far end was closed once, and does not wait then.
            if was_closed {
                if self.is_hung_up()? {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                tokio::time::sleep(REOPENED_PAUSE).await;
            }
        }
    }

    /// Whether nobody has the terminal open now.
    fn is_hung_up(&self) -> io::Result<bool> {
        let mut polled = [PollFd::new(&self.fd, PollFlags::OUT)];
        poll(&mut polled, Some(&Timespec::default()))?;
        Ok(polled[0].revents().contains(PollFlags::HUP))
    }

    /// Number of bytes of output that wait now (`FIONREAD`).
    ///
    /// # Errors
    ///
    /// The system refuses the answer.
    pub fn available(&self) -> io::Result<u64> {
        Ok(rustix::io::ioctl_fionread(&self.fd)?)
    }

    /// Changes the size; the foreground process group gets `SIGWINCH`.
    ///
    /// # Errors
    ///
    /// The system refuses the size.
    pub fn resize(&self, size: Size) -> io::Result<()> {
        set_size(self.fd.as_fd(), size)
    }

    /// The foreground process group, the one that the keyboard's signals go to; `None` when the
    /// terminal has none.
    ///
    /// # Errors
    ///
    /// The system refuses the answer.
    pub fn foreground_group(&self) -> io::Result<Option<u32>> {
        Ok(self.foreground()?.map(|group| group.as_raw_nonzero().get().unsigned_abs()))
    }

    /// Sends a signal to the foreground process group; `false` when there is none to get it.
    ///
    /// # Errors
    ///
    /// The system lets none of the group be signaled.
    pub fn signal_foreground(&self, signal: Signal) -> io::Result<bool> {
        let Some(group) = self.foreground()? else { return Ok(false) };
        match kill_process_group(group, signal.raw()) {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a break on the line would interrupt: `BRKINT` set and `IGNBRK` clear (termios(3)).
    ///
    /// # Errors
    ///
    /// The system refuses the answer.
    pub fn interrupts_on_break(&self) -> io::Result<bool> {
        let modes = rustix::termios::tcgetattr(&self.fd)?.input_modes;
        Ok(modes.contains(InputModes::BRKINT) && !modes.contains(InputModes::IGNBRK))
    }

    pub(crate) fn foreground(&self) -> io::Result<Option<Pid>> {
        match rustix::termios::tcgetpgrp(&self.fd) {
            Ok(group) => Ok(Some(group)),
            // The terminal is nobody's, or its session has ended.
            Err(Errno::OPNOTSUPP | Errno::NOTTY | Errno::IO) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Pty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Linux says `EIO` where other systems say the end of the file.
fn hung_up(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::IO.raw_os_error())
}

fn ended(read: io::Result<usize>) -> io::Result<usize> {
    match read {
        Err(error) if hung_up(&error) => Ok(0),
        read => read,
    }
}

/// Both ends of a new pseudo terminal and the far one's device.
pub(crate) struct Opened {
    pub(crate) ours: OwnedFd,
    pub(crate) theirs: OwnedFd,
    pub(crate) path: PathBuf,
}

/// Opens a pseudo terminal of this size.
pub(crate) fn open(size: Size) -> io::Result<Opened> {
    let ours = open_near()?;
    rustix::pty::grantpt(&ours)?;
    rustix::pty::unlockpt(&ours)?;
    let name = rustix::pty::ptsname(&ours, Vec::new())?;
    let path = PathBuf::from(OsStr::from_bytes(name.to_bytes()));
    let theirs = open_far(&ours, &path)?;
    set_size(theirs.as_fd(), size)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    Ok(Opened { ours, theirs, path })
}

#[cfg(target_os = "linux")]
fn open_near() -> io::Result<OwnedFd> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    Ok(rustix::pty::openpt(flags)?)
}

#[cfg(not(target_os = "linux"))]
fn open_near() -> io::Result<OwnedFd> {
    let ours = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    rustix::io::fcntl_setfd(&ours, rustix::io::FdFlags::CLOEXEC)?;
    Ok(ours)
}

/// Opens the far end: through the near one where the system can, because the name may be that of
/// another mount's device.
fn open_far(ours: &OwnedFd, path: &Path) -> io::Result<OwnedFd> {
    if let Some(far) = peer(ours) {
        return Ok(far);
    }
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

#[cfg(target_os = "linux")]
fn peer(ours: &OwnedFd) -> Option<OwnedFd> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    rustix::pty::ioctl_tiocgptpeer(ours, flags).ok()
}

#[cfg(not(target_os = "linux"))]
fn peer(_: &OwnedFd) -> Option<OwnedFd> {
    None
}

fn set_size(terminal: BorrowedFd<'_>, size: Size) -> io::Result<()> {
    let size = Winsize {
        ws_row: size.rows,
        ws_col: size.cols,
        ws_xpixel: size.width_pixels,
        ws_ypixel: size.height_pixels,
    };
    Ok(rustix::termios::tcsetwinsize(terminal, size)?)
}
