//! What a copy has in common with its original besides the content.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsFd, BorrowedFd},
};

use rustix::{
    fs::{AtFlags, Gid, Mode, Stat, Timespec, Timestamps, Uid},
    io::Errno,
};

use crate::sys;

/// Gives an open file or directory the owner, extended attributes, mode and times of another.
///
/// Owner and attributes are kept as far as permitted, mode and times as far as the file system
/// has them. `stat` is from before the original was read, which changes its time of access.
pub(super) fn keep(from: BorrowedFd<'_>, to: BorrowedFd<'_>, stat: &Stat) -> io::Result<()> {
    let (owner, group) = owner(stat);
    let mut mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
    if rustix::fs::fchown(to, owner, group).is_err() {
        // Another owner must not get a program that runs as that owner. The group alone may still
        // be one of ours.
        mode -= Mode::SUID | Mode::SGID;
        let _ = rustix::fs::fchown(to, None, group);
    }
    // Attributes before the mode, which may forbid to write them; times last, because everything
    // before changes them.
    sys::copy_attributes(from, to);
    as_far_as_known(rustix::fs::fchmod(to, mode))?;
    as_far_as_known(rustix::fs::futimens(to, &times(stat)))
}

/// Gives a symbolic link the owner and times of another; it has no mode of its own.
pub(super) fn keep_link(to: impl AsFd, name: &CStr, stat: &Stat) -> io::Result<()> {
    let (owner, group) = owner(stat);
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    let _ = rustix::fs::chownat(&to, name, owner, group, flags);
    as_far_as_known(rustix::fs::utimensat(&to, name, &times(stat), flags))
}

fn owner(stat: &Stat) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))
}

fn times(stat: &Stat) -> Timestamps {
    let time = |seconds, nanoseconds: u64| Timespec {
        tv_sec: seconds,
        tv_nsec: i64::try_from(nanoseconds).unwrap_or(0),
    };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}

/// A file system without modes or times of its own is no failure.
fn as_far_as_known(done: Result<(), Errno>) -> io::Result<()> {
    match done {
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        done => Ok(done?),
    }
}
