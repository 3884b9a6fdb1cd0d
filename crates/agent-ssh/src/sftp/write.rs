//! Writing pieces of memory to a place in a file.

use std::io::IoSlice;
use std::os::fd::BorrowedFd;

use rustix::io::{Errno, pwritev, retry_on_intr};

/// Writes all pieces, in order, from `offset` on, or at the end of a file opened to append.
///
/// # Errors
///
/// What stopped it; some may have been written.
pub(super) fn write_all(
    file: BorrowedFd<'_>,
    pieces: &mut [IoSlice<'_>],
    mut offset: u64,
) -> Result<(), Errno> {
    let mut missing: usize = pieces.iter().map(|piece| piece.len()).sum();
    let mut pieces = pieces;
    // Once even for nothing, so that a file not open for writing is an error.
    loop {
        let written = retry_on_intr(|| pwritev(file, pieces, offset))?;
        missing -= written;
        if missing == 0 {
            return Ok(());
        }
        if written == 0 {
            return Err(Errno::IO);
        }
        offset = offset.saturating_add(written as u64);
        IoSlice::advance_slices(&mut pieces, written);
    }
}
