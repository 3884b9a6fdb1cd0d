//! Logs of bringing dev containers up, on disk: the last two runs of each, bounded, readable while they
//! are written and after a restart of the agent.
//!
//! ```text
//! LogWriter ──flush──▶ Disk ──▶ ID.1.log, the run before it in ID.2.log
//!                        │ geometry of the file, by a watch channel
//!                        ▼
//!                    LogReader, any number, each as fast as it likes
//! ```
//!
//! A run is a line of bytes that only grows. Readers know where they are in it and read the file
//! themselves, so nothing is held for them and nobody waits for them.

mod disk;
mod entry;
mod reader;
mod writer;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::{sync::watch, task::spawn_blocking};
use uuid::Uuid;

use disk::{Disk, Geometry};
#[cfg(feature = "http")]
pub(crate) use entry::fit;
pub(crate) use reader::LogReader;
pub(crate) use writer::LogWriter;

/// The most bytes of one run on the disk.
const MAX_RUN_BYTES: u64 = 10 * 1024 * 1024;

/// The logs of all dev containers; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Logs {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    /// What is being written at the moment.
    live: Mutex<HashMap<Uuid, watch::Receiver<Geometry>>>,
}

impl Logs {
    /// Keeps them in this directory, which is created when something is written.
    pub(crate) fn new(directory: impl Into<PathBuf>) -> Self {
        let shared = Shared { directory: directory.into(), live: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// Begins the log of another run, which is from now on the one that is read.
    ///
    /// Looks at no disk; begin before anybody is told that the run was started.
    pub(crate) fn begin(&self, id: Uuid) -> LogWriter {
        let (geometry, live) = watch::channel(Geometry::default());
        self.shared.live.lock().insert(id, live);
        LogWriter::new(Disk::new(self.shared.clone(), id, geometry))
    }

    /// Reads the log of the latest run: as far as it is now, or with `follow` until that run ends.
    ///
    /// Looks at no disk yet. Without a run there is nothing to read.
    pub(crate) fn read(&self, id: Uuid, follow: bool) -> LogReader {
        match self.shared.live.lock().get(&id) {
            Some(live) => LogReader::of_live(live.clone(), follow),
            None => LogReader::of_file(self.shared.path(id, 1)),
        }
    }

    /// Removes every log of a dev container that is not being brought up.
    pub(crate) async fn forget(&self, id: Uuid) {
        let shared = self.shared.clone();
        let removed = spawn_blocking(move || {
            for run in [1, 2] {
                // Usually there is none; what cannot be removed is bounded anyway.
                let _ = std::fs::remove_file(shared.path(id, run));
            }
        });
        let _ = removed.await;
    }
}

impl Shared {
    /// Where a run is kept: 1 is the latest, 2 the one before.
    fn path(&self, id: Uuid, run: u8) -> PathBuf {
        self.directory.join(format!("{id}.{run}.log"))
    }

    fn directory(&self) -> &Path {
        &self.directory
    }
}

#[cfg(test)]
mod tests;
