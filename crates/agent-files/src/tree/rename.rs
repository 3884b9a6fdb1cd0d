//! One rename and what its failures mean.

use std::{
    ffi::CStr,
    os::fd::{AsFd, BorrowedFd},
    path::Path,
};

use rustix::{
    fs::{FileType, Stat},
    io::Errno,
};

use super::{TreeError, place::Place};
use crate::{sys, version};

/// What is renamed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) directory: BorrowedFd<'a>,
    pub(super) name: &'a CStr,
    /// For messages.
    pub(super) path: &'a Path,
}

/// How a rename ended, if it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renamed {
    Done,
    /// Nothing was done: the new place is on another file system or mount.
    OtherFileSystem,
}

/// Renames to a place, in one step: nothing there is replaced without `overwrite`, and with it
/// only what has the same kind, a directory only when it is empty.
pub(super) fn rename(
    source: Source<'_>,
    target: &Place,
    overwrite: bool,
) -> Result<Renamed, TreeError> {
    let (directory, name) = (target.directory(), target.name.as_c_str());
    let renamed = if overwrite {
        rustix::fs::renameat(source.directory, source.name, directory, name).map_err(Into::into)
    } else {
        sys::rename_without_replacing(source.directory, source.name, directory, name)
    };
    let Err(error) = renamed else { return Ok(Renamed::Done) };
    let (from, to) = (source.path.to_owned(), target.path.clone());
    match Errno::from_io_error(&error) {
        Some(Errno::XDEV) => Ok(Renamed::OtherFileSystem),
        Some(Errno::EXIST) if !overwrite => Err(TreeError::Exists { path: to }),
        Some(Errno::EXIST | Errno::NOTEMPTY) => Err(not_empty(target)),
        Some(Errno::ISDIR | Errno::NOTDIR) => Err(TreeError::Kinds { from, to }),
        Some(Errno::INVAL) => Err(TreeError::Inside { from, to }),
        _ => Err(TreeError::io("move", from)(error)),
    }
}

/// Checks what [`rename`] would check, for a move that must copy first.
pub(super) fn check_replaceable(
    source: &Place,
    source_stat: &Stat,
    target: &Place,
    target_stat: &Stat,
) -> Result<(), TreeError> {
    let is_dir = |stat| version::file_type(stat) == FileType::Directory;
    match (is_dir(source_stat), is_dir(target_stat)) {
        (false, false) => Ok(()),
        (true, true) => check_empty(target),
        _ => Err(TreeError::Kinds { from: source.path.clone(), to: target.path.clone() }),
    }
}

fn check_empty(target: &Place) -> Result<(), TreeError> {
    let directory = match sys::open_beneath_mount(target.directory(), &target.name) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::XDEV) => {
            return Err(TreeError::MountPoint { path: target.path.clone() });
        }
        opened => opened.map_err(TreeError::io("open", &target.path))?,
    };
    sys::read_entries(directory.as_fd(), |_, _| Err(not_empty(target)))
        .map_err(TreeError::io("read", &target.path))?
}

fn not_empty(target: &Place) -> TreeError {
    TreeError::io("replace", &target.path)(Errno::NOTEMPTY)
}
