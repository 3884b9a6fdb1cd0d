//! Writes the log of one run, a batch at a time.

use agent_api::DevContainerLogLevel;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{disk::Disk, entry};

/// Writes the log of one run, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct LogWriter {
    /// Lines for the next flush.
    batch: Vec<u8>,
    state: State,
}

#[derive(Debug)]
enum State {
    Idle(Box<Disk>),
    /// Writes a batch on the blocking pool, also when nobody waits for it any more.
    Writing(JoinHandle<Box<Disk>>),
    /// The runtime stops.
    Gone,
}

impl LogWriter {
    pub(super) fn new(disk: Disk) -> Self {
        Self { batch: Vec::new(), state: State::Idle(Box::new(disk)) }
    }

    /// Adds an entry, which readers see after the next [`LogWriter::flush`].
    ///
    /// A text longer than 8 MiB is cut, and says so.
    pub(crate) fn write(&mut self, level: DevContainerLogLevel, text: &str) {
        self.batch.extend_from_slice(&entry::line(&entry::entry(level, text)));
    }

    /// Puts what was added on the disk; what the disk refuses is counted and told later.
    ///
    /// # Cancellation
    ///
    /// What was added is written all the same.
    pub(crate) async fn flush(&mut self) {
        self.settle().await;
        if self.batch.is_empty() {
            return;
        }
        let batch = std::mem::take(&mut self.batch);
        self.state = match std::mem::replace(&mut self.state, State::Gone) {
            State::Idle(mut disk) => State::Writing(spawn_blocking(move || {
                disk.append(&batch);
                disk
            })),
            other => other,
        };
        self.settle().await;
    }

    /// Waits for the batch that is being written.
    async fn settle(&mut self) {
        if let State::Writing(writing) = &mut self.state {
            self.state = match writing.await {
                Ok(disk) => State::Idle(disk),
                Err(_) => State::Gone,
            };
        }
    }
}
