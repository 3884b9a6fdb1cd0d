//! One scan, from its permit to its result: on a blocking thread, cut when it takes too long.

use std::{
    error::Error,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::{JoinError, JoinHandle, spawn_blocking},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{Outcome, Scan};
use crate::{
    engine::{ScanError, Scanned},
    events::{Hub, Registration},
    model::Dirty,
};

/// Longest scan.
pub(super) const MAX_SCAN: Duration = Duration::from_secs(60);
/// Scans that follow at once because git directories turned out to be new.
const MAX_FOLLOWING: usize = 3;

/// What a scan works with; moved to its thread and back.
pub(super) struct Tools {
    pub(super) engine: Box<dyn Scan>,
    pub(super) registration: Registration,
}

pub(super) type Returned = (Tools, Result<Scanned, ScanError>);

/// A scan on its thread.
pub(super) struct Running {
    thread: JoinHandle<Returned>,
    stop: Arc<AtomicBool>,
    ends: Instant,
}

/// A scan that ended: its tools and its result, which a panic loses.
pub(super) struct Finished(pub(super) Option<Returned>);

impl Running {
    /// Begins a scan of what `dirty` says and what events said before.
    pub(super) fn begin(hub: Hub, mut tools: Tools, everything: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread = spawn_blocking(move || {
            let result = scan(&hub, &mut tools, everything, &flag);
            (tools, result)
        });
        Self { thread, stop, ends: Instant::now() + MAX_SCAN }
    }

    /// Waits for the end; `None` when the time is up, and then the scan has been told to stop and
    /// is to be waited for again. Stops it at shutdown.
    pub(super) async fn finish(&mut self, stop: &CancellationToken) -> Option<Finished> {
        let in_time = tokio::select! {
            in_time = timeout_at(self.ends, &mut self.thread) => in_time,
            () = stop.cancelled() => {
                self.stop.store(true, Ordering::Relaxed);
                Ok((&mut self.thread).await)
            }
        };
        if in_time.is_err() {
            self.stop.store(true, Ordering::Relaxed);
        }
        in_time.ok().map(Finished::new)
    }

    /// Waits for a scan that has been told to stop. Cancel-safe until it has ended.
    pub(super) async fn stopped(&mut self) -> Finished {
        Finished::new((&mut self.thread).await)
    }
}

impl Finished {
    fn new(joined: Result<Returned, JoinError>) -> Self {
        Self(joined.inspect_err(|error| error!(%error, "a scan panicked")).ok())
    }
}

fn scan(
    hub: &Hub,
    tools: &mut Tools,
    everything: bool,
    stop: &AtomicBool,
) -> Result<Scanned, ScanError> {
    let Tools { engine, registration } = tools;
    let has_new = watch_git(engine.as_ref(), registration);
    // What was written before the scan began is dirty after this.
    hub.drain();
    let mut dirty = registration.take();
    dirty.all |= everything;
    dirty.git |= has_new;
    let mut result = engine.scan(dirty, registration, stop)?;
    for _ in 0..MAX_FOLLOWING {
        // The first scan finds out which directories matter, and what happened in them meanwhile
        // was not seen.
        if !watch_git(engine.as_ref(), registration) {
            break;
        }
        let git = Dirty { git: true, ..Dirty::default() };
        let was_full = result.was_full;
        result = engine.scan(git, registration, stop)?;
        result.was_full |= was_full;
    }
    Ok(result)
}

fn watch_git(engine: &dyn Scan, registration: &Registration) -> bool {
    let directories: Vec<PathBuf> = engine.git_directories();
    registration.watch_git(&directories)
}

/// How a failed scan is shown.
pub(super) fn outcome(error: &ScanError) -> Outcome {
    match error {
        ScanError::Removed => Outcome::Removed,
        ScanError::Unsupported { why } => Outcome::Unsupported(why.clone()),
        ScanError::Stopped => Outcome::TooLong,
        ScanError::Failed { .. } => Outcome::Failed(chain(error)),
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
