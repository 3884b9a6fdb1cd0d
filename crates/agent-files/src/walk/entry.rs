//! An entry of a walk: where it is, what it is, and how it is opened.

use std::{os::fd::OwnedFd, sync::Arc};

use agent_api::{AbsolutePath, EntryKind};
use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    io::Errno,
};

use super::{position::Resume, roots::Root};

/// An entry that takes part.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Where it is.
    pub(crate) place: Place,
    /// What it is.
    pub(crate) kind: EntryKind,
    /// Where to go on in it, when the walk begins in its middle.
    pub(crate) resume: Option<Resume>,
}

/// Where an entry is.
#[derive(Debug)]
pub(crate) enum Place {
    /// It is a root itself.
    Root(Arc<Root>),
    /// It lies in a directory.
    Below(Arc<Directory>, Box<[u8]>),
}

/// An open directory of a walk.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(super) root: Arc<Root>,
    /// Path below the root; empty for the root itself.
    pub(super) path: Vec<u8>,
    pub(super) handle: OwnedFd,
}

impl Place {
    /// The root it belongs to.
    pub(crate) fn root(&self) -> &Arc<Root> {
        match self {
            Self::Root(root) => root,
            Self::Below(directory, _) => &directory.root,
        }
    }

    /// Its path below its root; empty for the root itself.
    pub(crate) fn path(&self) -> Vec<u8> {
        match self {
            Self::Root(_) => Vec::new(),
            Self::Below(directory, name) => directory.path_of(name),
        }
    }

    /// Its path as it is shown to clients, invalid UTF-8 replaced.
    pub(crate) fn shown(&self) -> String {
        shown(&self.root().path, &self.path())
    }

    /// Opens it for reading without waiting for anybody.
    ///
    /// # Errors
    ///
    /// That of the system; `None` when the entry is gone or has become a link.
    pub(crate) fn open(&self) -> Result<Option<OwnedFd>, Errno> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = match self {
            Self::Root(root) => openat(CWD, root.path.as_path(), flags, Mode::empty()),
            Self::Below(directory, name) => {
                openat(&directory.handle, &**name, flags | OFlags::NOFOLLOW, Mode::empty())
            }
        };
        match opened {
            Ok(handle) => Ok(Some(handle)),
            Err(Errno::NOENT | Errno::LOOP) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Directory {
    /// The path below the root of an entry in it.
    pub(super) fn path_of(&self, name: &[u8]) -> Vec<u8> {
        match &*self.path {
            [] => name.to_vec(),
            path => [path, b"/", name].concat(),
        }
    }
}

/// A path below a root as it is shown to clients, invalid UTF-8 replaced.
pub(crate) fn shown(root: &AbsolutePath, path: &[u8]) -> String {
    let base = root.as_str();
    match (path, base) {
        ([], _) => base.to_owned(),
        (_, "/") => format!("/{}", String::from_utf8_lossy(path)),
        _ => format!("{base}/{}", String::from_utf8_lossy(path)),
    }
}
