//! Opens files for reading in a way that no kind of file can hang or surprise.

use std::{
    fs::File,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, Stat},
    io::Errno,
};

use crate::{Error, sys, version};

/// Opens a regular file, following links; may wait for a disk.
///
/// # Errors
///
/// [`Error::NotAFile`] for a directory, [`Error::NotARegularFile`] for a FIFO, socket or device,
/// [`Error::Io`] when it cannot be opened.
pub(crate) fn open_for_reading(path: &Path) -> Result<(File, Stat), Error> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(CWD, path, flags, Mode::empty()) {
        // A socket, or a device without a driver, cannot even be opened.
        Err(Errno::NXIO | Errno::NODEV) => {
            return Err(Error::NotARegularFile { path: path.to_owned() });
        }
        opened => opened.map_err(|errno| Error::io("open", path)(errno.into()))?,
    };
    let opened = checked(file, path)?;
    sys::learn_locality(opened.0.as_fd());
    Ok(opened)
}

/// The same for a file whose opening needs no waiting; `None` says to use the other.
pub(crate) fn open_cached(path: &Path) -> Option<Result<(File, Stat), Error>> {
    sys::open_cached(path).map(|file| checked(file, path))
}

fn checked(file: OwnedFd, path: &Path) -> Result<(File, Stat), Error> {
    let stat = rustix::fs::fstat(&file).map_err(|errno| Error::io("open", path)(errno.into()))?;
    match version::file_type(&stat) {
        FileType::RegularFile => Ok((File::from(file), stat)),
        FileType::Directory => Err(Error::NotAFile { path: path.to_owned() }),
        _ => Err(Error::NotARegularFile { path: path.to_owned() }),
    }
}
