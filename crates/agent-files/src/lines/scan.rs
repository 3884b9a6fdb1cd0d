//! Feeds a file to the line reader, within bounds of bytes and time; blocks.

use std::{
    io::{ErrorKind, Read},
    path::Path,
    time::Duration,
};

use super::{
    budget::Budget,
    error::LinesError,
    reader::{End, LineReader, Lines, Progress},
};
use crate::{Error, read_file::pseudo};

/// Longest time spent on a file that says its size.
const MAX_TIME: Duration = Duration::from_secs(30);
const CHUNK_BYTES: usize = 128 * 1024;

/// What was found in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scanned {
    pub(super) lines: Lines,
    /// Bytes that were read.
    pub(super) bytes: u64,
}

/// Reads the lines of a file of `size` bytes.
///
/// Never reads beyond `size`, so that a file that grows all the time has an end, and the lines are
/// those of the version that was opened. A file that says 0 is read to its end, at most
/// [`pseudo::MAX_BYTES`] and [`pseudo::MAX_TIME`]. `elapsed` is the time since the start.
///
/// # Errors
///
/// A failure of the file, a budget, or [`LinesError::TooSlow`].
pub(super) fn scan(
    file: &mut impl Read,
    size: u64,
    path: &Path,
    budget: Budget,
    elapsed: impl Fn() -> Duration,
) -> Result<Scanned, LinesError> {
    let bound = Bound::of(size);
    let mut reader = LineReader::new(budget);
    let mut chunk = vec![0_u8; at_most(bound.bytes, CHUNK_BYTES)];
    let mut bytes = 0;
    let end = loop {
        let room = at_most(bound.bytes - bytes, CHUNK_BYTES);
        if room == 0 && bound.is_end {
            break End::Complete;
        }
        // A byte more than the bound tells whether there is more.
        let count = read(file, &mut chunk[..room.max(1)]).map_err(Error::io("read", path))?;
        if count == 0 {
            break End::Complete;
        }
        if room == 0 {
            break End::Cut;
        }
        bytes += count as u64;
        let progress = reader.feed(&chunk[..count])?;
        if progress == Progress::Settled && size > budget.max_file_size {
            break End::Unneeded;
        }
        if elapsed() > bound.time {
            if bound.is_end {
                return Err(LinesError::TooSlow { path: path.to_owned(), limit: bound.time });
            }
            break End::Cut;
        }
    };
    Ok(Scanned { lines: reader.finish(end)?, bytes })
}

/// Where reading ends at the latest.
struct Bound {
    bytes: u64,
    time: Duration,
    /// Whether `bytes` are the whole file.
    is_end: bool,
}

impl Bound {
    fn of(size: u64) -> Self {
        if size == 0 {
            Self { bytes: pseudo::MAX_BYTES as u64, time: pseudo::MAX_TIME, is_end: false }
        } else {
            Self { bytes: size, time: MAX_TIME, is_end: true }
        }
    }
}

fn at_most(bytes: u64, max: usize) -> usize {
    usize::try_from(bytes).map_or(max, |bytes| bytes.min(max))
}

/// Reads some bytes; none at the end, also of a file that would make its reader wait.
fn read(file: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            read => return read,
        }
    }
}

#[cfg(test)]
mod tests;
