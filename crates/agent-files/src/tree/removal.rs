//! Removes a tree: everything in a directory, then the directory; links are removed, not followed.

use std::{
    ffi::{CStr, CString, OsStr},
    io,
    os::{fd::BorrowedFd, unix::ffi::OsStrExt},
    path::Path,
};

use rustix::{
    fs::{AtFlags, FileType},
    io::Errno,
};

use super::{
    TreeError,
    descent::{Descent, Left},
};
use crate::sys;

/// How often a directory is emptied when somebody else keeps putting things into it.
const MAX_PASSES: u32 = 16;

/// Removing stopped at its first failure.
#[derive(Debug)]
pub(super) struct Stopped {
    /// Entries removed before.
    pub(super) removed: u64,
    pub(super) error: TreeError,
}

/// Removes a directory with everything in it; answers how many entries there were.
///
/// Stays on the directory's own mount. Entries that vanish meanwhile are not counted.
pub(super) fn remove_tree(
    parent: BorrowedFd<'_>,
    parent_path: &Path,
    name: &CStr,
) -> Result<u64, Stopped> {
    let mut removal = Removal { descent: Descent::new(parent, parent_path), removed: 0 };
    match removal.run(name) {
        Ok(()) => Ok(removal.removed),
        Err(error) => Err(Stopped { removed: removal.removed, error }),
    }
}

#[derive(Debug)]
struct Removal<'a> {
    descent: Descent<'a, Pending>,
    removed: u64,
}

/// What is left to do in a directory; anything but a directory is removed when it is read.
#[derive(Debug)]
struct Pending {
    directories: Vec<CString>,
    passes: u32,
}

impl Removal<'_> {
    fn run(&mut self, name: &CStr) -> Result<(), TreeError> {
        self.enter(name.to_owned(), 1)?;
        while let Some(pending) = self.descent.state() {
            match pending.directories.pop() {
                Some(name) => self.enter(name, 1)?,
                None => self.leave()?,
            }
        }
        Ok(())
    }

    fn enter(&mut self, name: CString, passes: u32) -> Result<(), TreeError> {
        let directory = match sys::open_beneath_mount(self.descent.directory(), &name) {
            Ok(directory) => directory,
            Err(error) => return self.remove_unopened(&name, error),
        };
        self.descent.enter(name, directory, Pending { directories: Vec::new(), passes })?;
        let (directories, removed, read) = remove_files(self.descent.directory());
        self.removed += removed;
        match read {
            Ok(()) => {}
            Err((Some(name), error)) => return Err(self.io("remove", &name)(error)),
            Err((None, error)) => return Err(TreeError::io("read", self.descent.path())(error)),
        }
        if let Some(pending) = self.descent.state() {
            pending.directories = directories;
        }
        Ok(())
    }

    /// Removes what cannot be opened as a directory.
    fn remove_unopened(&mut self, name: &CStr, error: io::Error) -> Result<(), TreeError> {
        let flags = match Errno::from_io_error(&error) {
            Some(Errno::NOENT) => return Ok(()),
            Some(Errno::XDEV) => {
                return Err(TreeError::MountPoint { path: self.descent.path_of(name) });
            }
            // Not a directory, or no longer: a link, for example, that took its place.
            Some(Errno::NOTDIR | Errno::LOOP) => AtFlags::empty(),
            // It may not be read, but it may be empty.
            _ => AtFlags::REMOVEDIR,
        };
        match rustix::fs::unlinkat(self.descent.directory(), name, flags) {
            Ok(()) => self.removed += 1,
            Err(Errno::NOENT) => {}
            Err(_) if flags == AtFlags::REMOVEDIR => return Err(self.io("open", name)(error)),
            Err(errno) => return Err(self.io("remove", name)(errno.into())),
        }
        Ok(())
    }

    /// Removes the current directory, which has been emptied, from the one above it.
    fn leave(&mut self) -> Result<(), TreeError> {
        let Some(Left { name, directory, state }) = self.descent.leave()? else { return Ok(()) };
        drop(directory);
        match rustix::fs::unlinkat(self.descent.directory(), &name, AtFlags::REMOVEDIR) {
            Ok(()) => self.removed += 1,
            Err(Errno::NOENT) => {}
            Err(Errno::NOTDIR) => return self.remove_unopened(&name, Errno::NOTDIR.into()),
            Err(Errno::NOTEMPTY | Errno::EXIST) if state.passes < MAX_PASSES => {
                return self.enter(name, state.passes + 1);
            }
            Err(errno) => return Err(self.io("remove", &name)(errno.into())),
        }
        Ok(())
    }

    fn io(&self, action: &'static str, name: &CStr) -> impl FnOnce(io::Error) -> TreeError {
        TreeError::io(action, self.descent.path_of(name))
    }
}

/// The entry that could not be removed, or `None` when the directory could not be read.
type Refusal = (Option<CString>, io::Error);

/// Removes everything in a directory but its directories, whose names it answers, with the count
/// of what it removed.
fn remove_files(directory: BorrowedFd<'_>) -> (Vec<CString>, u64, Result<(), Refusal>) {
    let (mut directories, mut removed) = (Vec::new(), 0);
    let read = sys::read_entries(directory, |name, file_type| {
        // An unknown type is tried as a directory first.
        if matches!(file_type, FileType::Directory | FileType::Unknown) {
            directories.push(name.to_owned());
            return Ok(());
        }
        match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) => removed += 1,
            Err(Errno::NOENT) => {}
            Err(Errno::ISDIR) => directories.push(name.to_owned()),
            Err(errno) => return Err((Some(name.to_owned()), errno.into())),
        }
        Ok(())
    });
    let read = read.unwrap_or_else(|error| Err((None, error)));
    (directories, removed, read)
}

/// Removes anything: a directory with everything in it, anything else alone.
pub(super) fn remove_any(
    parent: BorrowedFd<'_>,
    parent_path: &Path,
    name: &CStr,
    is_dir: bool,
) -> Result<u64, Stopped> {
    if is_dir {
        return remove_tree(parent, parent_path, name);
    }
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) => Ok(1),
        Err(errno) => {
            let path = parent_path.join(OsStr::from_bytes(name.to_bytes()));
            Err(Stopped { removed: 0, error: TreeError::io("remove", path)(errno) })
        }
    }
}
