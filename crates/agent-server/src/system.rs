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
