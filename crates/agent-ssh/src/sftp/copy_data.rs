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

/// What is copied: from where, how much (0: to the end), and to where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) offset: u64,
    pub(super) length: u64,
    /// `None`: the system appends.
    pub(super) at: Option<u64>,
}

/// Copies a range; a file opened to append gets it at its end.
///
/// When the source ends early, what there was has been copied. As with OpenSSH that is an error
/// only if a whole step or more is missing.
///
/// # Errors
///
/// Failure when both are the same file, which could overlap; the end of the source; those of
/// reading and writing. Failure as well when `stop` is set, at the next step.
pub(super) fn copy_data(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    range: Range,
    stop: &AtomicBool,
) -> Result<(), Status> {
    let (source, target) = (fstat(from)?, fstat(to)?);
    if (source.st_dev, source.st_ino) == (target.st_dev, target.st_ino) {
        return Err(Code::Failure.into());
    }
    let mut buffer = vec![0; STEP_BYTES as usize];
    let Range { mut offset, mut at, length } = range;
    let mut missing = if length == 0 { u64::MAX } else { length };
    while missing > 0 {
        if stop.load(Ordering::Relaxed) {
            return Err(Code::Failure.into());
        }
        let step = missing.min(STEP_BYTES);
        missing -= step;
        let count = read_full(from, &mut buffer[..step as usize], offset)?;
        if count == 0 {
            let is_end = length == 0 || missing == 0;
            return if is_end { Ok(()) } else { Err(Code::EndOfFile.into()) };
        }
        write_all(to, &mut [IoSlice::new(&buffer[..count])], at)?;
        offset += count as u64;
        at = at.map(|at| at.saturating_add(count as u64));
    }
    Ok(())
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
