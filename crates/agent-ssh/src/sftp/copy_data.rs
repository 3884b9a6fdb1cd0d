//! `copy-data`: copying from one open file to another without the client.

use std::io::IoSlice;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::fstat;
use rustix::io::{Errno, pread, retry_on_intr};

use super::status::{Code, Status};
use super::write::write_all;

/// Bytes copied in one step.
const STEP_BYTES: u64 = 65_536;

/// What is still to be copied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copy {
    offset: u64,
    /// `None`: the system appends.
    at: Option<u64>,
    missing: u64,
    is_to_the_end: bool,
}

/// How far a copy got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Done,
    /// Others have their turn, or nobody waits for the rest.
    Paused,
}

impl Copy {
    /// From where, how much (0: to the end), and to where; `None` has the system append.
    pub(super) fn new(offset: u64, length: u64, at: Option<u64>) -> Self {
        let is_to_the_end = length == 0;
        let missing = if is_to_the_end { u64::MAX } else { length };
        Self { offset, at, missing, is_to_the_end }
    }

    /// Copies until all is done, `quota` bytes have been copied, which it takes off, or `stop` is
    /// set.
    ///
    /// When the source ends early, what there was has been copied. As with OpenSSH that is an
    /// error only if a whole step or more is missing.
    ///
    /// # Errors
    ///
    /// Failure when both are the same file, which could overlap; the end of the source; those of
    /// reading and writing.
    pub(super) fn go_on(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        quota: &mut u64,
        stop: &AtomicBool,
    ) -> Result<Progress, Status> {
        let (source, target) = (fstat(from)?, fstat(to)?);
        if (source.st_dev, source.st_ino) == (target.st_dev, target.st_ino) {
            return Err(Code::Failure.into());
        }
        let mut buffer = vec![0; STEP_BYTES as usize];
        while self.missing > 0 {
            if *quota == 0 || stop.load(Ordering::Relaxed) {
                return Ok(Progress::Paused);
            }
            let step = self.missing.min(STEP_BYTES);
            self.missing -= step;
            let count = read_full(from, &mut buffer[..step as usize], self.offset)?;
            if count == 0 {
                let is_end = self.is_to_the_end || self.missing == 0;
                return if is_end { Ok(Progress::Done) } else { Err(Code::EndOfFile.into()) };
            }
            write_all(to, &mut [IoSlice::new(&buffer[..count])], self.at)?;
            *quota = quota.saturating_sub(step);
            self.offset += count as u64;
            self.at = self.at.map(|at| at.saturating_add(count as u64));
        }
        Ok(Progress::Done)
    }
}

fn read_full(file: BorrowedFd<'_>, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
    let mut filled = 0;
    while filled < buffer.len() {
        let rest = &mut buffer[filled..];
        match retry_on_intr(|| pread(file, &mut *rest, offset + filled as u64))? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}
