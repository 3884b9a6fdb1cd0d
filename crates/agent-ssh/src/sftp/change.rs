//! Setting attributes: of a path, of what is open, of a symbolic link itself.

use std::os::fd::BorrowedFd;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, chmod, chownat, fchmod,
    fchown, fstat, ftruncate, futimens, openat, utimensat,
};
use rustix::io::{Errno, retry_on_intr};

use super::attributes::Attributes;

/// What attributes are set of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target<'a> {
    /// A path; symbolic links are followed.
    Path(&'a [u8]),
    /// A path; a symbolic link at its end is meant itself.
    Link(&'a [u8]),
    /// Something open.
    File(BorrowedFd<'a>),
}

/// Sets the size, the owner, the mode and the times, in this order, those that are given.
///
/// The owner comes before the mode because a change of owner takes set-id bits away. All are
/// tried, as OpenSSH does.
///
/// # Errors
///
/// The last one; then others may have been set.
pub(super) fn set(target: Target<'_>, attributes: &Attributes) -> Result<(), Errno> {
    let steps = [
        attributes.size.map(|size| target.set_size(size)),
        attributes.owner.map(|owner| target.set_owner(owner)),
        attributes.mode.map(|mode| target.set_mode(Mode::from_raw_mode(mode & 0o7777))),
        attributes.times.map(|times| target.set_times(times)),
    ];
    steps.into_iter().rev().flatten().find(Result::is_err).unwrap_or(Ok(()))
}

impl Target<'_> {
    fn set_size(self, size: u64) -> Result<(), Errno> {
        match self {
            Self::Path(path) => {
                let size = size.try_into().map_err(|_| Errno::INVAL)?;
                nix::unistd::truncate(path, size)
                    .map_err(|error| Errno::from_raw_os_error(error as i32))
            }
            // A link has no size to be set; the server has refused it.
            Self::Link(_) => Err(Errno::INVAL),
            Self::File(file) => retry_on_intr(|| ftruncate(file, size)),
        }
    }

    fn set_owner(self, (user, group): (u32, u32)) -> Result<(), Errno> {
        // All ones are "as it is" for the system, and no id.
        let user = (user != u32::MAX).then(|| Uid::from_raw(user));
        let group = (group != u32::MAX).then(|| Gid::from_raw(group));
        match self {
            Self::Path(path) => chownat(CWD, path, user, group, AtFlags::empty()),
            Self::Link(path) => chownat(CWD, path, user, group, AtFlags::SYMLINK_NOFOLLOW),
            Self::File(file) => fchown(file, user, group),
        }
    }

    fn set_mode(self, mode: Mode) -> Result<(), Errno> {
        match self {
            Self::Path(path) => chmod(path, mode),
            Self::Link(path) => set_mode_of_link(path, mode),
            Self::File(file) => fchmod(file, mode),
        }
    }

    fn set_times(self, (access, modification): (u32, u32)) -> Result<(), Errno> {
        let time = |seconds: u32| Timespec { tv_sec: seconds.into(), tv_nsec: 0 };
        let times = Timestamps { last_access: time(access), last_modification: time(modification) };
        match self {
            Self::Path(path) => utimensat(CWD, path, &times, AtFlags::empty()),
            Self::Link(path) => utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW),
            Self::File(file) => futimens(file, &times),
        }
    }
}

/// Linux before 6.6 has no call for this, and a symbolic link has no mode to be set; so it is
/// done as the C library does it, through the descriptor's link in /proc.
fn set_mode_of_link(path: &[u8], mode: Mode) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(CWD, path, flags, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&file)?.st_mode) == FileType::Symlink {
        return Err(Errno::NOTSUP);
    }
    let number = std::os::fd::AsRawFd::as_raw_fd(&file);
    chmod(format!("/proc/self/fd/{number}"), mode)
}
