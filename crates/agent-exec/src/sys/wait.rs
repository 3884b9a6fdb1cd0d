//! Collects a child with its resource usage; not the waiting of async code.

use std::io;
use std::mem::MaybeUninit;
use std::time::{Duration, SystemTime};

use libc::{c_int, pid_t, rusage, timeval};

use crate::{Exit, ExitStatus};

/// Collects a child of this process if it has ended; `None` while it runs.
///
/// # Errors
///
/// `ECHILD` when there is no such child: somebody else collected it.
pub(crate) fn collect(pid: u32) -> io::Result<Option<Exit>> {
    wait4(pid, libc::WNOHANG)
}

/// Bytes in the unit of `ru_maxrss`.
const UNIT: u64 = if cfg!(target_vendor = "apple") { 1 } else { 1024 };

/// Collects a child of this process; blocks until it has ended.
///
/// # Errors
///
/// As [`collect`].
#[cfg(target_os = "linux")]
pub(crate) fn wait(pid: u32) -> io::Result<()> {
    wait4(pid, 0).map(drop)
}

#[expect(unsafe_code, reason = "no safe library has wait4(2), which alone tells the usage")]
fn wait4(pid: u32, options: c_int) -> io::Result<Option<Exit>> {
    let pid = pid_t::try_from(pid).map_err(io::Error::other)?;
    let (mut status, mut usage) = (0, MaybeUninit::<rusage>::zeroed());
    let collected = loop {
        // SAFETY: both pointers are to live memory of the right types, which the call only writes.
        let collected = unsafe { libc::wait4(pid, &raw mut status, options, usage.as_mut_ptr()) };
        let error = io::Error::last_os_error();
        match collected {
            -1 if error.kind() == io::ErrorKind::Interrupted => {}
            -1 => return Err(error),
            collected => break collected,
        }
    };
    // SAFETY: an all-zero `rusage` is one, and the call can only have written another.
    let usage = unsafe { usage.assume_init() };
    Ok((collected == pid).then(|| Exit {
        status: status_of(status),
        at: SystemTime::now(),
        cpu_time: duration(usage.ru_utime) + duration(usage.ru_stime),
        peak_memory_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0).saturating_mul(UNIT),
    }))
}

fn status_of(status: c_int) -> ExitStatus {
    if libc::WIFSIGNALED(status) {
        let (signal, core_dumped) = (libc::WTERMSIG(status), libc::WCOREDUMP(status));
        ExitStatus::Signaled { signal, core_dumped }
    } else {
        ExitStatus::Exited(libc::WEXITSTATUS(status))
    }
}

fn duration(time: timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
}
