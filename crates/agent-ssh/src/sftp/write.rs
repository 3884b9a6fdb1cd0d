//! Writing pieces of memory to a place in a file.

use std::io::IoSlice;
use std::os::fd::BorrowedFd;

use rustix::io::{Errno, pwritev, retry_on_intr, writev};

/// Writes all pieces, in order, from `offset` on; without one where the system appends.
///
/// # Errors
///
/// What stopped it; some may have been written.
pub(super) fn write_all(
    file: BorrowedFd<'_>,
    pieces: &mut [IoSlice<'_>],
    mut offset: Option<u64>,
) -> Result<(), Errno> {
    let mut missing: usize = pieces.iter().map(|piece| piece.len()).sum();
    let mut pieces = pieces;
    // Once even for nothing, so that a file not open for writing is an error.
    loop {
        let written = retry_on_intr(|| match offset {
            Some(offset) => pwritev(file, pieces, offset),
            None => writev(file, pieces),
        })?;
        missing -= written;
        if missing == 0 {
            return Ok(());
        }
        if written == 0 {
            return Err(Errno::IO);
        }
        offset = offset.map(|offset| offset.saturating_add(written as u64));
        IoSlice::advance_slices(&mut pieces, written);
    }
}
