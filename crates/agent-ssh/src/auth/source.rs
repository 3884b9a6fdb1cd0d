//! Key files as the file system holds them, and whether their place is safe.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open, openat};

/// Largest file of keys in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Why a file of keys counts as empty.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    #[error("cannot read `{}`", .0.display())]
    Read(PathBuf, #[source] io::Error),
    #[error("`{}` belongs to another account", .0.display())]
    Owner(PathBuf),
    #[error("`{}` can be written by others", .0.display())]
    Writable(PathBuf),
    #[error("`{}` is not a regular file", .0.display())]
    Kind(PathBuf),
    #[error("`{}` is larger than 1 MiB", .0.display())]
    TooLarge(PathBuf),
}

/// Reads a file that only `account` and root can change; `None` when there is none. Blocks.
///
/// The file itself, the directory it is in and, when its path ends in a symbolic link, the link
/// and its directory are checked. What is checked is what is read: the file is opened by its
/// name in the directory that was checked, and its owner and mode are those of the open file.
pub(super) fn read_safe(path: &Path, account: u32) -> Result<Option<Vec<u8>>, SourceError> {
    let failed = |error| SourceError::Read(path.into(), error);
    let target = match fs::canonicalize(path) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    safe_directory(parent(path), account)?;
    // In a sticky directory anybody may put a link, but not in somebody else's name.
    let link = fs::symlink_metadata(path).map_err(failed)?;
    if link.uid() != 0 && link.uid() != account {
        return Err(SourceError::Owner(path.into()));
    }
    let directory = safe_directory(parent(&target), account)?;
    let name = target.file_name().ok_or_else(|| SourceError::Kind(path.into()))?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(&directory, name, flags | OFlags::NOCTTY, Mode::empty())
        .map_err(|error| failed(error.into()))?;
    let stat = fstat(&file).map_err(|error| failed(error.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(SourceError::Kind(path.into()));
    }
    safe(&stat, path, account, false)?;
    contents(file, path).map(Some)
}

/// Reads a file whose safety is the business of whoever named it. Blocks.
pub(super) fn read_trusted(path: &Path) -> Result<Vec<u8>, SourceError> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = open(path, flags, Mode::empty())
        .map_err(|error| SourceError::Read(path.into(), error.into()))?;
    contents(file, path)
}

fn contents(file: OwnedFd, path: &Path) -> Result<Vec<u8>, SourceError> {
    let mut text = Vec::new();
    File::from(file)
        .take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(|error| SourceError::Read(path.into(), error))?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(SourceError::TooLarge(path.into()));
    }
    Ok(text)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

fn safe_directory(path: &Path, account: u32) -> Result<OwnedFd, SourceError> {
    let failed = |error: rustix::io::Errno| SourceError::Read(path.into(), error.into());
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = open(path, flags, Mode::empty()).map_err(failed)?;
    let stat = fstat(directory.as_fd()).map_err(failed)?;
    safe(&stat, path, account, true)?;
    Ok(directory)
}

fn safe(stat: &Stat, path: &Path, account: u32, is_directory: bool) -> Result<(), SourceError> {
    if stat.st_uid != 0 && stat.st_uid != account {
        return Err(SourceError::Owner(path.into()));
    }
    // Others may add to a sticky directory, but not put their file in the place of another's.
    let sticky = is_directory && Mode::from_raw_mode(stat.st_mode).contains(Mode::SVTX);
    if stat.st_mode & 0o022 != 0 && !sticky {
        return Err(SourceError::Writable(path.into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
