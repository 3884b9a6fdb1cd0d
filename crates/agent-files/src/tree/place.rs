//! Where an operation acts: a name in a directory that stays open, whatever becomes of its path.

use std::{
    ffi::{CString, OsStr},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use agent_api::AbsolutePath;
use rustix::{
    fs::{AtFlags, Stat},
    io::Errno,
};

use super::{TreeError, parents};
use crate::{Error, resolve::resolve_parent, service::blocking, sys, version};

/// Device and inode: the same directory under every path, also through a bind mount.
pub(super) type FileId = (u64, u64);

pub(super) fn id(stat: &Stat) -> FileId {
    (stat.st_dev, stat.st_ino)
}

/// An entry, or room for one.
#[derive(Debug)]
pub(super) struct Place {
    /// The resolved path, for messages.
    pub(super) path: PathBuf,
    directory: OwnedFd,
    pub(super) name: CString,
}

impl Place {
    /// Opens the directory of an entry by the entry's resolved path.
    pub(super) fn open(resolved: PathBuf) -> Result<Self, TreeError> {
        let (parent, name) = split(&resolved)?;
        let directory = sys::open_directory(parent).map_err(TreeError::io("open", parent))?;
        Ok(Self { directory, name, path: resolved })
    }

    /// The same, and makes the directory and its parents where they are missing.
    pub(super) fn make(resolved: PathBuf, umask: u32) -> Result<Self, TreeError> {
        let (parent, name) = split(&resolved)?;
        let directory = parents::open_or_make(parent, umask)?;
        Ok(Self { directory, name, path: resolved })
    }

    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// The path of the directory, for messages.
    pub(super) fn directory_path(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    /// Looks at the entry itself, a link too.
    pub(super) fn stat(&self) -> Result<Stat, TreeError> {
        let stat = rustix::fs::statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        stat.map_err(TreeError::io("examine", &self.path))
    }

    /// The same; `None` when nothing is there.
    pub(super) fn look(&self) -> Result<Option<Stat>, TreeError> {
        match rustix::fs::statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(None),
            stat => stat.map(Some).map_err(TreeError::io("examine", &self.path)),
        }
    }

    /// Whether both are one name in one directory, by whatever paths it was reached.
    pub(super) fn is(&self, other: &Self) -> bool {
        let directories = (rustix::fs::fstat(&self.directory), rustix::fs::fstat(&other.directory));
        let is_one = matches!(&directories, (Ok(a), Ok(b)) if version::is_same_file(a, b));
        is_one && self.name == other.name
    }
}

fn split(resolved: &Path) -> Result<(&Path, CString), TreeError> {
    match (resolved.parent(), resolved.file_name()) {
        (Some(parent), Some(name)) => Ok((parent, c_name(name)?)),
        // The root is in no directory.
        _ => Err(TreeError::Protected { path: resolved.to_owned() }),
    }
}

pub(super) fn c_name(name: &OsStr) -> Result<CString, TreeError> {
    let refused = |_| TreeError::io("use", name)(io::Error::from(io::ErrorKind::InvalidInput));
    CString::new(name.as_bytes()).map_err(refused)
}

/// Resolves all of a request's path but its last component, which may be a link that is meant
/// itself.
pub(super) async fn resolve(path: AbsolutePath) -> Result<PathBuf, Error> {
    blocking(move || resolve_parent(path.as_path()).map_err(Error::io("resolve", path.as_path())))
        .await
}
