//! Opening for a client, which gets nothing of this process itself.
//!
//! Everybody else's files belong to whoever may have them, as the system decides. But sessions run
//! inside agentd, and to a process procfs shows its own memory and environment, and lets it open
//! anew what it has open.

use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{self, CWD, Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags};
use rustix::io::{Errno, retry_on_intr};

/// Most links of procfs on the way to a file; each takes a look at every component before it.
const MAX_LINKS: usize = 8;

/// Flags for a place on the way.
const ON_THE_WAY: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// What of this process is no secret, because the same is at `/proc/mounts` and `/proc/net`.
const PUBLIC: [&[u8]; 2] = [b"mounts", b"net"];

/// Opens an absolute path.
///
/// # Errors
///
/// Those of open(2). `ACCES` also for writing to procfs, and for everything below
/// `/proc/self`, by whatever name, and behind its links, such as `/proc/self/fd/0`. Kernels
/// before 5.6 open what such a link leads to.
pub(super) fn open(path: &[u8], flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    let file = match open_at(CWD, path, flags, mode, 0) {
        Err(Errno::NOSYS) => retry_on_intr(|| fs::openat(CWD, path, flags, mode))?,
        opened => opened?,
    };
    if is_in_procfs(&file) && (flags.intersects(OFlags::WRONLY | OFlags::RDWR) || is_own(&file)) {
        return Err(Errno::ACCESS);
    }
    Ok(file)
}

/// Opens without following those links of procfs that lead to no path, and then, when there is
/// one, from the first of them on.
fn open_at(
    directory: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    mode: Mode,
    links: usize,
) -> Result<OwnedFd, Errno> {
    match open_plainly(directory, path, flags, mode) {
        Err(Errno::LOOP) if links < MAX_LINKS => {}
        opened => return opened,
    }
    let mut parent = None;
    let mut start = 0;
    for component in path.split(|&byte| byte == b'/') {
        let end = start + component.len();
        if !component.is_empty() {
            match open_plainly(directory, &path[..end], ON_THE_WAY, Mode::empty()) {
                Ok(found) => parent = Some(found),
                Err(Errno::LOOP) => {
                    let parent = parent.filter(is_in_procfs).ok_or(Errno::LOOP)?;
                    if is_own(&parent) {
                        return Err(Errno::ACCESS);
                    }
                    let slashes = path[end..].iter().take_while(|&&byte| byte == b'/').count();
                    let rest = &path[end + slashes..];
                    if rest.is_empty() {
                        return retry_on_intr(|| fs::openat(&parent, component, flags, mode));
                    }
                    let behind = fs::openat(&parent, component, ON_THE_WAY, Mode::empty())?;
                    return open_at(behind.as_fd(), rest, flags, mode, links + 1);
                }
                Err(error) => return Err(error),
            }
        }
        start = end + 1;
    }
    Err(Errno::LOOP)
}

fn open_plainly(
    directory: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    mode: Mode,
) -> Result<OwnedFd, Errno> {
    // A mode for what is not made is an error to this call.
    let mode = if flags.contains(OFlags::CREATE) { mode } else { Mode::empty() };
    let open = || fs::openat2(directory, path, flags, mode, ResolveFlags::NO_MAGICLINKS);
    retry_on_intr(open)
}

fn is_in_procfs(file: &OwnedFd) -> bool {
    fs::fstatfs(file).is_ok_and(|system| system.f_type == PROC_SUPER_MAGIC)
}

/// Tells whether a file of procfs is about this process or a thread of it, and not public.
fn is_own(file: &OwnedFd) -> bool {
    let Ok(path) = fs::readlink(format!("/proc/self/fd/{}", file.as_raw_fd()), Vec::new()) else {
        return true;
    };
    let mut components = path.to_bytes().split(|&byte| byte == b'/');
    let is_number = |part: &&[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let Some(number) = components.find(is_number) else { return false };
    // Threads have directories of their own beside the processes, though none lists them.
    let thread = [b"/proc/self/task/", number].concat();
    let is_public = components.next().is_some_and(|entry| PUBLIC.contains(&entry));
    !is_public && fs::lstat(&*thread).is_ok()
}
