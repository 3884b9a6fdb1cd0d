//! A terminal in the table: what is known of it, where it is in its life, and how its id is freed.
//!
//! ```text
//!   starting ──▶ ready ──▶ closing ──▶ done
//!      └──▶ failed                      the id is free in both
//! ```

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use agent_api::{TerminalBackend, TerminalId, TerminalRecord, TerminalState};
use agent_exec::Size;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{Error, attachment::Line, contained::Place, request::Creation};

/// The terminals by id.
pub(crate) type Table = Mutex<HashMap<TerminalId, Arc<Entry>>>;

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: TerminalId,
    /// Grows with each terminal that is created.
    pub(crate) number: u64,
    pub(crate) backend: TerminalBackend,
    pub(crate) command: String,
    /// Boxed, because few have one.
    pub(crate) container: Option<Box<Place>>,
    pub(crate) line: Arc<Line>,
    pub(crate) facts: Mutex<Facts>,
    phase: watch::Sender<Phase>,
}

/// What changes about a terminal while it lives.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) size: Size,
    pub(crate) title: String,
    pub(crate) pid: Option<u32>,
    pub(crate) attached: usize,
    pub(crate) created_at: SystemTime,
    pub(crate) last_output_at: SystemTime,
    pub(crate) expires_at: Option<SystemTime>,
}

/// Where a terminal is in its life.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    Starting,
    Ready,
    Closing,
    Failed(Error),
    Done,
}

impl Entry {
    pub(crate) fn new(
        id: TerminalId,
        number: u64,
        creation: &Creation,
        (line, size): (Arc<Line>, Size),
    ) -> Self {
        let now = SystemTime::now();
        let facts = Facts {
            size,
            title: String::new(),
            pid: None,
            attached: 0,
            created_at: now,
            last_output_at: now,
            expires_at: None,
        };
        let (facts, phase) = (Mutex::new(facts), watch::Sender::new(Phase::Starting));
        let Creation { backend, command, container } = creation.clone();
        let container = container.map(Box::new);
        Self { id, number, backend, command, container, line, facts, phase }
    }

    pub(crate) fn phases(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    /// Waits until the id is free.
    pub(crate) async fn done(&self) {
        let mut phases = self.phases();
        // The sender is in `self`.
        let _ = phases.wait_for(|phase| matches!(phase, Phase::Failed(_) | Phase::Done)).await;
    }

    pub(crate) fn record(&self) -> TerminalRecord {
        let state = match *self.phase.borrow() {
            Phase::Starting => TerminalState::Starting,
            Phase::Ready => TerminalState::Ready,
            Phase::Closing | Phase::Failed(_) | Phase::Done => TerminalState::Closing,
        };
        let facts = self.facts.lock();
        TerminalRecord {
            id: self.id,
            state,
            backend: self.backend,
            command: self.command.clone(),
            rows: facts.size.rows,
            cols: facts.size.cols,
            title: facts.title.clone(),
            pid: facts.pid,
            attached: u32::try_from(facts.attached).unwrap_or(u32::MAX),
            container: self.container.as_ref().map(|place| place.container.clone()),
            container_user: self.container.as_ref().and_then(|place| place.user.clone()),
            created_at: facts.created_at.into(),
            last_output_at: facts.last_output_at.into(),
            expires_at: facts.expires_at.map(Into::into),
        }
    }
}

/// Holds an id for its terminal, and frees it whatever ends the terminal's task.
#[derive(Debug)]
pub(crate) struct Tenancy {
    table: Arc<Table>,
    pub(crate) entry: Arc<Entry>,
    outcome: Phase,
}

impl Tenancy {
    pub(crate) fn new(table: Arc<Table>, entry: Arc<Entry>) -> Self {
        // Until it is known better, only a panic can end it.
        Self { table, entry, outcome: Phase::Failed(Error::Panicked) }
    }

    /// Frees the id because the terminal did not come to be.
    pub(crate) fn fail(mut self, error: Error) {
        self.outcome = Phase::Failed(error);
    }

    /// Frees the id because the terminal is over.
    pub(crate) fn end(mut self) {
        self.outcome = Phase::Done;
    }
}

impl Drop for Tenancy {
    fn drop(&mut self) {
        self.table.lock().remove(&self.entry.id);
        self.entry.enter(self.outcome.clone());
    }
}
