//! What a stat(2) says of a file in the protocol's words: its kind, its version, its time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agent_api::{ETag, EntryKind, Timestamp};
use rustix::fs::{FileType, Stat};

/// The kind of an entry.
pub(crate) fn kind(file_type: FileType) -> EntryKind {
    match file_type {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Directory,
        FileType::Symlink => EntryKind::Symlink,
        FileType::Fifo => EntryKind::Fifo,
        FileType::Socket => EntryKind::Socket,
        FileType::BlockDevice => EntryKind::BlockDevice,
        FileType::CharacterDevice => EntryKind::CharDevice,
        FileType::Unknown => EntryKind::Unknown,
    }
}

/// The type of the file that was examined.
pub(crate) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Size in bytes; never negative for a file.
pub(crate) fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// Modification time in nanoseconds since the epoch.
pub(crate) fn modified_ns(stat: &Stat) -> i128 {
    i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec)
}

/// The version of a regular file.
pub(crate) fn etag(stat: &Stat) -> ETag {
    ETag::of(stat.st_dev, stat.st_ino, size(stat), modified_ns(stat))
}

/// Modification time, rounded down to the millisecond.
pub(crate) fn modified(stat: &Stat) -> Timestamp {
    let ms = modified_ns(stat).div_euclid(1_000_000);
    Timestamp::from_unix_ms(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// Modification time as the system's type; the epoch for a time it cannot hold.
pub(crate) fn modified_system(stat: &Stat) -> SystemTime {
    let ns = modified_ns(stat);
    let distance = Duration::from_nanos(u64::try_from(ns.unsigned_abs()).unwrap_or(0));
    let time =
        if ns < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    time.unwrap_or(UNIX_EPOCH)
}

/// Whether two examinations saw the same file.
pub(crate) fn is_same_file(a: &Stat, b: &Stat) -> bool {
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}
