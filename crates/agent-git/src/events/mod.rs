//! What the file system tells: one queue of events for the whole agent, sorted into what each
//! repository has to look at again.
//!
//! Nothing here reads a file or decides when to look. The events are inotify's; on other systems
//! every registration is exhausted from the start and its repository is polled.
//!
//! ```text
//!  kernel queue --drain()--> Table: descriptor -> targets --> Registration: Dirty
//!       ^                                                 \-> Lookout: changed
//!       +-- the reader task drains when something is there; a scan drains before it begins
//! ```

mod dispatch;
mod foreign;
#[cfg_attr(target_os = "linux", path = "inotify.rs")]
#[cfg_attr(not(target_os = "linux"), path = "absent.rs")]
mod kernel;
mod lookout;
mod mask;
mod pending;
mod reader;
mod registration;
mod table;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use thiserror::Error;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use lookout::Lookout;
pub(crate) use registration::Registration;

use table::Table;

/// The one source of events of the agent; cheap to clone.
///
/// Touches nothing until somebody registers, and gives everything back when nobody is left.
#[derive(Clone, Debug)]
pub(crate) struct Hub {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Held across the system calls that add watches and read events: an event of a new watch must
    /// not be sorted before the table knows the watch.
    table: Mutex<Table>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Names the file system of a path if it does not tell of every change. Asked without the lock:
    /// the server of such a file system may answer late or never.
    foreign: fn(&Path) -> Option<&'static str>,
}

/// Why events cannot be relied on, as a sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Why {
    /// As many directories are watched as the agent allows itself.
    #[error("the agent already watches {max} directories, its limit")]
    Limit {
        /// That many.
        max: usize,
    },
    /// The kernel gives no more watches.
    #[error("the system gives no more file watches (fs.inotify.max_user_watches)")]
    Watches,
    /// The kernel gives no queue.
    #[error("the system gives no file notifications: {0}")]
    Queue(String),
    /// Others may write without this system being told.
    #[error("the file system `{0}` does not tell of every change")]
    FileSystem(&'static str),
    /// There is no implementation for this operating system.
    #[cfg_attr(target_os = "linux", expect(dead_code, reason = "made on other systems only"))]
    #[error("file notifications are not supported on this system")]
    System,
}

/// Counts for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Statistics {
    /// Directories watched now.
    pub(crate) watches: usize,
    /// Events read since the start.
    pub(crate) events: u64,
    /// Times that the kernel dropped events since the start.
    pub(crate) overflows: u64,
}

impl Hub {
    /// A hub that watches at most `max_watches` directories and runs its reader on `tasks` until
    /// `stop`.
    pub(crate) fn new(max_watches: usize, tasks: TaskTracker, stop: CancellationToken) -> Self {
        Self::with_foreign(max_watches, tasks, stop, foreign::foreign)
    }

    fn with_foreign(
        max_watches: usize,
        tasks: TaskTracker,
        stop: CancellationToken,
        foreign: fn(&Path) -> Option<&'static str>,
    ) -> Self {
        let table = Mutex::new(Table::new(max_watches));
        Self { inner: Arc::new(Inner { table, tasks, stop, foreign }) }
    }

    /// Begins to follow the work tree at `root`, which watches nothing yet but what is above it.
    ///
    /// Must be called in a runtime.
    pub(crate) fn register(&self, root: &Path) -> Registration {
        Registration::new(Arc::clone(&self.inner), root)
    }

    /// Waits for repositories to appear at or above these absolute paths, existing or not.
    ///
    /// Whoever looks for repositories makes the lookout first, so that none that is made meanwhile
    /// is missed, and a new one after each change. Must be called in a runtime.
    pub(crate) fn look_out(&self, paths: &[PathBuf]) -> Lookout {
        Lookout::new(Arc::clone(&self.inner), paths)
    }

    /// Sorts every event of what happened before the call.
    pub(crate) fn drain(&self) {
        self.inner.table.lock().drain();
    }

    /// The counts as they are now.
    pub(crate) fn statistics(&self) -> Statistics {
        self.inner.table.lock().statistics()
    }
}

impl Inner {
    /// The table, with a queue if the system gives one.
    fn open(inner: &Arc<Self>) -> parking_lot::MutexGuard<'_, Table> {
        let mut table = inner.table.lock();
        if let Some(kernel) = table.open() {
            reader::start(&kernel, &inner.tasks, &inner.stop, &mut table, Arc::downgrade(inner));
        }
        table
    }

    /// Sorts what is queued unless somebody else holds the table, and does not wait for that;
    /// whether there may be more. `None` once there is no hub.
    fn drain_weakly(inner: &Weak<Self>) -> Option<bool> {
        let inner = inner.upgrade()?;
        Some(inner.table.try_lock().is_none_or(|mut table| table.drain()))
    }
}
