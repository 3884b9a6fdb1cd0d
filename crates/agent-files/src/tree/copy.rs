//! Copies a tree to another file system as it is: links as links, hard links among its entries as
//! hard links, holes as holes, with modes, times, owners and attributes.

use std::{
    collections::HashMap,
    ffi::{CStr, CString},
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, Stat},
    io::Errno,
};

use super::{
    TreeError, attributes,
    descent::{Descent, Left},
    place::{FileId, Place, id},
};
use crate::{sys, version};

/// Copies an entry and everything in it to a new name in another directory.
///
/// What was copied before a failure stays, for the caller to remove.
///
/// # Errors
///
/// [`TreeError::Changed`] when something in it is changed meanwhile, [`TreeError::MountPoint`],
/// [`TreeError::SpecialFile`], [`TreeError::Io`].
pub(super) fn copy(
    source: &Place,
    target_directory: BorrowedFd<'_>,
    target_path: &Path,
    name: &CStr,
) -> Result<(), TreeError> {
    let mut copy = Copy {
        from: Descent::new(source.directory(), source.directory_path()),
        to: Descent::new(target_directory, target_path),
        target_directory,
        linked: HashMap::new(),
    };
    if !copy.copy_entry(&source.name, name)? {
        copy.enter(source.name.clone(), name.to_owned())?;
    }
    while let Some(directory) = copy.from.state() {
        match directory.directories.pop() {
            Some(name) => copy.enter(name.clone(), name)?,
            None => copy.leave()?,
        }
    }
    Ok(())
}

struct Copy<'a> {
    from: Descent<'a, Directory>,
    to: Descent<'a, ()>,
    target_directory: BorrowedFd<'a>,
    /// Where the copies of files with several links are, by their names from the target's
    /// directory on.
    linked: HashMap<FileId, Vec<CString>>,
}

/// A directory whose copy is being filled.
struct Directory {
    stat: Stat,
    directories: Vec<CString>,
}

impl Copy<'_> {
    /// Makes the copy of a directory and fills it with everything but directories.
    fn enter(&mut self, name: CString, new_name: CString) -> Result<(), TreeError> {
        let directory = self.from.open(&name)?;
        let stat = rustix::fs::fstat(&directory);
        let stat = stat.map_err(|errno| self.io("examine", &name)(errno.into()))?;
        let made = make_directory(self.to.directory(), &new_name);
        let made = made.map_err(self.io("copy", &name))?;

        let mut names = Vec::new();
        let mut directories = Vec::new();
        let read = sys::read_entries(directory.as_fd(), |entry, file_type| {
            let list = if file_type == FileType::Directory { &mut directories } else { &mut names };
            list.push(entry.to_owned());
            Ok::<(), std::convert::Infallible>(())
        });
        let Ok(()) = read.map_err(self.io("read", &name))?;

        self.from.enter(name, directory, Directory { stat, directories })?;
        self.to.enter(new_name, made, ())?;
        for name in names {
            if !self.copy_entry(&name, &name)?
                && let Some(directory) = self.from.state()
            {
                directory.directories.push(name);
            }
        }
        Ok(())
    }

    /// Leaves a directory whose copy is complete and can have the original's mode and times.
    fn leave(&mut self) -> Result<(), TreeError> {
        let (from, to) = (self.from.leave()?, self.to.leave()?);
        if let (Some(Left { name, directory, state }), Some(copy)) = (from, to) {
            let now = rustix::fs::fstat(&directory);
            let now = now.map_err(|errno| self.io("examine", &name)(errno.into()))?;
            // What was added after the directory was read would be removed without a copy.
            if version::etag(&now) != version::etag(&state.stat) {
                return Err(self.changed(&name));
            }
            let kept = attributes::keep(directory.as_fd(), copy.directory.as_fd(), &state.stat);
            kept.map_err(self.io("copy the attributes of", &name))?;
        }
        Ok(())
    }

    /// Copies an entry of the current directory; `false` says that it is a directory.
    fn copy_entry(&mut self, name: &CStr, new_name: &CStr) -> Result<bool, TreeError> {
        let from = self.from.directory();
        let stat = match rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Err(self.changed(name)),
            stat => stat.map_err(|errno| self.io("examine", name)(errno.into()))?,
        };
        let file_type = version::file_type(&stat);
        if file_type == FileType::Directory {
            return Ok(false);
        }
        let is_linked = stat.st_nlink > 1;
        if is_linked && self.link(id(&stat), new_name).map_err(self.io("link", name))? {
            return Ok(true);
        }
        let to = self.to.directory();
        match file_type {
            FileType::RegularFile => {
                let copied = copy_file(from, name, to, new_name);
                if !copied.map_err(self.io("copy", name))? {
                    return Err(self.changed(name));
                }
            }
            FileType::Symlink => {
                copy_link(from, name, to, new_name, &stat).map_err(self.io("copy", name))?
            }
            _ => return Err(TreeError::SpecialFile { path: self.from.path_of(name) }),
        }
        if is_linked {
            let names = self.to.names().cloned().chain([new_name.to_owned()]);
            self.linked.insert(id(&stat), names.collect());
        }
        Ok(true)
    }

    /// Makes a hard link to the copy of a file that was copied under another name; `false` when
    /// there is none, or the file system makes no such link.
    fn link(&self, file: FileId, new_name: &CStr) -> io::Result<bool> {
        let Some((name, directories)) = self.linked.get(&file).and_then(|names| names.split_last())
        else {
            return Ok(false);
        };
        // Walked name by name, because the path may be longer than the system takes in one piece.
        let mut opened: Option<OwnedFd> = None;
        for directory in directories {
            let above = opened.as_ref().map_or(self.target_directory, AsFd::as_fd);
            opened = Some(open_directory(above, directory)?);
        }
        let above = opened.as_ref().map_or(self.target_directory, AsFd::as_fd);
        match rustix::fs::linkat(above, name, self.to.directory(), new_name, AtFlags::empty()) {
            Err(Errno::MLINK | Errno::PERM | Errno::OPNOTSUPP) => Ok(false),
            linked => Ok(linked.map(|()| true)?),
        }
    }

    fn changed(&self, name: &CStr) -> TreeError {
        TreeError::Changed { path: self.from.path_of(name) }
    }

    fn io(&self, action: &'static str, name: &CStr) -> impl FnOnce(io::Error) -> TreeError {
        move |error| TreeError::io(action, self.from.path_of(name))(error)
    }
}

/// Makes a directory that nobody else may use until it is complete.
fn make_directory(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    rustix::fs::mkdirat(parent, name, Mode::RWXU)?;
    open_directory(parent, name)
}

fn open_directory(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, name, flags, Mode::empty())?)
}

/// Copies a regular file; `false` when it was written to or replaced meanwhile.
fn copy_file(
    from: BorrowedFd<'_>,
    name: &CStr,
    to: BorrowedFd<'_>,
    new_name: &CStr,
) -> io::Result<bool> {
    let common = OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | common;
    let original = File::from(rustix::fs::openat(from, name, flags, Mode::empty())?);
    let before = rustix::fs::fstat(&original)?;
    if version::file_type(&before) != FileType::RegularFile {
        return Ok(false);
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | common;
    let mode = Mode::RUSR | Mode::WUSR;
    let copy = File::from(rustix::fs::openat(to, new_name, flags, mode)?);
    copy_content(&original, &copy, version::size(&before))?;
    let after = rustix::fs::fstat(&original)?;
    if version::etag(&before) != version::etag(&after) {
        return Ok(false);
    }
    attributes::keep(original.as_fd(), copy.as_fd(), &before)?;
    Ok(true)
}

/// Copies what is no hole; the rest becomes a hole.
fn copy_content(original: &File, copy: &File, size: u64) -> io::Result<()> {
    let (mut original, mut copy) = (original, copy);
    let mut offset = 0;
    while let Some(data) = sys::next_data(original.as_fd(), offset)? {
        original.seek(SeekFrom::Start(data.start))?;
        copy.seek(SeekFrom::Start(data.start))?;
        let wanted = data.end - data.start;
        let copied = io::copy(&mut original.take(wanted), &mut copy)?;
        offset = data.start + copied;
        if copied < wanted {
            break;
        }
    }
    copy.set_len(size)
}

fn copy_link(
    from: BorrowedFd<'_>,
    name: &CStr,
    to: BorrowedFd<'_>,
    new_name: &CStr,
    stat: &Stat,
) -> io::Result<()> {
    let text = rustix::fs::readlinkat(from, name, Vec::new())?;
    rustix::fs::symlinkat(&*text, to, new_name)?;
    attributes::keep_link(to, new_name, stat)
}
