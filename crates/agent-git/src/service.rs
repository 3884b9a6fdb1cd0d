//! The service: its state, how it is told of changes, how it ends; watching is in `watch/`.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use agent_api::{AbsolutePath, Caller, GetGitStatusRequest, GetGitStatusResponse, Repository};
use agent_exec::Launcher;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    Config, Error,
    command::Program,
    engine::{self, Engine, ScanError, Scanned},
    events::Hub,
    model::{Dirty, Watching},
    paths::PathStore,
    repository::{Discovery, Location, discover},
    tracker::{self, Outcome, Scan, Scope, State, Tracker, Trackers, Urgency},
};

/// Longest time that `get_git_status` takes for a scan.
const STATUS_TIMEOUT: Duration = Duration::from_secs(60);

/// Threads that look for repositories at a time. Those that a file system keeps waiting for ever
/// hold up other looks, but nothing else of the agent.
const MAX_LOOKS: usize = 64;

/// Repositories of the machine: asked for once, or watched.
///
/// Cheap to clone; the clones are one service. It never writes into a repository and runs nothing
/// that a repository configures. Dropping the last clone ends all watching.
#[derive(Clone, Debug)]
pub struct Git {
    pub(crate) shared: Arc<Shared>,
    _alive: Arc<DropGuard>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) trackers: Trackers,
    pub(crate) hub: Hub,
    pub(crate) paths: PathStore,
    /// Connections that watch now.
    pub(crate) watches: AtomicU64,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    looks: Arc<Semaphore>,
    scans: Arc<Scans>,
    max_repositories: usize,
}

/// Scans since the start.
#[derive(Debug, Default)]
struct Scans {
    full: AtomicU64,
    incremental: AtomicU64,
    failed: AtomicU64,
    nanoseconds: AtomicU64,
}

/// An engine whose scans are counted.
struct Counted {
    engine: Engine,
    counts: Arc<Scans>,
}

/// Figures of the service, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Statistics {
    /// Repositories that are followed.
    pub repositories: u64,
    /// Those of them that are polled, because nothing tells of their changes.
    pub polling: u64,
    /// Clients that watch.
    pub watches: u64,
    /// Directories that are watched for events.
    pub watched_directories: u64,
    /// Scans of whole work trees since the agent was started.
    pub full_scans_total: u64,
    /// Scans of what had changed since the agent was started.
    pub incremental_scans_total: u64,
    /// Scans that failed since the agent was started.
    pub failed_scans_total: u64,
    /// Time that all scans took, together.
    pub scan_time: Duration,
    /// Events of the file system since the agent was started.
    pub events_total: u64,
    /// Times that the system dropped events since the agent was started.
    pub overflows_total: u64,
    /// Chats with paths, as far as the disk was looked at.
    pub chats: u64,
}

impl Git {
    /// Makes the service; touches nothing.
    ///
    /// `launcher` starts `git` where a repository's format needs it.
    pub fn new(config: Config, launcher: Launcher) -> Self {
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let hub = Hub::new(config.max_watches, tasks.clone(), stop.clone());
        let engines = Arc::new(engine::Shared {
            program: Program { launcher, path: config.path },
            home: config.home,
            xdg_config_home: config.xdg_config_home,
        });
        let scans = Arc::new(Scans::default());
        let counts = Arc::clone(&scans);
        let make = move |location: &Location| -> Box<dyn Scan> {
            let engine = Engine::new(location.clone(), Arc::clone(&engines));
            Box::new(Counted { engine, counts: Arc::clone(&counts) })
        };
        let max_repositories = config.max_repositories;
        let trackers = Trackers::new(
            tracker::Config { max_repositories },
            hub.clone(),
            Arc::new(make),
            tasks.clone(),
            stop.clone(),
        );
        let shared = Shared {
            trackers,
            hub,
            looks: Arc::new(Semaphore::new(MAX_LOOKS)),
            paths: PathStore::new(config.state_dir.join("git")),
            watches: AtomicU64::new(0),
            scans,
            stop: stop.clone(),
            tasks,
            max_repositories,
        };
        Self { shared: Arc::new(shared), _alive: Arc::new(stop.drop_guard()) }
    }

    /// Answers a fresh snapshot of the nearest repository that encloses a path.
    ///
    /// The scan begins after the call. The path need not exist; then its nearest parent that does
    /// counts.
    ///
    /// # Errors
    ///
    /// [`Error::Path`] and, before anything is scanned, [`Error::NotARepository`] when none with
    /// a work tree encloses the path, [`Error::Discover`] when that cannot be found out, and
    /// [`Error::TooManyRepositories`]. [`Error::Unsupported`], [`Error::Scan`] and, after 60 s,
    /// [`Error::Timeout`] come from the scan.
    ///
    /// # Cancellation
    ///
    /// A scan that has begun runs on, for others who may wait for it.
    #[tracing::instrument(name = "git.get_git_status", level = "debug", skip_all)]
    pub async fn get_git_status(
        &self,
        req: GetGitStatusRequest,
    ) -> Result<GetGitStatusResponse, Error> {
        let path = AbsolutePath::parse(&req.path)
            .map_err(|source| Error::Path { field: "path", source })?;
        if self.shared.stop.is_cancelled() {
            return Err(Error::ShuttingDown);
        }
        let work = self.scanned(path.as_path().to_owned());
        let state = tokio::select! {
            state = work => state?,
            () = self.shared.stop.cancelled() => return Err(Error::ShuttingDown),
        };
        let snapshot = state.snapshot.expect("a scan that succeeded has a snapshot");
        let mut repository: Repository = snapshot.repository.clone();
        if !req.diff {
            repository.unified_diff = None;
        }
        Ok(GetGitStatusResponse { scanned_at: state.scanned_at.unwrap_or_default(), repository })
    }

    /// Tells that a chat has written files, or, with the directory or nothing at all, that a
    /// process of it has ended.
    ///
    /// The paths are recorded for the chat and its ancestors, and whoever watches their paths is
    /// told; without a chat nothing happens. A disk that refuses costs a warning. It still works
    /// after [`Git::shutdown`].
    ///
    /// # Cancellation
    ///
    /// What has begun is done to its end.
    pub async fn touch(&self, paths: Vec<AbsolutePath>, by: &Caller) {
        if by.chat.is_none() {
            return;
        }
        if paths.is_empty() {
            return self.shared.paths.tell_scan(by);
        }
        let (shared, by) = (Arc::clone(&self.shared), by.clone());
        let record = move || shared.paths.record(&by, &paths);
        if let Err(error) = tokio::task::spawn_blocking(record).await
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }

    /// Tells that an unknown number of [`Git::touch`] were missed: everything that chats watch is
    /// scanned.
    pub fn rescan(&self) {
        self.shared.paths.tell_all_scan();
    }

    /// The figures of this moment.
    pub fn statistics(&self) -> Statistics {
        let (hub, trackers) = (self.shared.hub.statistics(), self.shared.trackers.statistics());
        let scans = &self.shared.scans;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            repositories: trackers.repositories as u64,
            polling: trackers.polled as u64,
            watches: count(&self.shared.watches),
            watched_directories: hub.watches as u64,
            full_scans_total: count(&scans.full),
            incremental_scans_total: count(&scans.incremental),
            failed_scans_total: count(&scans.failed),
            scan_time: Duration::from_nanos(count(&scans.nanoseconds)),
            events_total: hub.events,
            overflows_total: hub.overflows,
            chats: self.shared.paths.chats() as u64,
        }
    }

    /// Ends every watch and every scan, refuses new ones, and waits until nothing is left.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        self.shared.trackers.shutdown().await;
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// The repository that encloses a path.
    async fn find(&self, path: PathBuf) -> Result<Location, Error> {
        let place = self.shared.place_to_look().await;
        let looked_at = path.clone();
        let look = move || {
            let _place = place;
            discover(&looked_at)
        };
        match tokio::task::spawn_blocking(look).await.map_err(Error::Panicked)? {
            Ok(Discovery::Repository(location)) => Ok(location),
            Ok(Discovery::Bare | Discovery::None) => Err(Error::NotARepository { path }),
            Err(source) => Err(Error::Discover { path, source }),
        }
    }

    /// Scans the repository of a path.
    async fn scanned(&self, path: PathBuf) -> Result<State, Error> {
        let ends = tokio::time::Instant::now() + STATUS_TIMEOUT;
        let limit = STATUS_TIMEOUT;
        // A file system may not answer at all.
        let found = tokio::time::timeout_at(ends, self.find(path.clone())).await;
        let location = found.map_err(|_| Error::Timeout { root: path, limit })??;
        let root = location.root.clone();
        let max = self.shared.max_repositories;
        let tracker = self.shared.trackers.track(location);
        let tracker = tracker.map_err(|_| Error::TooManyRepositories { max })?;
        let scanned = tokio::time::timeout_at(ends, scan(&tracker)).await;
        self.shared.trackers.linger(&tracker);
        let Ok(state) = scanned else { return Err(Error::Timeout { root, limit }) };
        let state = state?;
        match state.outcome {
            Outcome::Ok => Ok(state),
            Outcome::Removed => Err(Error::NotARepository { path: root }),
            Outcome::Unsupported(why) => Err(Error::Unsupported { root, why }),
            Outcome::Failed(why) => Err(Error::Scan { root, why }),
            Outcome::TooLong => Err(Error::Timeout { root, limit }),
            Outcome::Never => unreachable!("the scan is completed"),
        }
    }
}

impl Shared {
    /// Waits for a place among the looks for repositories. It goes to the thread that looks, for
    /// which nobody waits any more when a file system does not answer.
    pub(crate) async fn place_to_look(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.looks).acquire_owned().await.expect("never closed")
    }
}

impl Scan for Counted {
    fn scan(
        &mut self,
        dirty: Dirty,
        watching: &dyn Watching,
        stop: &AtomicBool,
    ) -> Result<Scanned, ScanError> {
        let began = Instant::now();
        let scanned = self.engine.scan(dirty, watching, stop);
        let took = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.counts.nanoseconds.fetch_add(took, Ordering::Relaxed);
        let counter = match &scanned {
            Ok(scanned) if scanned.was_full => &self.counts.full,
            Ok(_) => &self.counts.incremental,
            Err(_) => &self.counts.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        scanned
    }

    fn git_directories(&self) -> Vec<PathBuf> {
        self.engine.git_directories()
    }
}

/// The state after a scan that begins now. Events say what it has to look at, and without events
/// it is a whole one.
async fn scan(tracker: &Tracker) -> Result<State, Error> {
    let mut states = tracker.states();
    let ticket = tracker.request(Urgency::Now, Scope::Changed);
    let done = states.wait_for(|state| state.completed >= ticket).await;
    // Without an end of the scan the service ends.
    done.map(|state| state.clone()).map_err(|_| Error::ShuttingDown)
}

#[cfg(test)]
mod tests {
    use agent_api::{Classify, ErrorCode, WatchGitRequest};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn file_systems_that_do_not_answer_cost_a_minute_and_no_end() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_str().unwrap();
        let git = Git::new(
            Config::new(directory.path(), directory.path()),
            Launcher::new(agent_exec::Config::default()),
        );
        let mut stuck = Vec::new();
        for _ in 0..MAX_LOOKS {
            stuck.push(git.shared.place_to_look().await);
        }
        let began = tokio::time::Instant::now();
        let error = git.get_git_status(GetGitStatusRequest::new(root)).await.unwrap_err();
        assert_eq!((error.code(), began.elapsed()), (ErrorCode::DeadlineExceeded, STATUS_TIMEOUT));
        let mut watch = git.watch_git(&Caller::anonymous(), WatchGitRequest::default()).unwrap();
        watch.receive(&format!(r#"{{"type":"subscribe","paths":["{root}"]}}"#));
        tokio::time::timeout(Duration::from_secs(5), watch.next()).await.unwrap_err();
        drop(watch);
        tokio::time::timeout(Duration::from_secs(5), git.shutdown()).await.unwrap();
        drop(stuck);
    }
}
