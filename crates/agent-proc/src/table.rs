//! Which processes there are, who may see them, and what an id stands for; looks at no disk.

use std::{collections::HashMap, sync::Arc};

use agent_api::{Caller, ChatId, ProcessId};
use tokio::sync::watch;

use crate::{ForgetReason, StartError, process::Process, request::Digest, service::Statistics};

/// What a start came to, once it did.
pub(crate) type Outcome = Option<Result<Arc<Process>, Arc<StartError>>>;

/// Every id in use.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: HashMap<ProcessId, Entry>,
}

/// What an id stands for.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// It is being started.
    Starting(Starting),
    /// It was started.
    Started(Arc<Process>),
    /// It is being forgotten; the store knows it when this entry goes.
    Forgetting { reason: ForgetReason, chat: Option<ChatId> },
}

/// A start on its way.
#[derive(Clone, Debug)]
pub(crate) struct Starting {
    pub(crate) digest: Digest,
    pub(crate) chat: Option<ChatId>,
    pub(crate) outcome: watch::Receiver<Outcome>,
}

impl Table {
    pub(crate) fn get(&self, id: ProcessId) -> Option<Entry> {
        self.entries.get(&id).cloned()
    }

    /// Takes an id that is not in use for a start; answers where its outcome is told.
    pub(crate) fn begin(
        &mut self,
        id: ProcessId,
        digest: Digest,
        chat: Option<ChatId>,
    ) -> watch::Sender<Outcome> {
        let (sender, outcome) = watch::channel(None);
        self.entries.insert(id, Entry::Starting(Starting { digest, chat, outcome }));
        sender
    }

    /// A start succeeded.
    pub(crate) fn started(&mut self, process: Arc<Process>) {
        self.entries.insert(process.id(), Entry::Started(process));
    }

    /// An id is free again.
    pub(crate) fn free(&mut self, id: ProcessId) {
        self.entries.remove(&id);
    }

    /// Takes a process out of the table for forgetting it; `false` when somebody else does.
    pub(crate) fn begin_forgetting(&mut self, process: &Process, reason: ForgetReason) -> bool {
        let entry = self.entries.get_mut(&process.id());
        let Some(entry @ Entry::Started(_)) = entry else { return false };
        *entry = Entry::Forgetting { reason, chat: process.chat() };
        true
    }

    /// Every process that was started.
    pub(crate) fn processes(&self) -> Vec<Arc<Process>> {
        let started = self.entries.values().filter_map(|entry| match entry {
            Entry::Started(process) => Some(Arc::clone(process)),
            Entry::Starting(_) | Entry::Forgetting { .. } => None,
        });
        started.collect()
    }

    /// Every start on its way.
    pub(crate) fn starting(&self) -> Vec<watch::Receiver<Outcome>> {
        let starting = self.entries.values().filter_map(|entry| match entry {
            Entry::Starting(starting) => Some(starting.outcome.clone()),
            Entry::Started(_) | Entry::Forgetting { .. } => None,
        });
        starting.collect()
    }

    /// The processes by how they stand.
    pub(crate) fn count(&self) -> Statistics {
        let mut statistics = Statistics::default();
        for process in self.processes() {
            let counted = process.look(|status| match (status.is_running(), status.is_closed()) {
                (true, _) => &mut statistics.running,
                (false, false) => &mut statistics.exited,
                (false, true) => &mut statistics.closed,
            });
            *counted += 1;
        }
        statistics
    }
}

/// Whether a caller sees what belongs to a chat.
pub(crate) fn sees(caller: &Caller, chat: Option<ChatId>) -> bool {
    caller.chat.is_none() || caller.chat == chat
}
