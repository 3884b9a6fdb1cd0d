//! What agentd asks of the operating system as a process: descriptors, orphans, usage, the service
//! manager. Each has a fallback where the system lacks it.

pub(crate) mod notify;
pub(crate) mod process;
pub(crate) mod reaper;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one (getrlimit(2)).
///
/// A limit that stays is no reason not to serve, so a failure is logged only.
pub(crate) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => tracing::debug!(from = limit.current, to = limit.maximum, "open files"),
        Err(error) => {
            let error = agent_api::io_text(&error.into());
            tracing::warn!(error, "cannot raise the limit of open files");
        }
    }
}

/// The process's file mode creation mask; the usual 022 where the system does not tell.
///
/// umask(2) tells it only by changing it, which other threads would notice, so it comes from
/// `/proc/self/status` (proc(5), since Linux 4.7).
pub(crate) fn umask() -> u32 {
    const USUAL: u32 = 0o022;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    mask.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()).unwrap_or(USUAL)
}
