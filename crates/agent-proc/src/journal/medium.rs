//! The system calls of a journal, where tests put a failing disk.

use std::{
    fs::File,
    io,
    ops::Range,
    os::{
        fd::BorrowedFd,
        unix::fs::{FileExt, OpenOptionsExt},
    },
    path::Path,
};

/// Stores bytes; the methods are those of a real disk.
pub(crate) trait Medium: Send + Sync + std::fmt::Debug {
    /// Makes an empty file that only its owner may touch; one that is there is emptied, because
    /// it is left over from a start that failed.
    fn create(&self, path: &Path) -> io::Result<File> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        options.open(path)
    }

    /// Opens a file that is there.
    fn open(&self, path: &Path) -> io::Result<File> {
        File::options().read(true).write(true).open(path)
    }

    /// Writes some bytes at an offset and says how many.
    fn write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<usize> {
        file.write_at(bytes, at)
    }

    /// Moves at most `most` bytes of a pipe to an offset of a file; 0 at the end of the pipe, and
    /// [`io::ErrorKind::WouldBlock`] when it is empty.
    #[cfg(target_os = "linux")]
    fn splice(&self, pipe: BorrowedFd<'_>, file: &File, at: u64, most: usize) -> io::Result<usize> {
        use rustix::pipe::{SpliceFlags, splice};

        let (mut at, flags) = (at, SpliceFlags::NONBLOCK | SpliceFlags::MOVE);
        Ok(splice(pipe, None, file, Some(&mut at), most, flags)?)
    }

    /// Refuses: there is no such call here.
    #[cfg(not(target_os = "linux"))]
    fn splice(&self, _: BorrowedFd<'_>, _: &File, _: u64, _: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Gives the space of a range back.
    #[cfg(target_os = "linux")]
    fn punch(&self, file: &File, range: Range<u64>) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};

        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(fallocate(file, flags, range.start, range.end - range.start)?)
    }

    /// Refuses: there is no such call here.
    #[cfg(not(target_os = "linux"))]
    fn punch(&self, _: &File, _: Range<u64>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A real disk.
#[derive(Debug)]
pub(crate) struct Disk;

impl Medium for Disk {}

/// Reads cached bytes without waiting for a disk; `None` if that is impossible.
#[cfg(target_os = "linux")]
pub(super) fn read_cached(file: &File, buffer: &mut [u8], at: u64) -> Option<usize> {
    use rustix::io::{ReadWriteFlags, preadv2};

    let mut slices = [io::IoSliceMut::new(buffer)];
    preadv2(file, &mut slices, at, ReadWriteFlags::NOWAIT).ok().filter(|bytes| *bytes > 0)
}

/// Reads nothing: there is no such call here.
#[cfg(not(target_os = "linux"))]
pub(super) fn read_cached(_: &File, _: &mut [u8], _: u64) -> Option<usize> {
    None
}

/// Finds the ranges below `end` for which a file has no storage, where the file system tells.
///
/// Only file systems that give storage to every written byte are asked: one that drops written
/// zeros would make gaps of real output. Elsewhere, and at any failure, there are none.
#[cfg(target_os = "linux")]
pub(super) fn unstored(file: &File, end: u64) -> Vec<Range<u64>> {
    use rustix::fs::{SeekFrom, seek};

    let mut holes = Vec::new();
    let mut at = 0;
    while stores_every_byte(file) && at < end {
        let Ok(hole) = seek(file, SeekFrom::Hole(at)) else { break };
        if hole >= end {
            break;
        }
        at = match seek(file, SeekFrom::Data(hole)) {
            Ok(data) => data.min(end),
            Err(rustix::io::Errno::NXIO) => end,
            Err(_) => break,
        };
        holes.push(hole..at);
    }
    holes
}

/// Finds none: there is no such call here.
#[cfg(not(target_os = "linux"))]
pub(super) fn unstored(_: &File, _: u64) -> Vec<Range<u64>> {
    Vec::new()
}

/// Whether the file is on ext2 to ext4, XFS, btrfs, f2fs or tmpfs; the numbers are those of
/// `linux/magic.h`.
#[cfg(target_os = "linux")]
fn stores_every_byte(file: &File) -> bool {
    const MAGIC: [u64; 5] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x0102_1994];

    rustix::fs::fstatfs(file).is_ok_and(|info| MAGIC.contains(&(info.f_type as u64 & 0xffff_ffff)))
}
