//! The names in an open directory, as they come from the system.

use std::{ffi::CStr, io, os::fd::BorrowedFd};

use rustix::fs::FileType;

/// What an entry of a directory is, as far as a scan cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File,
    Link,
    /// A socket, a pipe, a device.
    Other,
    /// The file system does not say; a stat does.
    Unknown,
}

impl From<FileType> for Kind {
    fn from(sort: FileType) -> Self {
        match sort {
            FileType::Directory => Self::Directory,
            FileType::RegularFile => Self::File,
            FileType::Symlink => Self::Link,
            FileType::Unknown => Self::Unknown,
            _ => Self::Other,
        }
    }
}

/// Space to list directories in, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Lister {
    #[cfg(target_os = "linux")]
    space: Vec<u8>,
}

impl Lister {
    pub(crate) fn new() -> Self {
        Self {
            // A few hundred names a system call; one of them takes at most 280 bytes.
            #[cfg(target_os = "linux")]
            space: Vec::with_capacity(32 * 1024),
        }
    }

    /// Calls `each` with every entry but `.` and `..`, in no order, until it says `false`.
    ///
    /// # Errors
    ///
    /// That of the system call; entries may have been told before.
    #[cfg(target_os = "linux")]
    pub(crate) fn list(
        &mut self,
        directory: BorrowedFd<'_>,
        mut each: impl FnMut(&CStr, Kind) -> bool,
    ) -> io::Result<()> {
        let mut entries = rustix::fs::RawDir::new(directory, self.space.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if !is_dots(name) && !each(name, entry.file_type().into()) {
                break;
            }
        }
        Ok(())
    }

    /// Calls `each` with every entry but `.` and `..`, in no order, until it says `false`.
    ///
    /// # Errors
    ///
    /// That of the system call; entries may have been told before.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn list(
        &mut self,
        directory: BorrowedFd<'_>,
        mut each: impl FnMut(&CStr, Kind) -> bool,
    ) -> io::Result<()> {
        for entry in rustix::fs::Dir::read_from(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if !is_dots(name) && !each(name, entry.file_type().into()) {
                break;
            }
        }
        Ok(())
    }
}

fn is_dots(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}
