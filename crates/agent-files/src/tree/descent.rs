//! A way down into a tree and back up, by open directories alone.
//!
//! ```text
//!  base ── a ── b ── c ── d ── e        the way down, one level a directory
//!         (closed)   └── open ──┘       at most MAX_OPEN of the deepest levels are open
//! ```
//!
//! There is no recursion, so depth costs neither stack nor descriptors. A level that was closed is
//! opened again through `..` of the level below it, and must then be the directory that it was.

use std::{
    collections::VecDeque,
    ffi::{CStr, CString, OsStr},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};

use super::{
    TreeError,
    place::{FileId, id},
};
use crate::sys;

/// Levels that stay open: trees are rarely deeper, and a few hundred operations at once stay far
/// from a process's limit of descriptors.
const MAX_OPEN: usize = 16;

/// Levels whose names are shown in a message; of a deeper path the middle is left out.
const MAX_SHOWN: usize = 64;

/// The directories from a base, which is not part of the way, to the current one.
#[derive(Debug)]
pub(super) struct Descent<'a, T> {
    base: BorrowedFd<'a>,
    base_path: &'a Path,
    levels: Vec<Level<T>>,
    /// The deepest levels, the current one last.
    open: VecDeque<OwnedFd>,
}

#[derive(Debug)]
struct Level<T> {
    name: CString,
    id: FileId,
    state: T,
}

/// A directory that was left.
#[derive(Debug)]
pub(super) struct Left<T> {
    /// Its name in what is the current directory now.
    pub(super) name: CString,
    pub(super) directory: OwnedFd,
    pub(super) state: T,
}

impl<'a, T> Descent<'a, T> {
    pub(super) fn new(base: BorrowedFd<'a>, base_path: &'a Path) -> Self {
        Self { base, base_path, levels: Vec::new(), open: VecDeque::new() }
    }

    /// The current directory; the base when no other was entered.
    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.open.back().map_or(self.base, AsFd::as_fd)
    }

    /// What belongs to the current directory; `None` at the base.
    pub(super) fn state(&mut self) -> Option<&mut T> {
        self.levels.last_mut().map(|level| &mut level.state)
    }

    /// The names of the directories entered, from the top.
    pub(super) fn names(&self) -> impl Iterator<Item = &CString> {
        self.levels.iter().map(|level| &level.name)
    }

    /// The path of the current directory, for messages.
    pub(super) fn path(&self) -> PathBuf {
        let mut path = self.base_path.to_owned();
        let left_out = self.levels.len().saturating_sub(MAX_SHOWN);
        for (at, name) in self.names().enumerate() {
            match at.checked_sub(MAX_SHOWN / 2) {
                Some(0) if left_out > 0 => path.push("..."),
                Some(beyond) if beyond < left_out => {}
                _ => path.push(OsStr::from_bytes(name.to_bytes())),
            }
        }
        path
    }

    /// The path of a name in the current directory, for messages.
    pub(super) fn path_of(&self, name: &CStr) -> PathBuf {
        self.path().join(OsStr::from_bytes(name.to_bytes()))
    }

    /// Opens a subdirectory of the current one for listing, on the same mount.
    ///
    /// # Errors
    ///
    /// [`TreeError::MountPoint`]; [`TreeError::Changed`] when it is no directory, because it was
    /// one a moment ago.
    pub(super) fn open(&self, name: &CStr) -> Result<OwnedFd, TreeError> {
        sys::open_beneath_mount(self.directory(), name).map_err(|error| {
            let path = self.path_of(name);
            match Errno::from_io_error(&error) {
                Some(Errno::XDEV) => TreeError::MountPoint { path },
                Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => TreeError::Changed { path },
                _ => TreeError::io("open", path)(error),
            }
        })
    }

    /// Makes an open subdirectory the current one.
    pub(super) fn enter(
        &mut self,
        name: CString,
        directory: OwnedFd,
        state: T,
    ) -> Result<(), TreeError> {
        let stat = rustix::fs::fstat(&directory);
        let stat = stat.map_err(|errno| TreeError::io("examine", self.path_of(&name))(errno))?;
        self.levels.push(Level { name, id: id(&stat), state });
        if self.open.len() == MAX_OPEN {
            self.open.pop_front();
        }
        self.open.push_back(directory);
        Ok(())
    }

    /// Goes back up; `None` at the base.
    ///
    /// # Errors
    ///
    /// [`TreeError::Changed`] when the directory was moved meanwhile.
    pub(super) fn leave(&mut self) -> Result<Option<Left<T>>, TreeError> {
        let Some(Level { name, state, .. }) = self.levels.pop() else { return Ok(None) };
        let directory = self.open.pop_back().expect("the current directory is always open");
        if let (Some(parent), true) = (self.levels.last(), self.open.is_empty()) {
            let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let reopened = rustix::fs::openat(&directory, c"..", flags, Mode::empty())
                .and_then(|fd| Ok((rustix::fs::fstat(&fd)?, fd)));
            match reopened {
                Ok((stat, fd)) if id(&stat) == parent.id => self.open.push_back(fd),
                Ok(_) => return Err(TreeError::Changed { path: self.path_of(&name) }),
                Err(errno) => return Err(TreeError::io("leave", self.path_of(&name))(errno)),
            }
        }
        Ok(Some(Left { name, directory, state }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(parent: BorrowedFd<'_>, name: &CStr) -> OwnedFd {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        rustix::fs::openat(parent, name, flags, Mode::empty()).unwrap()
    }

    /// Makes directories inside each other and enters them all.
    fn dive(descent: &mut Descent<'_, usize>, depth: usize) {
        for level in 0..depth {
            let name = CString::new(format!("d{level}")).unwrap();
            rustix::fs::mkdirat(descent.directory(), &name, Mode::RWXU).unwrap();
            let directory = open(descent.directory(), &name);
            descent.enter(name, directory, level).unwrap();
        }
    }

    #[test]
    fn every_level_is_found_again_on_the_way_up() {
        let temporary = tempfile::tempdir().unwrap();
        let base = std::fs::File::open(temporary.path()).unwrap();
        let mut descent = Descent::new(base.as_fd(), temporary.path());
        dive(&mut descent, 3 * MAX_OPEN);
        assert_eq!(descent.open.len(), MAX_OPEN);
        for level in (0..3 * MAX_OPEN).rev() {
            let left = descent.leave().unwrap().unwrap();
            assert_eq!(left.state, level);
            // The current directory holds the one that was left, and nothing else is needed.
            let again = open(descent.directory(), &left.name);
            let stats = [&again, &left.directory].map(|fd| rustix::fs::fstat(fd).unwrap());
            assert_eq!(id(&stats[0]), id(&stats[1]));
            assert_eq!(descent.state().copied(), level.checked_sub(1));
        }
        assert!(descent.leave().unwrap().is_none());
    }

    #[test]
    fn a_directory_moved_away_does_not_lead_elsewhere() {
        let temporary = tempfile::tempdir().unwrap();
        let base = std::fs::File::open(temporary.path()).unwrap();
        let mut descent = Descent::new(base.as_fd(), temporary.path());
        dive(&mut descent, MAX_OPEN + 2);
        // The second level is closed by now; its child goes to another place.
        rustix::fs::renameat(&base, c"d0/d1/d2", &base, c"away").unwrap();
        let mut left = 0;
        let refused = loop {
            match descent.leave() {
                Ok(_) => left += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, TreeError::Changed { .. }), "{refused}");
        assert_eq!(left, MAX_OPEN - 1);
    }

    #[test]
    fn the_middle_of_a_very_deep_path_is_left_out() {
        let temporary = tempfile::tempdir().unwrap();
        let base = std::fs::File::open(temporary.path()).unwrap();
        let mut descent = Descent::new(base.as_fd(), Path::new("/t"));
        dive(&mut descent, 2);
        assert_eq!(descent.path_of(c"f"), Path::new("/t/d0/d1/f"));
        dive(&mut descent, MAX_SHOWN);
        let path = descent.path_of(c"f");
        assert_eq!(path.components().count(), 2 + MAX_SHOWN + 2);
        assert!(path.starts_with("/t/d0/d1") && path.ends_with(format!("d{}/f", MAX_SHOWN - 1)));
    }
}
