//! The task of one repository: waits for a reason, scans, says what was found.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime},
};

use agent_api::Timestamp;
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, sleep_until},
};
use tracing::{debug, info};

use super::{
    Outcome, Repository, Scope, State, Ticket, Urgency,
    run::{self, Finished, Running, Tools},
    timing::{Ended, Step, Timing},
    trackers::{Removal, Shared},
};
use crate::engine::{ScanError, Scanned};

/// A repository that another one has replaced is not said to be gone sooner after its beginning.
const REPLACED_AFTER: Duration = Duration::from_secs(1);

/// Follows a repository until nobody needs it, it is gone, or the agent stops.
pub(super) async fn track(
    shared: Arc<Shared>,
    repository: Arc<Repository>,
    state: watch::Sender<State>,
) {
    info!("following");
    let mut task = Task::new(Arc::clone(&shared), Arc::clone(&repository), state);
    while task.step().await {}
    shared.remove(&repository, Removal::Always);
    if let Some(tools) = task.tools.take() {
        // Giving thousands of watches back blocks for a while; nobody waits for the result.
        let _ = spawn_blocking(move || drop(tools)).await;
    }
    info!("no longer following");
}

struct Task {
    shared: Arc<Shared>,
    repository: Arc<Repository>,
    state: watch::Sender<State>,
    timing: Timing,
    began: Instant,
    /// Absent while a scan has them.
    tools: Option<Tools>,
    /// What earlier registrations counted.
    nested: u64,
}

/// A scan that is about to be published.
struct Scan {
    ticket: Ticket,
    began: Instant,
    began_at: Timestamp,
    was_whole: bool,
}

impl Task {
    fn new(shared: Arc<Shared>, repository: Arc<Repository>, state: watch::Sender<State>) -> Self {
        let began = Instant::now();
        let timing = Timing::new(began);
        Self { shared, repository, state, timing, began, tools: None, nested: 0 }
    }

    fn tools(&mut self) -> &Tools {
        self.tools.get_or_insert_with(|| Tools {
            engine: (self.shared.make)(&self.repository.location),
            registration: self.shared.hub.register(&self.repository.location.root),
        })
    }

    /// Waits for the next thing and does it; false at the end.
    async fn step(&mut self) -> bool {
        if self.repository.is_replaced.load(Ordering::Acquire) {
            // Where two git directories claim one root, their followers replace each other without
            // end, but not without rest.
            let until = self.began + REPLACED_AFTER;
            tokio::select! {
                () = sleep_until(until) => {}
                () = self.shared.stop.cancelled() => {}
            }
            self.state.send_modify(State::remove);
        }
        if self.shared.stop.is_cancelled() || self.state.borrow().outcome == Outcome::Removed {
            return false;
        }
        self.timing.is_followed = self.repository.handles.load(Ordering::Acquire) > 0;
        self.timing.lingers_until = *self.repository.lingers_until.lock();
        let requests = self.repository.requests.lock().clone();
        match self.timing.next(&requests, Instant::now()) {
            Step::Wait(until) => {
                if self.timing.is_due(&requests) {
                    self.wake();
                }
                self.wait(until).await;
            }
            Step::Scan { whole, retry } => self.scan(whole, retry).await,
            Step::End => return !self.shared.remove(&self.repository, Removal::Unneeded),
        }
        true
    }

    async fn wait(&mut self, until: Instant) {
        let has_event = self.timing.event.is_some();
        let (repository, shared) = (Arc::clone(&self.repository), Arc::clone(&self.shared));
        let registration = &self.tools().registration;
        tokio::select! {
            () = shared.stop.cancelled() => {}
            () = repository.news.notified() => {}
            () = sleep_until(until) => {}
            () = registration.changed(), if !has_event => {
                self.timing.event = Some(Instant::now());
                self.wake();
            }
        }
    }

    async fn scan(&mut self, whole: bool, retry: bool) {
        let shared = Arc::clone(&self.shared);
        let place = tokio::select! {
            place = shared.places.take() => place,
            () = shared.stop.cancelled() => return,
        };
        if self.repository.handles.load(Ordering::Acquire) == 0 {
            return; // Nobody waits for it any more.
        }
        if retry {
            self.tools().registration.retry();
            self.timing.retried();
        }
        self.tools();
        let Some(tools) = self.tools.take() else { return };
        let (ticket, everything) = self.repository.requests.lock().begin();
        self.timing.event = None;
        self.wake();
        let began_at = Timestamp::from(SystemTime::now());
        let scan = Scan { ticket, began: Instant::now(), began_at, was_whole: false };
        let mut running = Running::begin(shared.hub.clone(), tools, whole || everything);
        let finished = tokio::select! {
            finished = running.finish(&shared.stop) => finished,
            never = place.keep() => match never {},
        };
        let finished = match finished {
            Some(finished) => finished,
            None => {
                // Said now, although the thread may hang in the system a while longer.
                self.publish(&scan, Err(Outcome::TooLong));
                self.give_up(&mut running).await
            }
        };
        self.finish(scan, finished);
    }

    /// Waits for a scan that has been told to stop. What is asked for meanwhile is answered by the
    /// same failure, and done afterwards.
    async fn give_up(&mut self, running: &mut Running) -> Finished {
        let repository = Arc::clone(&self.repository);
        let mut is_asked = false;
        loop {
            tokio::select! {
                finished = running.stopped() => {
                    if is_asked {
                        let mut requests = repository.requests.lock();
                        requests.add(Urgency::Soon, Scope::Everything, Instant::now());
                    }
                    return finished;
                }
                () = repository.news.notified() => {}
            }
            let mut requests = repository.requests.lock();
            if requests.is_empty() {
                continue;
            }
            let (ticket, _) = requests.begin();
            drop(requests);
            is_asked = true;
            self.state.send_modify(|state| state.completed = ticket);
        }
    }

    fn finish(&mut self, mut scan: Scan, finished: Finished) {
        let result = match finished.0 {
            Some((tools, result)) => {
                self.tools = Some(tools);
                result.map_err(|error| failure(&error))
            }
            None => {
                self.nested = self.state.borrow().nested + 1;
                Err(Outcome::Failed("the scan failed unexpectedly".to_owned()))
            }
        };
        if self.shared.stop.is_cancelled() {
            return; // It was stopped for that, which is no failure.
        }
        scan.was_whole = result.as_ref().is_ok_and(|scanned| scanned.was_full);
        let now = Instant::now();
        let registration = &self.tools().registration;
        let (is_polling, is_dirty) = (registration.exhausted().is_some(), registration.is_dirty());
        self.timing.ended(Ended {
            at: now,
            took: now - scan.began,
            was_whole: scan.was_whole,
            failed: matches!(&result, Err(outcome) if outcome.failure().is_some()),
            is_polling,
        });
        if is_dirty {
            self.timing.event = Some(now);
        }
        self.publish(&scan, result);
    }

    /// Shows how a scan ended.
    fn publish(&mut self, scan: &Scan, result: Result<Scanned, Outcome>) {
        let (polling, nested) = match &self.tools {
            Some(tools) => {
                let why = tools.registration.exhausted();
                (why.map(|why| why.to_string()), self.nested + tools.registration.nested())
            }
            None => {
                let state = self.state.borrow();
                (state.polling.clone(), state.nested)
            }
        };
        let is_due = self.timing.is_due(&self.repository.requests.lock());
        self.state.send_modify(|state| {
            state.completed = state.completed.max(scan.ticket);
            state.is_idle = !is_due;
            state.polling = polling;
            state.nested = nested;
            match result {
                Ok(scanned) => {
                    state.outcome = Outcome::Ok;
                    state.scanned_at = Some(scan.began_at);
                    if state.snapshot.as_deref() != Some(&scanned.snapshot) {
                        state.snapshot = Some(Arc::new(scanned.snapshot));
                    }
                }
                Err(Outcome::Removed) => state.remove(),
                Err(outcome) => state.outcome = outcome,
            }
        });
    }

    /// Something is due.
    fn wake(&self) {
        self.state.send_if_modified(|state| std::mem::replace(&mut state.is_idle, false));
    }
}

fn failure(error: &ScanError) -> Outcome {
    debug!(%error, "no snapshot");
    run::outcome(error)
}

impl State {
    /// The repository is gone: whatever was asked for is answered by that.
    pub(super) fn remove(&mut self) {
        self.completed = Ticket(u64::MAX);
        self.is_idle = true;
        self.outcome = Outcome::Removed;
        self.snapshot = None;
    }
}
