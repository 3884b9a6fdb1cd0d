//! Looks through a tree before it is moved to another file system, so that what cannot be copied,
//! or not be removed afterwards, is refused while nothing has been done.

use std::{
    ffi::{CStr, CString},
    os::fd::{AsFd, BorrowedFd},
    path::PathBuf,
};

use rustix::fs::{Access, AtFlags, FileType, Stat};

use super::{
    TreeError,
    descent::Descent,
    place::{FileId, Place, id},
};
use crate::{sys, version};

/// Checks that an entry and everything in it can be copied and then removed.
///
/// # Errors
///
/// [`TreeError::SpecialFile`], [`TreeError::MountPoint`], [`TreeError::Inside`] when the new place
/// turns out to lie in the tree (it may be reached through another mount), [`TreeError::Io`].
pub(super) fn survey(source: &Place, stat: &Stat, target: &Place) -> Result<(), TreeError> {
    may_be_emptied(source.directory(), || source.directory_path().to_owned())?;
    let file_type = version::file_type(stat);
    if file_type != FileType::Directory {
        return check_kind(file_type, || source.path.clone());
    }
    let stat = rustix::fs::fstat(target.directory());
    let stat = stat.map_err(TreeError::io("examine", target.directory_path()))?;
    let descent = Descent::new(source.directory(), source.directory_path());
    let mut survey = Survey { descent, source, target, target_directory: id(&stat) };
    survey.enter(source.name.clone())?;
    while let Some(directories) = survey.descent.state() {
        match directories.pop() {
            Some(name) => survey.enter(name)?,
            None => drop(survey.descent.leave()?),
        }
    }
    Ok(())
}

struct Survey<'a> {
    /// With the subdirectories that are still to be looked at.
    descent: Descent<'a, Vec<CString>>,
    source: &'a Place,
    target: &'a Place,
    target_directory: FileId,
}

impl Survey<'_> {
    fn enter(&mut self, name: CString) -> Result<(), TreeError> {
        let directory = self.descent.open(&name)?;
        // Its copy is to have the time of the last access before this one.
        sys::keep_access_time(directory.as_fd());
        self.descent.enter(name, directory, Vec::new())?;
        let directory = self.descent.directory();
        let stat = rustix::fs::fstat(directory);
        let stat = stat.map_err(|errno| TreeError::io("examine", self.descent.path())(errno))?;
        if id(&stat) == self.target_directory {
            let (from, to) = (self.source.path.clone(), self.target.path.clone());
            return Err(TreeError::Inside { from, to });
        }
        let (mut directories, mut is_empty) = (Vec::new(), true);
        let read = sys::read_entries(directory, |name, listed| {
            is_empty = false;
            match self.known(name, listed)? {
                FileType::Directory => directories.push(name.to_owned()),
                other => check_kind(other, || self.descent.path_of(name))?,
            }
            Ok(())
        });
        read.map_err(|error| TreeError::io("read", self.descent.path())(error))??;
        if !is_empty {
            may_be_emptied(directory, || self.descent.path())?;
        }
        if let Some(pending) = self.descent.state() {
            *pending = directories;
        }
        Ok(())
    }

    fn known(&self, name: &CStr, listed: FileType) -> Result<FileType, TreeError> {
        if listed != FileType::Unknown {
            return Ok(listed);
        }
        let stat = rustix::fs::statat(self.descent.directory(), name, AtFlags::SYMLINK_NOFOLLOW);
        let stat = stat.map_err(|e| TreeError::io("examine", self.descent.path_of(name))(e))?;
        Ok(version::file_type(&stat))
    }
}

fn check_kind(file_type: FileType, path: impl FnOnce() -> PathBuf) -> Result<(), TreeError> {
    match file_type {
        FileType::RegularFile | FileType::Directory | FileType::Symlink => Ok(()),
        _ => Err(TreeError::SpecialFile { path: path() }),
    }
}

/// Checks that entries may be removed from a directory; a sticky bit is not looked at.
fn may_be_emptied(
    directory: BorrowedFd<'_>,
    path: impl FnOnce() -> PathBuf,
) -> Result<(), TreeError> {
    let access = Access::WRITE_OK | Access::EXEC_OK;
    rustix::fs::accessat(directory.as_fd(), c".", access, AtFlags::EACCESS)
        .map_err(|errno| TreeError::io("remove from", path())(errno))
}
