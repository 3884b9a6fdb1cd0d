//! The agent's states: which follows which, and when each was reached; what the agent does in them
//! is not known here.
//!
//! ```text
//!  created -> starting -> ready ---------+
//!                 |-----> start_error ---+--> shutting_down -> shutdown_error ---+--> off
//!                 +-----> start_timeout -+                 +-> shutdown_timeout -+
//!                                                          +---------------------+
//! ```
//!
//! A stop may also begin in `created` and `starting`.

pub(crate) mod http;
mod runs;

use std::{sync::Arc, time::SystemTime};

use agent_api::{Lifecycle, LifecycleState, StateChange};
use parking_lot::Mutex;

pub(crate) use runs::ScriptRuns;

/// Every state of this agent, in the order of the diagram.
pub(crate) const STATES: [LifecycleState; 9] = [
    LifecycleState::Created,
    LifecycleState::Starting,
    LifecycleState::Ready,
    LifecycleState::StartError,
    LifecycleState::StartTimeout,
    LifecycleState::ShuttingDown,
    LifecycleState::ShutdownError,
    LifecycleState::ShutdownTimeout,
    LifecycleState::Off,
];

/// What happens to an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Every listener is bound.
    Listening,
    /// Everything that runs at the start has ended.
    Started(Outcome),
    /// It shall stop.
    StopRequested,
    /// Everything that runs at the stop has ended.
    Stopped(Outcome),
    /// Nothing is left of it.
    Gone,
}

/// How everything that had to run ended; one that timed out outweighs failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Well, or there was nothing to run.
    Ok,
    /// Something failed.
    Failed,
    /// Something took too long.
    TimedOut,
}

impl Outcome {
    /// This when something else failed besides.
    pub(crate) fn and_failed(self) -> Self {
        match self {
            Self::Ok | Self::Failed => Self::Failed,
            Self::TimedOut => Self::TimedOut,
        }
    }
}

/// The state that follows; `None` when the event changes nothing in this state.
pub fn step(state: LifecycleState, event: Event) -> Option<LifecycleState> {
    use LifecycleState as S;
    match (state, event) {
        (S::Created, Event::Listening) => Some(S::Starting),
        (S::Starting, Event::Started(outcome)) => Some(match outcome {
            Outcome::Ok => S::Ready,
            Outcome::Failed => S::StartError,
            Outcome::TimedOut => S::StartTimeout,
        }),
        (
            S::Created | S::Starting | S::Ready | S::StartError | S::StartTimeout,
            Event::StopRequested,
        ) => Some(S::ShuttingDown),
        (S::ShuttingDown, Event::Stopped(outcome)) => Some(match outcome {
            Outcome::Ok => S::Off,
            Outcome::Failed => S::ShutdownError,
            Outcome::TimedOut => S::ShutdownTimeout,
        }),
        (S::ShuttingDown | S::ShutdownError | S::ShutdownTimeout, Event::Gone) => Some(S::Off),
        _ => None,
    }
}

/// The record of one agent's states; the clones are one record.
#[derive(Clone, Debug)]
pub struct Lifecycles {
    history: Arc<Mutex<Vec<StateChange>>>,
    script_runs: ScriptRuns,
}

impl Lifecycles {
    /// A record that begins now, in `created`.
    pub fn new() -> Self {
        let history = Arc::new(Mutex::new(vec![now(LifecycleState::Created)]));
        Self { history, script_runs: ScriptRuns::default() }
    }

    /// Records what follows from an event; an event that changes nothing is no fault.
    pub fn record(&self, event: Event) {
        let next = {
            let mut history = self.history.lock();
            let next = step(present(&history), event);
            history.extend(next.map(now));
            next
        };
        if let Some(state) = next {
            tracing::info!(state = name(state), "state");
        }
    }

    /// The present state.
    pub fn state(&self) -> LifecycleState {
        present(&self.history.lock())
    }

    /// The present state and all before it, and the runs of scripts.
    pub fn get_lifecycle(&self) -> Lifecycle {
        let history = self.history.lock().clone();
        Lifecycle { state: present(&history), history, scripts: self.script_runs.all() }
    }

    /// The record of script runs.
    pub(crate) fn script_runs(&self) -> &ScriptRuns {
        &self.script_runs
    }
}

impl Default for Lifecycles {
    fn default() -> Self {
        Self::new()
    }
}

/// The state as the wire writes it.
pub(crate) fn name(state: LifecycleState) -> &'static str {
    match state {
        LifecycleState::Created => "created",
        LifecycleState::Starting => "starting",
        LifecycleState::Ready => "ready",
        LifecycleState::StartError => "start_error",
        LifecycleState::StartTimeout => "start_timeout",
        LifecycleState::ShuttingDown => "shutting_down",
        LifecycleState::ShutdownError => "shutdown_error",
        LifecycleState::ShutdownTimeout => "shutdown_timeout",
        LifecycleState::Off => "off",
        _ => "unknown",
    }
}

fn present(history: &[StateChange]) -> LifecycleState {
    history.last().expect("a record begins with a state").state
}

fn now(state: LifecycleState) -> StateChange {
    StateChange { state, at: SystemTime::now().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_the_successors_of_the_diagram_and_no_others() {
        use LifecycleState as S;
        let events = [
            Event::Listening,
            Event::Started(Outcome::Ok),
            Event::Started(Outcome::Failed),
            Event::Started(Outcome::TimedOut),
            Event::StopRequested,
            Event::Stopped(Outcome::Ok),
            Event::Stopped(Outcome::Failed),
            Event::Stopped(Outcome::TimedOut),
            Event::Gone,
        ];
        let expected: [(S, &[S]); 9] = [
            (S::Created, &[S::Starting, S::ShuttingDown]),
            (S::Starting, &[S::Ready, S::StartError, S::StartTimeout, S::ShuttingDown]),
            (S::Ready, &[S::ShuttingDown]),
            (S::StartError, &[S::ShuttingDown]),
            (S::StartTimeout, &[S::ShuttingDown]),
            (S::ShuttingDown, &[S::Off, S::ShutdownError, S::ShutdownTimeout, S::Off]),
            (S::ShutdownError, &[S::Off]),
            (S::ShutdownTimeout, &[S::Off]),
            (S::Off, &[]),
        ];
        for (state, successors) in expected {
            let got: Vec<S> = events.iter().filter_map(|event| step(state, *event)).collect();
            assert_eq!(got, successors, "{state:?}");
        }
    }

    #[test]
    fn a_name_is_the_wires() {
        for state in STATES {
            assert_eq!(serde_json::to_value(state).unwrap(), name(state));
        }
    }

    #[test]
    fn each_state_is_recorded_once_with_its_time() {
        let lifecycles = Lifecycles::new();
        for event in [
            Event::Listening,
            Event::Listening,
            Event::Started(Outcome::Ok),
            Event::Stopped(Outcome::Ok),
            Event::StopRequested,
            Event::StopRequested,
            Event::Stopped(Outcome::Ok),
            Event::Gone,
        ] {
            lifecycles.record(event);
        }
        let lifecycle = lifecycles.get_lifecycle();
        let states: Vec<LifecycleState> = lifecycle.history.iter().map(|c| c.state).collect();
        use LifecycleState as S;
        assert_eq!(states, [S::Created, S::Starting, S::Ready, S::ShuttingDown, S::Off]);
        assert_eq!(lifecycle.state, S::Off);
        assert!(lifecycle.history.is_sorted_by_key(|change| change.at));
    }
}
