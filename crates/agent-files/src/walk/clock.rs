//! How long a walk may go on: the request's time budget, and the flag of a caller that left.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// Longest time for a step that must be finished whatever the budget says.
///
/// It equals the largest time budget of a request, so that no request takes much longer than the
/// longest one it could have asked for.
const PATIENCE: Duration = Duration::from_secs(60);

/// The end of a request's time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock<'a> {
    started: Instant,
    deadline: Instant,
    stop: &'a AtomicBool,
}

impl<'a> Clock<'a> {
    /// Starts now; `stop` ends the time as soon as it is set.
    pub(crate) fn start(budget: Duration, stop: &'a AtomicBool) -> Self {
        let started = Instant::now();
        Self { started, deadline: started + budget, stop }
    }

    /// The same clock with at least a minute, for what must be finished.
    pub(crate) fn patient(self) -> Self {
        Self { deadline: self.deadline.max(self.started + PATIENCE), ..self }
    }

    /// Whether the time is over.
    pub(crate) fn is_over(&self) -> bool {
        self.is_stopped() || Instant::now() >= self.deadline
    }

    /// Whether nobody waits for the answer any more.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
