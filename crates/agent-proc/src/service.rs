//! The service: its state, how its work is run and how it ends; each operation has a file of its
//! own.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use agent_api::{AbsolutePath, Caller, ProcessId};
use agent_exec::{Launcher, Tree};
use parking_lot::Mutex;
use tokio::sync::{Notify, OnceCell, Semaphore, broadcast};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{Config, Error, SessionEnvironment, process::Process, store::Store, table::Table};

/// Events kept for a listener that lags; it is told how many it missed beyond.
const MAX_EVENTS: usize = 1024;
/// Changes at work; further ones wait. They outlive the clients that asked for them, so the limit
/// of requests does not bound them.
const MAX_CHANGES: usize = 1024;

/// Processes of the machine: started, followed, fed, signaled and ended.
///
/// Cheap to clone; the clones are one service. Dropping the last one stops following the processes
/// without ending them, as the death of the agent would; [`Processes::shutdown`] ends them.
#[derive(Clone, Debug)]
pub struct Processes {
    pub(crate) shared: Arc<Shared>,
    _alive: Arc<DropGuard>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) launcher: Launcher,
    pub(crate) session: Arc<dyn SessionEnvironment>,
    pub(crate) table: Mutex<Table>,
    /// Opened by the first operation.
    pub(crate) store: OnceCell<Store>,
    /// Places of processes whose leader runs.
    pub(crate) places: Arc<Semaphore>,
    /// Told when a process exits or closes.
    pub(crate) retention: Notify,
    /// Trees of forgotten processes whose survivors are ended with the agent.
    pub(crate) strays: Mutex<VecDeque<Tree>>,
    /// No new starts.
    pub(crate) stop: CancellationToken,
    /// No more waiting for processes.
    pub(crate) waits: CancellationToken,
    /// Nothing is followed any more.
    pub(crate) cut: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) started: AtomicU64,
    changes: Arc<Semaphore>,
    events: broadcast::Sender<Event>,
}

/// Something that other capabilities may want to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The leader of a process ended.
    Exited {
        /// Its id.
        id: ProcessId,
        /// The chat that started it, and that one's ancestors.
        by: Caller,
        /// Where it started, if the request said so and it is a sound path.
        workdir: Option<AbsolutePath>,
    },
}

/// Figures of the service, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Processes whose leader runs.
    pub running: u64,
    /// Processes whose leader ended and whose output may still grow.
    pub exited: u64,
    /// Processes that are closed and kept.
    pub closed: u64,
    /// Processes started since the agent was.
    pub started_total: u64,
    /// Bytes printed since the agent was started.
    pub output_bytes_total: u64,
    /// Bytes that the journals retain.
    pub journal_bytes: u64,
    /// Bytes forgotten for a quota since the agent was started.
    pub quota_gap_bytes_total: u64,
    /// Bytes that the disk refused since the agent was started.
    pub disk_gap_bytes_total: u64,
}

impl Processes {
    /// Makes the service; touches nothing.
    pub fn new(config: Config, launcher: Launcher, session: Arc<dyn SessionEnvironment>) -> Self {
        let cut = CancellationToken::new();
        let shared = Shared {
            places: Arc::new(Semaphore::new(config.max_running)),
            config,
            launcher,
            session,
            table: Mutex::default(),
            store: OnceCell::new(),
            retention: Notify::new(),
            strays: Mutex::default(),
            stop: CancellationToken::new(),
            waits: CancellationToken::new(),
            cut: cut.clone(),
            tasks: TaskTracker::new(),
            started: AtomicU64::new(0),
            changes: Arc::new(Semaphore::new(MAX_CHANGES)),
            events: broadcast::Sender::new(MAX_EVENTS),
        };
        Self { shared: Arc::new(shared), _alive: Arc::new(cut.drop_guard()) }
    }

    /// Reads the processes that an earlier agent left; any operation does it where this was not
    /// called.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] when the state directory cannot be used; a later call tries again.
    pub async fn start(&self) -> Result<(), Error> {
        self.shared.store().await.map(drop)
    }

    /// Hears of every event from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.shared.events.subscribe()
    }

    /// Ends the waits of all requests, now and later, with [`Error::ShuttingDown`].
    ///
    /// For the server, shortly before it cuts the requests that are still open.
    pub fn end_waits(&self) {
        self.shared.waits.cancel();
    }

    /// The process in whose tree a process of the system plainly is, if any.
    ///
    /// Processes that hide from their tree may be missed where there are no cgroups. Reads `/proc`,
    /// so it blocks for a moment.
    pub fn process_of(&self, pid: u32) -> Option<ProcessId> {
        let processes = self.shared.table.lock().processes();
        let has = |process: &Arc<Process>| {
            process.tree.as_ref().is_some_and(|tree| tree.has_plainly(pid))
        };
        processes.into_iter().find(has).map(|process| process.id())
    }

    /// The figures of this moment.
    pub fn statistics(&self) -> Statistics {
        let mut statistics = self.shared.table.lock().count();
        statistics.started_total = self.shared.started.load(Ordering::Relaxed);
        if let Some(store) = self.shared.store.get() {
            let counts = store.totals().counts();
            statistics.output_bytes_total = counts.produced;
            statistics.journal_bytes = counts.retained;
            statistics.quota_gap_bytes_total = counts.quota_gap;
            statistics.disk_gap_bytes_total = counts.disk_gap;
        }
        statistics
    }
}

impl Shared {
    /// The store, opened by the first who asks.
    pub(crate) async fn store(self: &Arc<Self>) -> Result<&Store, Error> {
        self.store.get_or_try_init(|| crate::restart::open(self)).await
    }

    /// Tells listeners.
    pub(crate) fn tell(&self, event: Event) {
        // Nobody may be listening.
        let _ = self.events.send(event);
    }

    /// Runs a change to its end, whether or not its caller waits for it, as one of so many.
    ///
    /// # Errors
    ///
    /// As [`Shared::run`].
    pub(crate) async fn change<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let change = Arc::clone(&self.changes).acquire_owned().await.expect("never closed");
        let work = async move {
            let done = work.await;
            drop(change);
            done
        };
        self.run(work).await
    }

    /// Runs work to its end, whether or not its caller waits for it; something else bounds how
    /// much of it there is.
    ///
    /// # Errors
    ///
    /// [`Error::ShuttingDown`] once the service has ended, else what `work` answers.
    pub(crate) async fn run<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        // Taken before `cut` is looked at, so that a shutdown that comes between waits.
        let _begins = self.tasks.token();
        if self.cut.is_cancelled() {
            return Err(Error::ShuttingDown);
        }
        let work = tracing::Instrument::instrument(work, tracing::Span::current());
        self.tasks.spawn(work).await.map_err(Error::Panicked)?
    }

    /// The same for work that blocks, on the pool for it.
    ///
    /// # Errors
    ///
    /// As [`Shared::run`].
    pub(crate) async fn run_blocking<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, Error> + Send + 'static,
    {
        let _begins = self.tasks.token();
        if self.cut.is_cancelled() {
            return Err(Error::ShuttingDown);
        }
        let span = tracing::Span::current();
        self.tasks.spawn_blocking(move || span.in_scope(work)).await.map_err(Error::Panicked)?
    }
}

/// Runs blocking work on the pool for it; a caller that leaves abandons the answer, not the work.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work)).await.map_err(Error::Panicked)
}
