//! The terminal at this end: its size, and the mode in which every key goes to the program at the
//! other end; not what is typed.

use std::{
    fmt, io,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use agent_sdk::api::{TerminalSize, limits::MAX_TERMINAL_SIDE};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};

use crate::stdio;

/// The size of a terminal that nobody sees, and of one that does not know its own.
pub(crate) const USUAL_SIZE: TerminalSize = TerminalSize { rows: 24, cols: 80 };

/// A terminal of this machine. Clones are the same terminal.
#[derive(Clone, Debug)]
pub struct Terminal {
    fd: Arc<OwnedFd>,
}

impl Terminal {
    /// The terminal that a stream is; `None` when it is something else.
    pub fn of(stream: impl AsFd) -> Option<Self> {
        if !isatty(&stream) {
            return None;
        }
        let fd = stream.as_fd().try_clone_to_owned().ok()?;
        Some(Self { fd: Arc::new(fd) })
    }

    /// Its rows and columns, 1 to 1000; 24 and 80 where it does not say.
    pub(crate) fn size(&self) -> TerminalSize {
        let side = |side: u16, usual| if side == 0 { usual } else { side.min(MAX_TERMINAL_SIDE) };
        tcgetwinsize(&self.fd).map_or(USUAL_SIZE, |size| TerminalSize {
            rows: side(size.ws_row, USUAL_SIZE.rows),
            cols: side(size.ws_col, USUAL_SIZE.cols),
        })
    }

    /// Its columns and rows, and both in pixels, as it has them; `None` when it does not know.
    pub(crate) fn true_size(&self) -> Option<[u16; 4]> {
        let size = tcgetwinsize(&self.fd).ok()?;
        let is_known = size.ws_col > 0 && size.ws_row > 0;
        is_known.then_some([size.ws_col, size.ws_row, size.ws_xpixel, size.ws_ypixel])
    }

    /// Its modes; `None` when it is gone.
    pub(crate) fn modes(&self) -> Option<Termios> {
        tcgetattr(&self.fd).ok()
    }

    /// Writes bytes to it, and waits until it takes them.
    ///
    /// # Errors
    ///
    /// When the terminal is gone.
    pub(crate) fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        stdio::write_all(&self.fd, bytes)
    }

    /// Switches to raw mode: keys are not echoed, edited or turned into signals, and output is not
    /// changed. It lasts until the returned guard is dropped.
    ///
    /// # Errors
    ///
    /// When the terminal is gone.
    pub(crate) fn raw(&self) -> io::Result<RawMode> {
        let mode = RawMode { terminal: self.clone(), original: tcgetattr(&self.fd)? };
        mode.enter()?;
        Ok(mode)
    }
}

/// Raw mode; dropping it restores the mode before, which a panic and a signal do too.
pub(crate) struct RawMode {
    terminal: Terminal,
    original: Termios,
}

impl RawMode {
    /// Switches to raw mode again, after somebody else changed it.
    ///
    /// # Errors
    ///
    /// When the terminal is gone.
    pub(crate) fn enter(&self) -> io::Result<()> {
        let mut raw = self.original.clone();
        raw.make_raw();
        Ok(tcsetattr(&self.terminal.fd, OptionalActions::Now, &raw)?)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that is gone needs no mode.
        let _ = tcsetattr(&self.terminal.fd, OptionalActions::Now, &self.original);
    }
}

impl fmt::Debug for RawMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawMode").field("terminal", &self.terminal).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{
        fs::File,
        io::Read as _,
        panic::{AssertUnwindSafe, catch_unwind},
    };

    use rustix::{
        pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
        termios::{LocalModes, Winsize, tcsetwinsize},
    };

    use super::*;

    /// Both ends of a new pseudo terminal: the outer one, and the one programs use.
    pub(crate) fn pair() -> (OwnedFd, Terminal) {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let outer = openpt(flags).unwrap();
        grantpt(&outer).unwrap();
        unlockpt(&outer).unwrap();
        let inner = ioctl_tiocgptpeer(&outer, flags).unwrap();
        (outer, Terminal::of(inner).unwrap())
    }

    pub(crate) fn echoes(terminal: &Terminal) -> bool {
        tcgetattr(&terminal.fd).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    /// What was written to the last one that has the terminal, which then is closed.
    pub(crate) fn read_all(outer: OwnedFd, terminal: Terminal) -> String {
        drop(terminal);
        let mut text = Vec::new();
        // A pseudo terminal that nobody has any more ends with an error.
        let end = File::from(outer).read_to_end(&mut text).unwrap_err();
        assert_eq!(end.raw_os_error(), Some(rustix::io::Errno::IO.raw_os_error()));
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn raw_mode_ends_with_its_guard() {
        let (_outer, terminal) = pair();
        assert!(echoes(&terminal));
        let raw = terminal.raw().unwrap();
        assert!(!echoes(&terminal));
        drop(raw);
        assert!(echoes(&terminal));
    }

    #[test]
    fn raw_mode_ends_with_a_panic() {
        let (_outer, terminal) = pair();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _raw = terminal.raw().unwrap();
            assert!(echoes(&terminal), "it is raw");
        }));
        assert!(panicked.is_err() && echoes(&terminal));
    }

    #[test]
    fn raw_mode_can_be_entered_again() {
        let (_outer, terminal) = pair();
        let raw = terminal.raw().unwrap();
        tcsetattr(&terminal.fd, OptionalActions::Now, &raw.original).unwrap();
        raw.enter().unwrap();
        assert!(!echoes(&terminal));
    }

    #[test]
    fn a_size_is_within_the_limits() {
        let (outer, terminal) = pair();
        for (rows, cols, expected) in [(0, 0, (24, 80)), (50, 132, (50, 132)), (5000, 1, (1000, 1))]
        {
            let size = Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 };
            tcsetwinsize(&outer, size).unwrap();
            let size = terminal.size();
            assert_eq!((size.rows, size.cols), expected);
        }
    }

    #[test]
    fn a_file_is_no_terminal() {
        assert!(Terminal::of(File::open("/dev/null").unwrap()).is_none());
    }
}
