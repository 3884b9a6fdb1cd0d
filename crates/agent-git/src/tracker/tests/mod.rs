//! Trackers under paused time, with engines that do as they are told.

mod lives;
mod scans;

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use tempfile::TempDir;
use tokio::{sync::watch, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Config, Make, Outcome, Scan, Scope, State, Ticket, Tracker, Trackers, Urgency};
use crate::{
    engine::{ScanError, Scanned},
    events::Hub,
    model::{Dirty, Snapshot, Watching},
    repository::Location,
};

const SECOND: Duration = Duration::from_secs(1);
/// Longer than anything a test waits for; in paused time it costs nothing.
const LONG: Duration = Duration::from_secs(3600);

/// What an engine does next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Answer {
    /// A snapshot of the branch of the script.
    #[default]
    Snapshot,
    Removed,
    Unsupported,
    Failed,
    Panic,
    /// Waits for the stop flag.
    Hang,
    /// Waits until the answer is another.
    Wait,
}

/// One scan as it was asked for.
#[derive(Clone, Debug)]
struct Seen {
    root: PathBuf,
    at: Instant,
    dirty: Dirty,
}

/// What all engines of a test do, and did.
#[derive(Default)]
struct Script {
    answer: Mutex<Answer>,
    changed: Condvar,
    branch: Mutex<String>,
    seen: Mutex<Vec<Seen>>,
    made: AtomicUsize,
    running: watch::Sender<usize>,
}

struct Fake {
    root: PathBuf,
    script: Arc<Script>,
}

impl Script {
    fn say(&self, answer: Answer) {
        *self.answer.lock() = answer;
        self.changed.notify_all();
    }

    fn answer(&self, stop: &AtomicBool) -> Result<Scanned, ScanError> {
        let mut answer = self.answer.lock();
        while *answer == Answer::Wait {
            self.changed.wait(&mut answer);
        }
        let now = *answer;
        drop(answer);
        match now {
            Answer::Removed => Err(ScanError::Removed),
            Answer::Unsupported => Err(ScanError::Unsupported { why: "too new".to_owned() }),
            Answer::Failed => Err(ScanError::failed("read the index", "it is no index")),
            Answer::Panic => panic!("as the script says"),
            Answer::Hang => {
                while !stop.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                Err(ScanError::Stopped)
            }
            Answer::Snapshot | Answer::Wait => {
                let mut snapshot = Snapshot::default();
                snapshot.repository.branch = Some(self.branch.lock().clone());
                Ok(Scanned { snapshot, was_full: true })
            }
        }
    }
}

impl Scan for Fake {
    fn scan(
        &mut self,
        dirty: Dirty,
        watching: &dyn Watching,
        stop: &AtomicBool,
    ) -> Result<Scanned, ScanError> {
        watching.watch(b"");
        let seen = Seen { root: self.root.clone(), at: Instant::now(), dirty };
        self.script.seen.lock().push(seen);
        self.script.running.send_modify(|running| *running += 1);
        let result = self.script.answer(stop);
        self.script.running.send_modify(|running| *running -= 1);
        result
    }

    fn git_directories(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

struct World {
    dir: TempDir,
    script: Arc<Script>,
    hub: Hub,
    trackers: Trackers,
}

impl World {
    fn new() -> Self {
        Self::with_limits(1000, 100)
    }

    fn with_limits(max_watches: usize, max_repositories: usize) -> Self {
        let script = Arc::new(Script::default());
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let hub = Hub::new(max_watches, tasks.clone(), stop.clone());
        let make: Make = {
            let script = Arc::clone(&script);
            Arc::new(move |location: &Location| {
                script.made.fetch_add(1, Ordering::Relaxed);
                Box::new(Fake { root: location.root.clone(), script: Arc::clone(&script) })
            })
        };
        let trackers = Trackers::new(Config { max_repositories }, hub.clone(), make, tasks, stop);
        Self { dir: tempfile::tempdir().unwrap(), script, hub, trackers }
    }

    fn location(&self, name: &str) -> Location {
        let root = self.dir.path().canonicalize().unwrap().join(name);
        fs::create_dir_all(&root).unwrap();
        let git_dir = root.join(".git");
        Location { root, common_dir: git_dir.clone(), git_dir }
    }

    fn track(&self, name: &str) -> Tracker {
        self.trackers.track(self.location(name)).unwrap()
    }

    fn scans(&self) -> Vec<Seen> {
        self.script.seen.lock().clone()
    }

    /// The tracker's last scan once there were `count` of all trackers.
    async fn wait_for_scans(&self, tracker: &Tracker, count: usize) -> Seen {
        let mut states = tracker.states();
        let seen = async {
            while self.scans().len() < count {
                states.changed().await.unwrap();
            }
        };
        tokio::time::timeout(LONG, seen).await.unwrap();
        self.scans()[count - 1].clone()
    }
}

/// A scan that begins now; the state when it is done.
async fn scan(tracker: &Tracker) -> State {
    let ticket = tracker.request(Urgency::Now, Scope::Changed);
    completed(tracker, ticket).await
}

async fn completed(tracker: &Tracker, ticket: Ticket) -> State {
    wait_for(tracker, |state| state.completed >= ticket).await
}

async fn wait_for(tracker: &Tracker, is_met: impl FnMut(&State) -> bool) -> State {
    let mut states = tracker.states();
    let met = tokio::time::timeout(LONG, states.wait_for(is_met)).await;
    met.unwrap().unwrap().clone()
}
