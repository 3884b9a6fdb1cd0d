//! The service: its state, how its work is run and how it ends; each operation has a file of its
//! own.

use std::{path::PathBuf, sync::Arc};

use agent_api::{AbsolutePath, Caller};
use tokio::sync::{Semaphore, broadcast};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Config, Error, locks::Locks};

/// Events kept for a listener that lags; it is told how many it missed beyond.
const MAX_EVENTS: usize = 1024;
/// Changes at work; further ones wait. They outlive the clients that asked for them, so the limit
/// of requests does not bound them.
const MAX_CHANGES: usize = 512;
/// Searches of contents and names at the same time: enough to keep any machine busy, few enough
/// that their threads and directory handles stay in the hundreds.
pub(crate) const MAX_SEARCHES: usize = 16;
/// MiB of file contents that all edits at work may be reading; each is held up to three times.
pub(crate) const MAX_EDIT_MIB: u32 = 256;

/// Files of the machine: reads, changes, listings and searches.
///
/// Cheap to clone; the clones are one service. Every operation checks its request before it
/// touches a disk.
#[derive(Clone, Debug)]
pub struct Files {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) locks: Locks,
    /// MiB of contents that edits may hold in memory together; further ones wait.
    pub(crate) edit_memory: Arc<Semaphore>,
    /// Searches at work; each has threads of its own, so further ones wait.
    pub(crate) searches: Semaphore,
    changes: Arc<Semaphore>,
    stop: CancellationToken,
    tasks: TaskTracker,
    events: broadcast::Sender<Event>,
}

/// Something that other capabilities may want to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Files were written or edited for a chat by one call.
    ///
    /// One event for all of them: a call may edit more files than there is room for events.
    Wrote {
        /// The cleaned paths as the caller gave them; at least one.
        paths: Vec<AbsolutePath>,
        /// The chat and its ancestors.
        by: Caller,
    },
}

impl Files {
    /// Makes the service; touches nothing.
    pub fn new(config: Config) -> Self {
        let shared = Shared {
            config,
            locks: Locks::default(),
            edit_memory: Arc::new(Semaphore::new(MAX_EDIT_MIB as usize)),
            searches: Semaphore::new(MAX_SEARCHES),
            changes: Arc::new(Semaphore::new(MAX_CHANGES)),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            events: broadcast::Sender::new(MAX_EVENTS),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Hears of every change made for a chat from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.shared.events.subscribe()
    }

    /// Refuses new changes and waits for those that have begun.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// Tells listeners which files a call has changed for a chat; for nobody's changes nothing is
    /// told.
    pub(crate) fn record(&self, caller: &Caller, paths: Vec<AbsolutePath>) {
        if caller.chat.is_some() && !paths.is_empty() {
            let event = Event::Wrote { paths, by: caller.clone() };
            // Nobody may be listening.
            let _ = self.shared.events.send(event);
        }
    }

    /// Runs a change to its end, whether or not its caller waits for it.
    ///
    /// # Errors
    ///
    /// [`Error::ShuttingDown`] after [`Files::shutdown`] began, else what `work` answers.
    pub(crate) async fn change<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let change = Arc::clone(&self.shared.changes).acquire_owned().await.expect("never closed");
        // Taken before `stop` is looked at, so that a shutdown that comes between waits.
        let _begins = self.shared.tasks.token();
        if self.shared.stop.is_cancelled() {
            return Err(Error::ShuttingDown);
        }
        let span = tracing::Span::current();
        let work = tracing::Instrument::instrument(work, span);
        let work = async move {
            let done = work.await;
            drop(change);
            done
        };
        self.shared.tasks.spawn(work).await.map_err(Error::Panicked)?
    }
}

/// Runs blocking work on the pool for it; a caller that leaves abandons the answer, not the work.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Error> + Send + 'static,
{
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work)).await.map_err(Error::Panicked)?
}

/// Reads the path of a request.
pub(crate) fn parse_path(field: &str, text: &str) -> Result<AbsolutePath, Error> {
    AbsolutePath::parse(text).map_err(|source| Error::Path { field: field.to_owned(), source })
}

/// The path as it is shown to a client, invalid UTF-8 replaced.
pub(crate) fn shown(path: PathBuf) -> String {
    path.into_os_string().into_string().unwrap_or_else(|raw| raw.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn changes_whose_callers_left_are_bounded_and_run_to_their_end() {
        let files = Files::new(Config::new("/", "/"));
        let (go_on, done) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        for _ in 0..=MAX_CHANGES {
            let (go_on, done) = (Arc::clone(&go_on), Arc::clone(&done));
            let change = files.change(async move {
                go_on.acquire().await.expect("never closed").forget();
                done.add_permits(1);
                Ok(())
            });
            assert!(tokio::task::unconstrained(change).now_or_never().is_none());
        }
        assert_eq!(files.shared.tasks.len(), MAX_CHANGES);
        go_on.add_permits(MAX_CHANGES);
        files.shutdown().await;
        assert_eq!(done.available_permits(), MAX_CHANGES);
        let late = files.change(async { Ok(()) }).await;
        assert!(matches!(late, Err(Error::ShuttingDown)));
    }
}
