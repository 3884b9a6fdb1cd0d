//! When the engine is asked for its containers anew: soon after it tells of a change, when somebody
//! wants to know, and now and then in any case. What it answers is no matter here.
//!
//! ```text
//!              +---------+  opened: list   +------+
//!   start ---> | closed  | --------------> | open |  list every 60 s,
//!              | list    | <-------------- |      |  and at events
//!              | every   |  ended          +------+
//!              | 10 s    |
//!              +---------+
//! ```

use std::{collections::HashSet, sync::Arc, time::Duration};

use agent_api::causes;
use futures_util::future::BoxFuture;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, EngineError, Events, Listing};

/// Longest time between listings.
const ALWAYS: Duration = Duration::from_secs(60);

/// Longest time between listings while nothing tells of changes.
const WITHOUT_EVENTS: Duration = Duration::from_secs(10);

/// How long events are joined after those that led to a listing.
const BURST: Duration = Duration::from_millis(100);

/// How long the first event waits for others that come with it.
const LEAD: Duration = Duration::from_millis(5);

/// Longest wait of [`Follower::list_anew`].
const PATIENCE: Duration = Duration::from_secs(1);

/// Waits before the stream of events is opened again: from the first, doubled up to the last.
const AGAIN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Most distinct failures that are remembered to have been logged.
const MAX_LOGGED: usize = 256;

/// Asks for listings and hands them on; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Follower {
    engine: Engine,
    /// How often a listing was asked for.
    wanted: Arc<watch::Sender<u64>>,
    /// How many of those were asked for before the last listing that was heard began.
    served: Arc<watch::Sender<u64>>,
}

impl Follower {
    pub(crate) fn new(engine: Engine) -> Self {
        let counter = || Arc::new(watch::Sender::new(0));
        Self { engine, wanted: counter(), served: counter() }
    }

    /// Runs until `stop`. `heard` gets the outcome of each listing and how long it took, one after
    /// another. Failures are logged here, once for each text.
    pub(crate) async fn run(
        self,
        stop: CancellationToken,
        mut heard: impl FnMut(Result<Listing, EngineError>, Duration) + Send,
    ) {
        let mut wanted = self.wanted.subscribe();
        let mut state = State::new(self.engine.clone());
        let mut logged = Logged::default();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                // Before the stream, so that an engine that tells without a pause is listed.
                () = sleep_until(state.due) => {
                    let count = *wanted.borrow_and_update();
                    let started = state.begin();
                    let result = tokio::select! {
                        () = stop.cancelled() => return,
                        result = self.engine.list() => result,
                    };
                    state.end(&result);
                    logged.note(&result);
                    heard(result, started.elapsed());
                    self.served.send_replace(count);
                }
                _ = wanted.changed() => state.due = Instant::now(),
                () = state.stream.next(&self.engine) => state.told(),
            }
        }
    }

    /// Lists anew; returns when a listing that began after this call has been heard, or after 1 s.
    ///
    /// One listing serves all who asked before it began.
    pub(crate) async fn list_anew(&self) {
        let mut mine = 0;
        self.wanted.send_modify(|count| {
            *count += 1;
            mine = *count;
        });
        let mut served = self.served.subscribe();
        let _ = timeout(PATIENCE, served.wait_for(|served| *served >= mine)).await;
    }
}

/// When the next listing is due.
#[derive(Debug)]
struct State {
    engine: Engine,
    stream: Stream,
    due: Instant,
    /// When the last listing began.
    began: Option<Instant>,
    /// When the last listing of everything began.
    began_all: Option<Instant>,
    /// Whether the last listing failed.
    failed: bool,
}

impl State {
    fn new(engine: Engine) -> Self {
        let now = Instant::now();
        let stream =
            Stream { phase: Phase::Closed { until: now }, wait: AGAIN.0, told: Told::Event };
        Self { engine, stream, due: now, began: None, began_all: None, failed: false }
    }

    /// Takes what the stream told.
    fn told(&mut self) {
        let now = Instant::now();
        match self.stream.told {
            Told::Opened => {
                // What happened before is not told.
                self.engine.look_anew();
                self.due = now;
            }
            Told::Event => {
                let quiet = self.began.map_or(now, |began| began + BURST);
                self.due = self.due.min(quiet.max(now + LEAD));
            }
            Told::Ended => {
                self.engine.choose_anew();
                self.due = self.due.min(now + WITHOUT_EVENTS);
            }
        }
    }

    fn begin(&mut self) -> Instant {
        let now = Instant::now();
        self.began = Some(now);
        if self.began_all.is_none_or(|all| now >= all + ALWAYS) {
            self.engine.look_anew();
            self.began_all = Some(now);
        }
        let is_open = matches!(self.stream.phase, Phase::Open { .. });
        self.due = now + if is_open { ALWAYS } else { WITHOUT_EVENTS };
        now
    }

    fn end<T>(&mut self, result: &Result<T, EngineError>) {
        match result {
            // The engine is back, and need not be waited for.
            Ok(_) if self.failed => self.stream.hurry(),
            Ok(_) => {}
            Err(error) => {
                // A stream that an engine left half open would never end by itself.
                if error.is_unreachable() || matches!(error, EngineError::TimedOut { .. }) {
                    self.stream.close();
                }
                self.due = self.due.min(Instant::now() + WITHOUT_EVENTS);
            }
        }
        self.failed = result.is_err();
    }
}

/// The stream of events, opened again whenever it ended.
#[derive(Debug)]
struct Stream {
    phase: Phase,
    /// The wait after the next end.
    wait: Duration,
    told: Told,
}

enum Phase {
    Closed { until: Instant },
    Opening { events: BoxFuture<'static, Result<Events, EngineError>> },
    Open { events: Events, since: Instant },
}

impl std::fmt::Debug for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Closed { .. } => "Closed",
            Self::Opening { .. } => "Opening",
            Self::Open { .. } => "Open",
        })
    }
}

#[derive(Clone, Copy, Debug)]
enum Told {
    Opened,
    Event,
    Ended,
}

impl Stream {
    /// Waits until `told` is something new; may be dropped at any time.
    async fn next(&mut self, engine: &Engine) {
        loop {
            match &mut self.phase {
                Phase::Closed { until } => {
                    sleep_until(*until).await;
                    let engine = engine.clone();
                    let events = Box::pin(async move { engine.events().await });
                    self.phase = Phase::Opening { events };
                }
                Phase::Opening { events } => match events.await {
                    Ok(events) => {
                        self.phase = Phase::Open { events, since: Instant::now() };
                        self.told = Told::Opened;
                        return;
                    }
                    Err(error) => {
                        tracing::debug!(error = causes(Some(&error)), "no events of the engine");
                        self.close();
                    }
                },
                Phase::Open { events, .. } => {
                    let event = events.next().await;
                    self.told = if event.is_some() { Told::Event } else { Told::Ended };
                    if event.is_none() {
                        self.close();
                    }
                    return;
                }
            }
        }
    }

    /// Closes it; an engine that soon ends each stream is left alone for longer and longer.
    fn close(&mut self) {
        let now = Instant::now();
        if matches!(self.phase, Phase::Closed { .. }) {
            return;
        }
        if let Phase::Open { since, .. } = &self.phase
            && now >= *since + AGAIN.1
        {
            self.wait = AGAIN.0;
        }
        self.phase = Phase::Closed { until: now + self.wait };
        self.wait = (self.wait * 2).min(AGAIN.1);
    }

    /// Opens it at once.
    fn hurry(&mut self) {
        if let Phase::Closed { until } = &mut self.phase {
            *until = Instant::now();
        }
    }
}

/// The failures that were logged.
#[derive(Debug, Default)]
struct Logged {
    texts: HashSet<String>,
}

impl Logged {
    fn note<T>(&mut self, result: &Result<T, EngineError>) {
        let text = result.as_ref().err().and_then(|error| causes(Some(error)));
        let Some(text) = text else { return };
        if !self.texts.contains(&text) {
            tracing::warn!(error = text, "cannot list containers");
            if self.texts.len() == MAX_LOGGED {
                self.texts.clear();
            }
            self.texts.insert(text);
        }
    }
}

#[cfg(test)]
mod tests;
