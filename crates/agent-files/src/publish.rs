//! New contents for files: written beside the target, given its attributes, and renamed over it, or
//! copied into it where a rename would break something.
//!
//! ```text
//!            Target::find           Staged::create          fill, like, publish
//!  path ───────────────▶ target ───────────────▶ staged ───────────────────────▶ published
//!                           │                       │ dropped: temporary removed
//!                           └── in place ──▶ overwrite
//! ```

use std::{
    ffi::{CString, OsStr},
    fs::File,
    io::{self, Write as _},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{
            ffi::OsStrExt,
            fs::{FileExt, MetadataExt},
        },
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use agent_api::ETag;
use rustix::{
    fs::{Access, AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid},
    io::Errno,
};

use crate::{Error, resolve::resolve, sys, temporary, version};

const COPY_BYTES: usize = 1024 * 1024;

/// A place in a directory that holds a regular file, or nothing yet.
#[derive(Debug)]
pub(crate) struct Target {
    /// The resolved path, for messages and locks.
    pub(crate) path: PathBuf,
    directory: OwnedFd,
    name: CString,
    /// The file there; `None` when there is none.
    pub(crate) present: Option<Stat>,
}

/// How a new content gets into the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A rename over the name; readers see old or new.
    Replace,
    /// The file's own bytes are overwritten.
    InPlace,
}

impl Target {
    /// Resolves a path and looks at what is there.
    ///
    /// With `create_parents`, missing directories are made with mode 0755 less the mask.
    ///
    /// # Errors
    ///
    /// [`Error::IsADirectory`], [`Error::NotARegularFile`], and [`Error::Io`] when the path cannot
    /// be resolved, a parent cannot be made, or an existing file may not be written.
    pub(crate) fn find(path: &Path, create_parents: bool) -> Result<Self, Error> {
        let resolved = resolve(path).map_err(Error::io("resolve", path))?;
        let (Some(parent), Some(name)) = (resolved.parent(), resolved.file_name()) else {
            return Err(Error::IsADirectory { path: resolved });
        };
        if create_parents {
            make_parents(parent)?;
        }
        let directory = sys::open_directory(parent).map_err(Error::io("open", parent))?;
        let name = c_name(name).map_err(Error::io("open", &resolved))?;
        let mut target = Self { path: resolved, directory, name, present: None };
        target.look()?;
        Ok(target)
    }

    /// Looks again at what is there.
    ///
    /// # Errors
    ///
    /// As [`Target::find`].
    pub(crate) fn look(&mut self) -> Result<(), Error> {
        let stat = rustix::fs::statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        let stat = match stat {
            Ok(stat) => stat,
            Err(Errno::NOENT) => {
                self.present = None;
                return Ok(());
            }
            Err(errno) => return Err(self.io("examine")(errno.into())),
        };
        match version::file_type(&stat) {
            FileType::RegularFile => {}
            FileType::Directory => return Err(Error::IsADirectory { path: self.path.clone() }),
            // Also a link: the path was resolved, so it has appeared since.
            _ => return Err(Error::NotARegularFile { path: self.path.clone() }),
        }
        let may_write =
            rustix::fs::accessat(&self.directory, &self.name, Access::WRITE_OK, AtFlags::EACCESS);
        may_write.map_err(|errno| self.io("write")(errno.into()))?;
        self.present = Some(stat);
        Ok(())
    }

    /// Whether the same directory holds both, under whatever path it is reached now.
    pub(crate) fn shares_directory(&self, other: &Self) -> bool {
        let stats = (rustix::fs::fstat(&self.directory), rustix::fs::fstat(&other.directory));
        matches!(stats, (Ok(a), Ok(b)) if version::is_same_file(&a, &b))
    }

    fn io(&self, action: &'static str) -> impl FnOnce(io::Error) -> Error {
        Error::io(action, &self.path)
    }

    /// The version that is there; `None` when there is no file.
    pub(crate) fn etag(&self) -> Option<ETag> {
        self.present.as_ref().map(version::etag)
    }

    /// Opens the file that is there for reading.
    pub(crate) fn open(&self) -> Result<(File, Stat), Error> {
        let file = self.open_as(OFlags::RDONLY).map_err(self.io("open"))?;
        let stat = rustix::fs::fstat(&file).map_err(|e| self.io("open")(e.into()))?;
        if version::file_type(&stat) != FileType::RegularFile {
            return Err(Error::NotARegularFile { path: self.path.clone() });
        }
        Ok((file, stat))
    }

    fn open_as(&self, access: OFlags) -> io::Result<File> {
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.directory, &self.name, flags, Mode::empty())?;
        Ok(File::from(fd))
    }

    /// How a new content must get there, as far as looking tells.
    pub(crate) fn way(&self) -> Way {
        match &self.present {
            Some(stat) if stat.st_nlink > 1 => Way::InPlace,
            // A file of /proc yields bytes without having a size; a rename there would fail, and
            // a temporary file cannot be made.
            Some(stat) if stat.st_size == 0 && self.yields_bytes() => Way::InPlace,
            _ => Way::Replace,
        }
    }

    fn yields_bytes(&self) -> bool {
        let Ok(file) = self.open_as(OFlags::RDONLY) else { return false };
        file.read_at(&mut [0], 0).is_ok_and(|count| count > 0)
    }

    /// Makes a temporary file beside the target.
    pub(crate) fn stage(self: &Arc<Self>) -> io::Result<Staged> {
        let (file, name) = temporary::make(&self.directory)?;
        Ok(Staged { target: Arc::clone(self), name: Some(name), file: Arc::new(file) })
    }

    /// Makes a second name for the file that is there, to come back to; its bytes are copied where
    /// a link cannot be made.
    pub(crate) fn keep(self: &Arc<Self>) -> io::Result<Kept> {
        if !self.may_take_names_away() {
            return self.keep_copy();
        }
        loop {
            let name = temporary::name();
            let linked = rustix::fs::linkat(
                &self.directory,
                &self.name,
                &self.directory,
                &name,
                AtFlags::empty(),
            );
            match linked {
                Err(Errno::EXIST) => {}
                Ok(()) => return Ok(Kept { target: Arc::clone(self), name: Some(name) }),
                // Across the edge of a mount, as from a file that is one, nothing can be linked.
                Err(Errno::PERM | Errno::OPNOTSUPP | Errno::MLINK | Errno::XDEV) => {
                    return self.keep_copy();
                }
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Whether a second name of the file could be removed again, as far as looking tells.
    ///
    /// In a sticky directory that takes the owner of the file or of the directory, and privileges
    /// (unlink(2)), while everybody may make the name.
    fn may_take_names_away(&self) -> bool {
        let Ok(directory) = rustix::fs::fstat(&self.directory) else { return false };
        let is_sticky = Mode::from_raw_mode(directory.st_mode).contains(Mode::SVTX);
        let me = rustix::process::geteuid().as_raw();
        let is_mine = |stat: &Stat| stat.st_uid == me;
        !is_sticky || me == 0 || is_mine(&directory) || self.present.as_ref().is_some_and(is_mine)
    }

    fn keep_copy(self: &Arc<Self>) -> io::Result<Kept> {
        let original = self.open_as(OFlags::RDONLY)?;
        let mut copy = self.stage()?;
        let stat = rustix::fs::fstat(&original)?;
        io::copy(&mut &original, &mut &*copy.file)?;
        copy.make_like(&original, &stat);
        Ok(Kept { target: Arc::clone(self), name: copy.name.take() })
    }

    /// Overwrites the file that is there with the content of another and cuts it to its length.
    ///
    /// # Errors
    ///
    /// [`Error::Precondition`] when it is no longer the file that was looked at,
    /// [`Error::Incomplete`] once its bytes are touched, [`Error::Io`] before.
    pub(crate) fn overwrite(&self, content: &File, sync: bool) -> Result<Stat, Error> {
        let file = self.open_as(OFlags::WRONLY).map_err(self.io("write"))?;
        let before = rustix::fs::fstat(&file).map_err(|e| self.io("write")(e.into()))?;
        let is_expected =
            self.present.as_ref().is_some_and(|present| version::is_same_file(present, &before));
        if !is_expected {
            let reason = "it was replaced meanwhile";
            return Err(Error::Precondition { path: self.path.clone(), reason });
        }
        let length = content.metadata().map_err(self.io("write"))?.size();
        let grows_by = length.saturating_sub(version::size(&before));
        sys::reserve(file.as_fd(), version::size(&before), grows_by).map_err(self.io("write"))?;
        let incomplete = |source| Error::Incomplete { path: self.path.clone(), source };
        copy_over(content, &file, length).map_err(incomplete)?;
        if before.st_size > 0 || length > 0 {
            cut(&file, length, &before).map_err(incomplete)?;
        }
        if sync {
            file.sync_all().map_err(incomplete)?;
        }
        advance_time(&file).map_err(incomplete)?;
        rustix::fs::fstat(&file).map_err(|errno| incomplete(errno.into()))
    }

    /// Writes bytes over the file that is there; for putting an original back.
    pub(crate) fn rewrite(&self, content: &[u8]) -> io::Result<()> {
        let file = self.open_as(OFlags::WRONLY)?;
        let stat = rustix::fs::fstat(&file)?;
        if !self.present.as_ref().is_some_and(|present| version::is_same_file(present, &stat)) {
            return Err(io::Error::other("it was replaced meanwhile"));
        }
        file.write_all_at(content, 0)?;
        file.set_len(content.len() as u64)
    }
}

/// Copies to the start of a file that was just opened; by plain writes, because some files of
/// `/proc` take no others.
pub(crate) fn copy_over(content: &File, mut file: &File, length: u64) -> io::Result<()> {
    let mut buffer = vec![0_u8; COPY_BYTES];
    let mut offset = 0;
    while offset < length {
        let count = content.read_at(&mut buffer, offset)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.write_all(&buffer[..count])?;
        offset += count as u64;
    }
    Ok(())
}

/// Cuts a file to its new length; a pseudo file has none to cut.
fn cut(file: &File, length: u64, before: &Stat) -> io::Result<()> {
    match file.set_len(length) {
        Err(_) if before.st_size == 0 => Ok(()),
        done => done,
    }
}

/// A temporary file beside its target; removed when dropped unpublished.
#[derive(Debug)]
pub(crate) struct Staged {
    target: Arc<Target>,
    name: Option<CString>,
    pub(crate) file: Arc<File>,
}

impl Staged {
    /// Gives the temporary file the mode, owner, group and attributes of another, as far as
    /// permitted.
    pub(crate) fn make_like(&self, original: &File, stat: &Stat) {
        let mode = self.take_owner(stat);
        sys::copy_attributes(original.as_fd(), self.file.as_fd());
        // After the attributes: an access control list changes the mode's group bits.
        let _ = rustix::fs::fchmod(&self.file, mode);
    }

    /// The same for a file that may not be read: mode, owner and group alone.
    pub(crate) fn make_like_stat(&self, stat: &Stat) {
        let mode = self.take_owner(stat);
        let _ = rustix::fs::fchmod(&self.file, mode);
    }

    /// Takes over owner and group as far as permitted; answers the mode to set.
    fn take_owner(&self, stat: &Stat) -> Mode {
        let owner = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        let mut mode = Mode::from_raw_mode(stat.st_mode) & Mode::from_raw_mode(0o7777);
        let is_kept = rustix::fs::fchown(&self.file, Some(owner.0), Some(owner.1)).is_ok();
        if !is_kept {
            // Another owner must not get a program that runs as that owner. The group alone may
            // still be one of ours.
            mode -= Mode::SUID | Mode::SGID;
            let _ = rustix::fs::fchown(&self.file, None, Some(owner.1));
        }
        mode
    }

    /// Sets the mode of a new file.
    pub(crate) fn set_mode(&self, mode: u32) -> io::Result<()> {
        Ok(rustix::fs::fchmod(&self.file, Mode::from_raw_mode(mode))?)
    }

    /// Renames the temporary file over its target; `EBUSY` and `EXDEV` leave it as it is.
    ///
    /// With `sync`, waits until content and name are on the disk.
    pub(crate) fn publish(&mut self, sync: bool) -> io::Result<Stat> {
        let name = self.name.as_ref().expect("published once");
        advance_time(&self.file)?;
        if sync {
            self.file.sync_all()?;
        }
        let directory = &self.target.directory;
        rustix::fs::renameat(directory, name, directory, &self.target.name)?;
        self.name = None;
        if sync {
            sync_directory(directory)?;
        }
        Ok(rustix::fs::fstat(&self.file)?)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            let _ = rustix::fs::unlinkat(&self.target.directory, &name, AtFlags::empty());
        }
    }
}

/// The original of a file that is being replaced; forgotten when dropped.
#[derive(Debug)]
pub(crate) struct Kept {
    target: Arc<Target>,
    name: Option<CString>,
}

impl Kept {
    /// Puts the original back.
    pub(crate) fn restore(mut self) -> io::Result<()> {
        let name = self.name.take().expect("restored once");
        let directory = &self.target.directory;
        Ok(rustix::fs::renameat(directory, &name, directory, &self.target.name)?)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            let _ = rustix::fs::unlinkat(&self.target.directory, &name, AtFlags::empty());
        }
    }
}

/// Whether a directory takes no temporary file, so that a file there can only be written in place.
///
/// The directories of `/proc` say of every new name that it does not exist.
pub(crate) fn takes_no_files(error: &io::Error) -> bool {
    use io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | NotFound)
}

fn make_parents(parent: &Path) -> Result<(), Error> {
    let mut missing = Vec::new();
    for directory in parent.ancestors() {
        match rustix::fs::stat(directory) {
            Ok(stat) if version::file_type(&stat) == FileType::Directory => break,
            Ok(_) => {
                let errno = Errno::NOTDIR;
                return Err(Error::io("create a file below", directory)(errno.into()));
            }
            Err(Errno::NOENT) => missing.push(directory),
            Err(errno) => return Err(Error::io("examine", directory)(errno.into())),
        }
    }
    for directory in missing.into_iter().rev() {
        match rustix::fs::mkdir(directory, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(Error::io("create directory", directory)(errno.into())),
        }
    }
    Ok(())
}

fn c_name(name: &OsStr) -> io::Result<CString> {
    CString::new(name.as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

fn sync_directory(directory: &OwnedFd) -> io::Result<()> {
    match rustix::fs::fsync(directory) {
        // Opened by path alone, because it may not be read: the file system cannot be asked.
        Err(Errno::BADF) => Ok(()),
        done => Ok(done?),
    }
}

/// Moves a file's modification time past that of every file changed by this process before.
///
/// The clock of a file system stands still for milliseconds: two contents of one size written in
/// one tick would have one version, or a version would come back when its inode does. A time in
/// the future that somebody set is not chased. A file of another user can have the present time
/// alone, so that the next tick is waited for.
fn advance_time(file: &File) -> io::Result<()> {
    static LAST: AtomicI64 = AtomicI64::new(0);
    const TICK_NS: i64 = 1_000_000_000;
    let stat = rustix::fs::fstat(file)?;
    let Ok(present) = i64::try_from(version::modified_ns(&stat)) else { return Ok(()) };
    let advance = |last: i64| {
        let is_in_step = present > last || last - present > TICK_NS;
        Some(if is_in_step { present } else { last + 1 })
    };
    let last = LAST.fetch_update(Ordering::AcqRel, Ordering::Acquire, advance);
    let wanted = last.ok().and_then(advance).unwrap_or(present);
    if wanted == present {
        return Ok(());
    }
    match set_modified(file, wanted) {
        Err(Errno::PERM | Errno::ACCESS) => touch_until(file, wanted),
        set => Ok(set?),
    }
}

/// Sets a file's times to the present until they are late enough; a tick takes milliseconds.
fn touch_until(file: &File, wanted: i64) -> io::Result<()> {
    const TRIES: usize = 10;
    const PAUSE: Duration = Duration::from_millis(5);
    let now = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    for _ in 0..TRIES {
        std::thread::sleep(PAUSE);
        rustix::fs::futimens(file, &times)?;
        if version::modified_ns(&rustix::fs::fstat(file)?) >= i128::from(wanted) {
            break;
        }
    }
    Ok(())
}

fn set_modified(file: &File, ns: i64) -> Result<(), Errno> {
    let unchanged = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    let modified =
        Timespec { tv_sec: ns.div_euclid(1_000_000_000), tv_nsec: ns.rem_euclid(1_000_000_000) };
    let times = Timestamps { last_access: unchanged, last_modification: modified };
    rustix::fs::futimens(file, &times)
}
