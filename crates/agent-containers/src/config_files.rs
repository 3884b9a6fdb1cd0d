//! Notices when the configuration files of dev containers change.
//!
//! A file is watched through its directory, so that one that is replaced is seen as well as one that
//! is written to. Of a directory that is not there the nearest one above is watched until it is.
//! What a change means is no matter here.

#[cfg(target_os = "linux")]
mod watches;

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests;

#[cfg(not(target_os = "linux"))]
mod watches {
    //! Where there is no inotify, nothing is watched.

    use std::{
        collections::BTreeSet,
        path::{Path, PathBuf},
    };

    #[derive(Debug)]
    pub(super) struct Watches {}

    impl Watches {
        pub(super) fn new() -> Self {
            Self {}
        }

        pub(super) fn set(&mut self, paths: &BTreeSet<PathBuf>) -> Vec<String> {
            let warn = |path: &PathBuf| super::warning(path, "not on this system");
            paths.iter().map(warn).collect()
        }

        pub(super) async fn readable(_: &parking_lot::Mutex<Self>) {
            std::future::pending().await
        }

        pub(super) fn take(&mut self) -> Vec<PathBuf> {
            Vec::new()
        }
    }
}

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use agent_api::Timestamp;
use parking_lot::Mutex;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use watches::Watches;

/// The watched files; dropping it ends the watching.
pub(crate) struct ConfigFiles {
    watches: Arc<Mutex<Watches>>,
    tasks: TaskTracker,
    _stop: DropGuard,
}

impl fmt::Debug for ConfigFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigFiles").field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}

impl ConfigFiles {
    /// `changed` is called with the path and the time of each creation, change, removal or renaming
    /// of a watched file, on a task of its own. Needs a runtime.
    pub(crate) fn new(changed: impl Fn(&Path, Timestamp) + Send + Sync + 'static) -> Self {
        let watches = Arc::new(Mutex::new(Watches::new()));
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let listening = listen(Arc::clone(&watches), tasks.clone(), changed);
        tasks.spawn(stop.clone().run_until_cancelled_owned(listening));
        Self { watches, tasks, _stop: stop.drop_guard() }
    }

    /// Watches exactly these; answers a warning for each that cannot be watched. Blocking, shortly.
    pub(crate) fn set(&self, paths: BTreeSet<PathBuf>) -> Vec<String> {
        self.watches.lock().set(&paths)
    }
}

/// Tells of changes for as long as somebody waits for them.
async fn listen(
    watches: Arc<Mutex<Watches>>,
    tasks: TaskTracker,
    changed: impl Fn(&Path, Timestamp) + Send + Sync + 'static,
) {
    let changed = Arc::new(changed);
    loop {
        Watches::readable(&watches).await;
        let (watches, changed) = (Arc::clone(&watches), Arc::clone(&changed));
        // Directories are looked at, which may be slow ones.
        let telling = tasks.spawn_blocking(move || {
            let paths = watches.lock().take();
            let now = Timestamp::from(SystemTime::now());
            for path in paths {
                changed(&path, now);
            }
        });
        if telling.await.is_err() {
            return;
        }
    }
}

fn warning(path: &Path, why: &str) -> String {
    format!("cannot watch {}: {why}", path.display())
}
