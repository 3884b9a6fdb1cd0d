//! The top directory of a work tree, held open, and what is below it.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, OFlags},
    io::Errno,
};

use crate::model::{Mode, Stat};

/// Paths are given to the system in pieces shorter than its limit of 4096 bytes.
const PIECE: usize = 4000;

/// To open a directory only to go through it, which needs no right to read it.
#[cfg(target_os = "linux")]
pub(crate) const PASS: OFlags = OFlags::PATH;
/// To open a directory only to go through it.
#[cfg(not(target_os = "linux"))]
pub(crate) const PASS: OFlags = OFlags::empty();

/// The work tree's top directory, held open.
///
/// Everything is opened below it without following any link, in no component of a path: a link
/// that is put in place of a directory leads nowhere. Paths are relative, without `.` and `..`.
#[derive(Debug)]
pub(crate) struct Root {
    directory: OwnedFd,
    path: PathBuf,
}

/// Contents of a file, or the target of a link, and the stat of what was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) bytes: Vec<u8>,
    pub(crate) stat: Stat,
}

impl Root {
    /// Opens a directory; links in `path` itself are followed.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(CWD, path, flags, rustix::fs::Mode::empty())?;
        Ok(Self { directory, path: path.to_owned() })
    }

    /// The path of something below.
    pub(crate) fn join(&self, path: &[u8]) -> PathBuf {
        self.path.join(OsStr::from_bytes(path))
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Stat of what is at a path, a link's own; `None` when nothing is there, when what should be a
    /// directory above it is a link or a file, or when it has `.` or `..`.
    pub(crate) fn stat(&self, path: &[u8]) -> io::Result<Option<Stat>> {
        self.in_parent(path, |parent, name| {
            let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            Ok(Some(Stat::of(&stat)))
        })
    }

    /// Opens a regular file to read; `None` when none is there. Never waits for a pipe's writer.
    pub(crate) fn open_file(&self, path: &[u8]) -> io::Result<Option<File>> {
        self.in_parent(path, |parent, name| {
            // Opening a device may do something, so its kind is looked at first.
            let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if !Stat::of(&stat).is_regular() {
                return Ok(None);
            }
            let file = open_below(parent, name, OFlags::NONBLOCK)?;
            let stat = rustix::fs::fstat(&file)?;
            Ok(Stat::of(&stat).is_regular().then(|| File::from(file)))
        })
    }

    /// The contents of a regular file, or for [`Mode::Link`] the target of a link; `None` when
    /// there is no such thing, and always for [`Mode::Submodule`].
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::FileTooLarge`] when there are more than `max` bytes.
    pub(crate) fn read(&self, path: &[u8], mode: Mode, max: u64) -> io::Result<Option<Contents>> {
        match mode {
            Mode::File | Mode::Executable => self.read_file(path, max),
            Mode::Link => self.read_link(path),
            Mode::Submodule => Ok(None),
        }
    }

    fn read_file(&self, path: &[u8], max: u64) -> io::Result<Option<Contents>> {
        let Some(file) = self.open_file(path)? else {
            return Ok(None);
        };
        let stat = Stat::of(&rustix::fs::fstat(&file)?);
        if stat.size > max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut bytes = Vec::with_capacity(stat.size as usize + 1);
        // It may grow while it is read.
        file.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(Some(Contents { bytes, stat }))
    }

    fn read_link(&self, path: &[u8]) -> io::Result<Option<Contents>> {
        self.in_parent(path, |parent, name| {
            let stat = Stat::of(&rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?);
            match rustix::fs::readlinkat(parent, name, Vec::new()) {
                Ok(target) => Ok(Some(Contents { bytes: target.into_bytes(), stat })),
                Err(Errno::INVAL) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    /// Opens a directory below to list it; `b""` is the root itself.
    ///
    /// # Errors
    ///
    /// `NOENT`, `NOTDIR` or `LOOP` when no directory is there.
    pub(crate) fn open_directory(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::DIRECTORY;
        if path.is_empty() {
            return open_below(self.as_fd(), OsStr::new("."), flags);
        }
        let mut rest = path;
        let mut at: Option<OwnedFd> = None;
        loop {
            let piece = match rest.get(..PIECE) {
                Some(head) => match memchr::memrchr(b'/', head) {
                    Some(slash) => &rest[..slash],
                    None => return Err(Errno::NAMETOOLONG),
                },
                None => rest,
            };
            let parent = at.as_ref().map_or(self.as_fd(), |directory| directory.as_fd());
            let is_last = piece.len() == rest.len();
            let how = if is_last { flags } else { PASS | OFlags::DIRECTORY };
            let directory = resolve(parent, OsStr::from_bytes(piece), how)?;
            if is_last {
                return Ok(directory);
            }
            rest = &rest[piece.len() + 1..];
            at = Some(directory);
        }
    }

    /// Does something in the parent directory of a path; nothing is at one that leads elsewhere.
    fn in_parent<T>(
        &self,
        path: &[u8],
        act: impl FnOnce(BorrowedFd<'_>, &OsStr) -> Result<Option<T>, Errno>,
    ) -> io::Result<Option<T>> {
        let is_name = |part: &[u8]| !matches!(part, b"" | b"." | b"..");
        if !path.split(|byte| *byte == b'/').all(is_name) {
            return Ok(None);
        }
        let result = match memchr::memrchr(b'/', path) {
            None => act(self.as_fd(), OsStr::from_bytes(path)),
            Some(slash) => self
                .open_directory(&path[..slash], PASS)
                .and_then(|parent| act(parent.as_fd(), OsStr::from_bytes(&path[slash + 1..]))),
        };
        match result {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            result => Ok(result?),
        }
    }
}

/// Opens one name in a directory to read, unless it is a link.
pub(crate) fn open_below(
    parent: BorrowedFd<'_>,
    name: impl rustix::path::Arg,
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, rustix::fs::Mode::empty())
}

/// Opens a path of several components of which none is a link.
#[cfg(target_os = "linux")]
fn resolve(parent: BorrowedFd<'_>, path: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    use rustix::fs::ResolveFlags;
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC;
    loop {
        match rustix::fs::openat2(parent, path, flags, rustix::fs::Mode::empty(), how) {
            // A rename elsewhere kept the kernel from being sure.
            Err(Errno::AGAIN) => {}
            // A kernel before 5.6, or a sandbox that does not know the call.
            Err(Errno::NOSYS | Errno::PERM) => return resolve_stepwise(parent, path, flags),
            result => return result,
        }
    }
}

/// Opens a path of several components of which none is a link.
#[cfg(not(target_os = "linux"))]
fn resolve(parent: BorrowedFd<'_>, path: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    resolve_stepwise(parent, path, flags)
}

fn resolve_stepwise(parent: BorrowedFd<'_>, path: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let (above, name) = match memchr::memrchr(b'/', path.as_bytes()) {
        Some(slash) => (&path.as_bytes()[..slash], &path.as_bytes()[slash + 1..]),
        None => return open_below(parent, path, flags),
    };
    let mut at: Option<OwnedFd> = None;
    for component in above.split(|byte| *byte == b'/') {
        let parent = at.as_ref().map_or(parent, |directory| directory.as_fd());
        at = Some(open_below(parent, component, PASS | OFlags::DIRECTORY)?);
    }
    let parent = at.as_ref().map_or(parent, |directory| directory.as_fd());
    open_below(parent, name, flags)
}
