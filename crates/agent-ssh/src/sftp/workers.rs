//! Who may wait for the disk: SFTP has its share of the threads for that, and no more.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::Error;

/// Most threads that all sessions together have at a time. The process has 64, and logins need
/// some, also when a file system hangs or clients copy without end.
pub(super) const MAX_WORKERS: usize = 16;

/// The threads of all sessions of a server; the clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Workers(Arc<Semaphore>);

impl Default for Workers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_WORKERS)))
    }
}

impl Workers {
    /// Does work that may wait for the disk, in the order of the calls.
    ///
    /// # Errors
    ///
    /// [`Error::Panicked`] when the work panics or the process ends.
    ///
    /// # Cancellation
    ///
    /// Work that has a thread goes on, and keeps it to its end.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let place = Arc::clone(&self.0).acquire_owned().await.expect("it is never closed");
        let working = spawn_blocking(move || {
            let done = work();
            drop(place);
            done
        });
        working.await.map_err(Error::Panicked)
    }

    /// Waits until nothing is done.
    #[cfg(test)]
    pub(super) async fn all_idle(&self) {
        drop(self.0.acquire_many(MAX_WORKERS as u32).await.expect("it is never closed"));
    }
}
