//! All repositories that are followed, by root.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, info_span};

use super::{
    Make, Outcome, Repository, State, TooMany, Tracker, places::Places, task, timing::Requests,
};
use crate::{events::Hub, repository::Location};

/// How long a repository is kept after a single question.
const LINGER: Duration = Duration::from_secs(60);
/// At most this many are kept so; the one asked about longest ago goes first.
const MAX_LINGERING: usize = 16;

/// Bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// Repositories followed at once.
    pub(crate) max_repositories: usize,
}

/// Counts for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Statistics {
    /// Repositories followed now.
    pub(crate) repositories: usize,
    /// Those of them that are polled.
    pub(crate) polled: usize,
}

/// The repositories that somebody follows or asked about a moment ago; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Trackers {
    shared: Arc<Shared>,
}

/// What the tasks need.
pub(super) struct Shared {
    config: Config,
    pub(super) hub: Hub,
    pub(super) make: Make,
    pub(super) places: Places,
    tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    map: Mutex<Map>,
}

#[derive(Debug, Default)]
struct Map {
    repositories: HashMap<PathBuf, Arc<Repository>>,
    /// Oldest first.
    lingering: VecDeque<Arc<Repository>>,
}

impl Trackers {
    /// Touches nothing; tasks run on `tasks` until `stop`.
    pub(crate) fn new(
        config: Config,
        hub: Hub,
        make: Make,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let places = Places::default();
        let map = Mutex::new(Map::default());
        let shared = Shared { config, hub, make, places, tasks, stop, map };
        Self { shared: Arc::new(shared) }
    }

    /// Follows a repository; the same root is followed once. No scan begins before it is
    /// requested or 30 seconds have passed. Must be called in a runtime.
    ///
    /// # Errors
    ///
    /// [`TooMany`] when all allowed are followed and none of them only lingers.
    pub(crate) fn track(&self, location: Location) -> Result<Tracker, TooMany> {
        let mut map = self.shared.map.lock();
        if let Some(known) = map.repositories.get(&location.root) {
            let is_live = !known.is_ended();
            if is_live && known.location == location {
                known.handles.fetch_add(1, Ordering::Relaxed);
                known.news.notify_one();
                return Ok(Tracker { repository: Arc::clone(known) });
            }
            // Another git directory at the same root: the old repository is gone.
            known.is_replaced.store(true, Ordering::Release);
            known.news.notify_one();
        } else if map.repositories.len() >= self.shared.config.max_repositories {
            let max = self.shared.config.max_repositories;
            map.make_room().ok_or(TooMany { max })?;
        }
        let (sender, state) = watch::channel(State { is_idle: true, ..State::default() });
        let repository = Arc::new(Repository::new(location, state));
        map.repositories.insert(repository.location.root.clone(), Arc::clone(&repository));
        drop(map);
        let tracker = Tracker { repository: Arc::clone(&repository) };
        let span = info_span!("git.track", root = %tracker.root().display());
        let task = task::track(Arc::clone(&self.shared), repository, sender);
        self.shared.tasks.spawn(task.instrument(span));
        Ok(tracker)
    }

    /// Keeps a repository for a minute after its last handle, without scanning it.
    pub(crate) fn linger(&self, tracker: &Tracker) {
        let mut map = self.shared.map.lock();
        let repository = &tracker.repository;
        *repository.lingers_until.lock() = Some(Instant::now() + LINGER);
        map.lingering.retain(|other| !Arc::ptr_eq(other, repository));
        map.lingering.push_back(Arc::clone(repository));
        if map.lingering.len() > MAX_LINGERING
            && let Some(oldest) = map.lingering.pop_front()
        {
            oldest.stop_lingering();
        }
    }

    /// Ends every task and waits for them; a running scan is stopped.
    pub(crate) async fn shutdown(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// The counts as they are now.
    pub(crate) fn statistics(&self) -> Statistics {
        let map = self.shared.map.lock();
        let is_polled = |of: &&Arc<Repository>| of.state.borrow().polling.is_some();
        Statistics {
            repositories: map.repositories.len(),
            polled: map.repositories.values().filter(is_polled).count(),
        }
    }
}

impl Shared {
    /// Takes a repository out of the map, unless somebody follows it and `only_unfollowed`.
    pub(super) fn remove(&self, repository: &Arc<Repository>, rule: Removal) -> bool {
        let mut map = self.map.lock();
        let is_needed = repository.handles.load(Ordering::Acquire) > 0
            || repository.lingers_until.lock().is_some_and(|until| until > Instant::now());
        if rule == Removal::Unneeded && is_needed {
            return false;
        }
        map.remove(repository);
        true
    }
}

/// When a repository may be taken out of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    /// Always.
    Always,
    /// If nobody needs it.
    Unneeded,
}

impl Map {
    fn remove(&mut self, repository: &Arc<Repository>) {
        self.lingering.retain(|other| !Arc::ptr_eq(other, repository));
        let root = &repository.location.root;
        if self.repositories.get(root).is_some_and(|known| Arc::ptr_eq(known, repository)) {
            self.repositories.remove(root);
        }
    }

    /// Gives up one that only lingers.
    fn make_room(&mut self) -> Option<()> {
        let is_free = |of: &&Arc<Repository>| of.handles.load(Ordering::Acquire) == 0;
        let free = self.repositories.values().find(is_free).cloned()?;
        self.remove(&free);
        free.stop_lingering();
        Some(())
    }
}

impl Repository {
    fn new(location: Location, state: watch::Receiver<State>) -> Self {
        Self {
            location,
            state,
            requests: Mutex::new(Requests::default()),
            handles: AtomicUsize::new(1),
            lingers_until: Mutex::new(None),
            is_replaced: AtomicBool::new(false),
            news: Notify::new(),
        }
    }

    fn is_ended(&self) -> bool {
        self.state.borrow().outcome == Outcome::Removed || self.state.has_changed().is_err()
    }

    fn stop_lingering(&self) {
        *self.lingers_until.lock() = None;
        self.news.notify_one();
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("map", &self.map).finish_non_exhaustive()
    }
}
