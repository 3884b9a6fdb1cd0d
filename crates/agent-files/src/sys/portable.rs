//! Other systems: the same functions by portable calls, with the gaps that each one names.

use std::{
    ffi::CStr,
    io,
    ops::Range,
    os::fd::{BorrowedFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags},
    io::Errno,
};

/// Never: there is no call that opens without waiting.
pub(crate) fn open_cached(_path: &Path) -> Option<OwnedFd> {
    None
}

/// Nothing to learn, because nothing is opened from a cache.
pub(crate) fn learn_locality(_file: BorrowedFd<'_>) {}

/// Never: there is no call that reads without waiting.
pub(crate) fn read_cached(
    _file: BorrowedFd<'_>,
    _buffer: &mut [u8],
    _offset: u64,
) -> io::Result<Option<usize>> {
    Ok(None)
}

/// Checks the last component alone for a link that has appeared since the path was resolved.
pub(crate) fn open_directory(resolved: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(resolved, flags, Mode::empty())?)
}

/// Tells mounts apart by their device, so that a second mount of one device is not seen.
pub(crate) fn open_beneath_mount(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let child = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    let devices = (rustix::fs::fstat(parent)?.st_dev, rustix::fs::fstat(&child)?.st_dev);
    if devices.0 == devices.1 { Ok(child) } else { Err(Errno::XDEV.into()) }
}

/// Hands every entry of a directory but `.` and `..` to `visit`, until it refuses one.
pub(crate) fn read_entries<E>(
    directory: BorrowedFd<'_>,
    mut visit: impl FnMut(&CStr, FileType) -> Result<(), E>,
) -> io::Result<Result<(), E>> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        if let Err(refusal) = visit(name, entry.file_type()) {
            return Ok(Err(refusal));
        }
    }
    Ok(Ok(()))
}

/// Does nothing: reading changes the time of access.
pub(crate) fn keep_access_time(_file: BorrowedFd<'_>) {}

/// Knows no holes: everything from `offset` on, beyond the end too.
pub(crate) fn next_data(_file: BorrowedFd<'_>, offset: u64) -> io::Result<Option<Range<u64>>> {
    Ok(Some(offset..u64::MAX))
}

/// Looks first and renames then: a name that appears in between is replaced.
pub(crate) fn rename_without_replacing(
    from_dir: BorrowedFd<'_>,
    from: &CStr,
    to_dir: BorrowedFd<'_>,
    to: &CStr,
) -> io::Result<()> {
    match rustix::fs::statat(to_dir, to, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Err(Errno::EXIST.into()),
        Err(Errno::NOENT) => Ok(rustix::fs::renameat(from_dir, from, to_dir, to)?),
        Err(error) => Err(error.into()),
    }
}

/// Reserves nothing: a full disk is noticed while writing.
pub(crate) fn reserve(_file: BorrowedFd<'_>, _offset: u64, _length: u64) -> io::Result<()> {
    Ok(())
}

/// Copies nothing: the calls differ on each system.
pub(crate) fn copy_attributes(_from: BorrowedFd<'_>, _to: BorrowedFd<'_>) {}
