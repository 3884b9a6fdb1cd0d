//! Files that say they are empty and may yield bytes all the same (`/proc`, `/sys`): read to their
//! end within bounds.

use std::{
    fs::File,
    io::{self, Read as _},
    time::{Duration, Instant},
};

use bytes::Bytes;

/// Most bytes taken from such a file.
pub(crate) const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Longest time spent on one.
pub(crate) const MAX_TIME: Duration = Duration::from_secs(5);
const CHUNK_BYTES: usize = 64 * 1024;

/// What such a file yielded.
pub(super) struct Yield {
    pub(super) bytes: Bytes,
    /// Whether a bound ended it.
    pub(super) is_cut: bool,
}

/// Reads from the start; the file was opened without blocking, so a file that waits for something
/// ends here.
pub(super) fn read(mut file: &File) -> io::Result<Yield> {
    let started = Instant::now();
    let mut bytes = Vec::new();
    let mut chunk = vec![0_u8; CHUNK_BYTES];
    loop {
        let room = (MAX_BYTES - bytes.len()).min(CHUNK_BYTES);
        match file.read(&mut chunk[..room.max(1)]) {
            Ok(0) => return Ok(Yield { bytes: bytes.into(), is_cut: false }),
            Ok(_) if room == 0 => return Ok(Yield { bytes: bytes.into(), is_cut: true }),
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Ok(Yield { bytes: bytes.into(), is_cut: false });
            }
            Err(error) => return Err(error),
        }
        if started.elapsed() > MAX_TIME {
            return Ok(Yield { bytes: bytes.into(), is_cut: true });
        }
    }
}
