//! What the system says of a file, in the terms of this crate.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::FileType;

use super::Kind;
use crate::model::{Mode, Stat};

/// Clocks of file systems tick this seldom at worst (FAT: two seconds).
const TICK: Duration = Duration::from_secs(2);

impl Stat {
    /// Takes over what a system call returned.
    #[cfg_attr(
        target_os = "linux",
        expect(clippy::unnecessary_cast, reason = "the fields have other types elsewhere")
    )]
    pub(crate) fn of(stat: &rustix::fs::Stat) -> Self {
        Self {
            dev: stat.st_dev as u64,
            ino: stat.st_ino as u64,
            mode: stat.st_mode as u32,
            links: stat.st_nlink as u32,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: stat.st_size as u64,
            mtime: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
            ctime: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
        }
    }

    /// The mode that git would give it; `None` for what git does not store: directories, sockets,
    /// pipes, devices.
    pub(crate) fn file_mode(&self) -> Option<Mode> {
        match self.file_type() {
            FileType::RegularFile if self.mode & 0o100 != 0 => Some(Mode::Executable),
            FileType::RegularFile => Some(Mode::File),
            FileType::Symlink => Some(Mode::Link),
            _ => None,
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.file_type().into()
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.file_type() == FileType::Directory
    }

    pub(crate) fn is_regular(&self) -> bool {
        self.file_type() == FileType::RegularFile
    }

    /// Whether it is a regular file that can be written through another name.
    pub(crate) fn has_other_names(&self) -> bool {
        self.is_regular() && self.links > 1
    }

    /// Whether contents that were read at `time` are proved the same by an equal stat.
    ///
    /// They are not if the file changed right before: it may have changed again within the same
    /// tick of the file system's clock, and an equal stat says nothing.
    pub(crate) fn is_settled_at(&self, time: SystemTime) -> bool {
        let (seconds, nanoseconds) = self.ctime;
        let changed = Duration::new(u64::try_from(seconds).unwrap_or(0), nanoseconds);
        time.duration_since(UNIX_EPOCH).is_ok_and(|time| time > changed.saturating_add(TICK))
    }

    fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.mode as rustix::fs::RawMode)
    }
}
