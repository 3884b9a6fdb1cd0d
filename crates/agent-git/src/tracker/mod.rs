//! When a repository is scanned: one task for each repository that somebody follows, which owns
//! what is known of it.
//!
//! ```text
//!   track --> [idle] --event, request, timer--> [due] --1 s after the last--> [scanning]
//!               ^                                 ^                              |  |
//!               +---------------------------------+------------ outcome ---------+  |
//!   [ended] <-- last handle dropped and not lingering; shutdown; outcome Removed ---+
//! ```
//!
//! What is found is not interpreted here, and nothing is sent to anyone: whoever follows a
//! repository sees its [`State`].

mod places;
mod run;
mod task;
#[cfg(test)]
mod tests;
mod timing;
mod trackers;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use agent_api::Timestamp;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

pub(crate) use trackers::{Config, Trackers};

use crate::{
    engine::{ScanError, Scanned},
    model::{Dirty, Snapshot, Watching},
    repository::Location,
};
use timing::Requests;

/// What can be scanned: the knowledge of one repository.
pub(crate) trait Scan: Send + 'static {
    /// Finds what differs from HEAD, looking again at least at what is dirty; blocks.
    fn scan(
        &mut self,
        dirty: Dirty,
        watching: &dyn Watching,
        stop: &AtomicBool,
    ) -> Result<Scanned, ScanError>;

    /// Directories of git's own whose events matter for the next scan; absolute.
    fn git_directories(&self) -> Vec<PathBuf>;
}

/// Makes what scans a repository.
pub(crate) type Make = Arc<dyn Fn(&Location) -> Box<dyn Scan> + Send + Sync>;

/// The number of a scan of one tracker; what was asked for is answered by it and all later ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

#[cfg(test)]
impl Ticket {
    /// A ticket as a tracker would give it.
    pub(crate) fn numbered(number: u64) -> Self {
        Self(number)
    }
}

/// How soon a requested scan begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// As soon as a second has passed since the last one.
    Soon,
    /// As soon as none is running.
    Now,
}

/// What a requested scan looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// What events say.
    Changed,
    /// The whole work tree.
    Everything,
}

/// How the last scan ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// There was none.
    #[default]
    Never,
    /// With a snapshot.
    Ok,
    /// It failed and is repeated; the chain of causes in one line.
    Failed(String),
    /// It took longer than 60 seconds, and is repeated as soon as it has stopped.
    TooLong,
    /// The format cannot be read; why.
    Unsupported(String),
    /// The repository is gone, and so is the tracker.
    Removed,
}

impl Outcome {
    /// Why a scan failed that will be repeated, as a sentence for a person.
    pub(crate) fn failure(&self) -> Option<String> {
        match self {
            Self::Failed(why) => Some(why.clone()),
            Self::TooLong => {
                Some(format!("the scan took longer than {} seconds", run::MAX_SCAN.as_secs()))
            }
            Self::Never | Self::Ok | Self::Unsupported(_) | Self::Removed => None,
        }
    }
}

/// What is known of a repository.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// The last scan that ended.
    pub(crate) completed: Ticket,
    /// Nothing is dirty, and no scan is due or running. The timer does not count.
    pub(crate) is_idle: bool,
    /// When the scan that made [`Self::snapshot`] last began: it shows all that happened before.
    pub(crate) scanned_at: Option<Timestamp>,
    /// Kept through failures; the same `Arc` as long as it is equal.
    pub(crate) snapshot: Option<Arc<Snapshot>>,
    /// How the last scan ended.
    pub(crate) outcome: Outcome,
    /// Why the repository is polled every 30 seconds, if it is.
    pub(crate) polling: Option<String>,
    /// Grows when a nested repository may have come or gone.
    pub(crate) nested: u64,
}

/// As many repositories are followed as the agent allows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("more than {max} repositories are watched")]
pub(crate) struct TooMany {
    /// That many.
    pub(crate) max: usize,
}

/// A handle of a followed repository: it is followed as long as there is one.
pub(crate) struct Tracker {
    repository: Arc<Repository>,
}

/// What handles and task share.
#[derive(Debug)]
struct Repository {
    location: Location,
    /// Only the task writes it, and its end closes it.
    state: watch::Receiver<State>,
    requests: Mutex<Requests>,
    /// Handles; from zero only under the lock of the map.
    handles: AtomicUsize,
    /// Until when the task goes on without a handle.
    lingers_until: Mutex<Option<Instant>>,
    /// Another repository was found at the root.
    is_replaced: AtomicBool,
    /// Tells the task of requests and handles.
    news: Notify,
}

impl Tracker {
    /// Top directory of the work tree.
    pub(crate) fn root(&self) -> &Path {
        &self.repository.location.root
    }

    /// What is known, now and later. Closed after [`Outcome::Removed`] and at shutdown.
    pub(crate) fn states(&self) -> watch::Receiver<State> {
        self.repository.state.clone()
    }

    /// Asks for a scan that begins after this call: it is done when [`State::completed`] has
    /// reached the ticket.
    pub(crate) fn request(&self, urgency: Urgency, scope: Scope) -> Ticket {
        let ticket = self.repository.requests.lock().add(urgency, scope, Instant::now());
        self.repository.news.notify_one();
        ticket
    }
}

impl Clone for Tracker {
    fn clone(&self) -> Self {
        self.repository.handles.fetch_add(1, Ordering::Relaxed);
        Self { repository: Arc::clone(&self.repository) }
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        if self.repository.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.repository.news.notify_one();
        }
    }
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker").field("root", &self.root()).finish_non_exhaustive()
    }
}
