//! One process as the service knows it: what was asked, how it stands, and how it is reached.
//!
//! ```text
//!             leader ends, its bytes       last writer
//!               are in the journal            gone
//! [running] -----------------------> [exited] ----> [closed]
//!      \                                 |             |
//!       +--------------------------------+-------------+--> removed
//! ```
//!
//! A task of the process (`life`) makes these steps; everybody else reads them in [`Status`].

mod copier;
mod input;
mod life;

use std::{sync::Weak, time::Duration};

use agent_api::{ChatId, ProcessId};
use agent_exec::{Child, Pty, Tree};
use tokio::{sync::watch, time::Instant};

use crate::{
    ForgetReason,
    journal::Journals,
    store::{Record, State},
};

pub(crate) use copier::{Copier, CopierHandle, Source};
pub(crate) use input::Input;
pub(crate) use life::{Life, closing_time, note_usage};

/// A process that was started, here or by an earlier agent.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) record: Record,
    pub(crate) journals: Journals,
    /// Process id of the leader; 0 when an earlier agent died before it wrote it down.
    pub(crate) pid: u32,
    /// `None` for those of an earlier agent.
    pub(crate) tree: Option<Tree>,
    /// Gone once nothing needs it any more, so that it hangs up then.
    pub(crate) terminal: Weak<Pty>,
    pub(crate) input: Input,
    status: watch::Sender<Status>,
}

/// How a process stands.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    /// As in the record.
    pub(crate) state: State,
    /// When it is forgotten, once it is closed.
    pub(crate) kept_until: Option<Instant>,
    /// Whether every writer closed the output, the leader too while it runs on.
    pub(crate) has_ended: bool,
    /// Set at the moment that it is forgotten.
    pub(crate) removed: Option<ForgetReason>,
}

impl Status {
    pub(crate) fn is_running(&self) -> bool {
        self.state.exit.is_none()
    }

    /// Whether the leader exited and nothing can be printed any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.state.closed_at.is_some()
    }

    /// Whether nothing can be printed any more.
    pub(crate) fn is_output_closed(&self) -> bool {
        self.has_ended || self.is_closed()
    }
}

impl Process {
    /// A process that was just started; its record does not know yet that it runs.
    pub(crate) fn started(
        record: Record,
        journals: Journals,
        child: &Child,
        terminal: Weak<Pty>,
        input: Input,
    ) -> Self {
        let (pid, tree) = (child.pid, Some(child.tree.clone()));
        let status = Self::status_of(&record);
        Self { record, journals, pid, tree, terminal, input, status }
    }

    /// A process of an earlier agent.
    pub(crate) fn restored(record: Record, journals: Journals, input: Input) -> Self {
        let status = Self::status_of(&record);
        let pid = record.state().pid.unwrap_or_default();
        Self { record, journals, pid, tree: None, terminal: Weak::new(), input, status }
    }

    fn status_of(record: &Record) -> watch::Sender<Status> {
        let state = record.state();
        watch::Sender::new(Status { state, kept_until: None, has_ended: false, removed: None })
    }

    pub(crate) fn id(&self) -> ProcessId {
        self.record.request().id
    }

    pub(crate) fn chat(&self) -> Option<ChatId> {
        self.record.request().chat
    }

    /// Hears of every step.
    pub(crate) fn watch(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// How it stands now.
    pub(crate) fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Looks at how it stands now.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Status) -> T) -> T {
        look(&self.status.borrow())
    }

    /// Says that it is forgotten; everybody who waits for it hears so.
    pub(crate) fn set_removed(&self, reason: ForgetReason) {
        self.status.send_modify(|status| status.removed = Some(reason));
    }

    /// Says that nothing will be printed any more; blocking.
    pub(crate) fn end_output(&self) {
        self.journals.close();
        self.status.send_modify(|status| status.has_ended = true);
    }

    /// Says how long it is kept from now on.
    pub(crate) fn keep_for(&self, time: Duration) {
        let until = Instant::now().checked_add(time);
        self.status.send_modify(|status| status.kept_until = until);
    }

    /// Changes the state, on the disk first, and says so; blocking.
    ///
    /// The journals must not be asked in `change`; what survives of them is written down, too.
    pub(crate) fn update(&self, change: impl FnOnce(&mut State)) {
        self.record.update(&self.journals, change);
        // Read inside, so that of two changes the later one is said last.
        self.status.send_modify(|status| status.state = self.record.state());
    }
}
