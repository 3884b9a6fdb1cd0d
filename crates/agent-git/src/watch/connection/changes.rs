//! What a connection is told of its repositories, and when.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use agent_api::{
    GitChanges, RemovedRepository, RepositoryChange, Timestamp, limits::MAX_WEBSOCKET_MESSAGE_BYTES,
};
use tokio::time::Instant;

use super::{super::fit, Connection, Now, Watched};

/// Longest wait of a new snapshot for those of other repositories that may be changing too.
pub(super) const GATHER_TIME: Duration = Duration::from_millis(100);
/// Bytes of a `changes` message beside its repositories, at most.
const ENVELOPE_BYTES: usize = 256;

impl Connection {
    /// The next changes, if it is time for them.
    pub(super) fn changes(&mut self, now: Now) -> Option<GitChanges> {
        let is_done = |root: &Path, ticket| {
            self.watched.get(root).is_none_or(|watched| watched.state.completed >= ticket)
        };
        self.requests.settle(is_done);
        let ready = self.ready(now.instant);
        let is_due = self.requests.is_due();
        if ready.is_empty() && !is_due {
            self.ready_since = None;
            return None;
        }
        if !is_due {
            let since = *self.ready_since.get_or_insert(now.instant);
            let may_change = |(root, watched): (&PathBuf, &Watched)| {
                !watched.state.is_idle && !ready.iter().any(|(_, ready)| ready == root)
            };
            if now.instant < since + GATHER_TIME && self.watched.iter().any(may_change) {
                return None;
            }
        }
        let mut scanned_at = self.scanned_at;
        if let Some(asked_at) = self.requests.take_answer() {
            scanned_at = scanned_at.max(asked_at);
        }
        let changes = self.take(&ready, scanned_at, now);
        self.scanned_at = changes.scanned_at;
        Some(changes)
    }

    /// What differs from what was sent and need not wait, by what the client knows it by.
    fn ready(&self, now: Instant) -> Vec<(String, PathBuf)> {
        let differs = |(root, watched): &(&PathBuf, &Watched)| {
            let is_held = || watched.shown.is_none() && self.requests.holds(root, now);
            watched.differs() && !is_held()
        };
        let changed = self.watched.iter().filter(differs);
        let changed = changed.map(|(root, watched)| (watched.repo_root(), root.clone()));
        let gone = self.gone.iter();
        let gone = gone.map(|(root, shown)| (shown.repository.repo_root.clone(), root.clone()));
        let mut ready: Vec<_> = changed.chain(gone).collect();
        ready.sort_unstable();
        ready
    }

    /// As much of what is ready as a message holds.
    fn take(
        &mut self,
        ready: &[(String, PathBuf)],
        mut scanned_at: Timestamp,
        now: Now,
    ) -> GitChanges {
        let mut room = MAX_WEBSOCKET_MESSAGE_BYTES - ENVELOPE_BYTES;
        let mut repositories = Vec::new();
        for (repo_root, root) in ready {
            let Some(watched) = self.watched.get_mut(root) else {
                let removed = RemovedRepository { repo_root: repo_root.clone() };
                let bytes = fit::json_bytes(&removed) + 1;
                if bytes > room {
                    break;
                }
                room -= bytes;
                self.gone.remove(root);
                scanned_at = scanned_at.max(now.wall);
                repositories.push(RepositoryChange::Removed(removed));
                continue;
            };
            let Some(snapshot) = watched.state.snapshot.clone() else { continue };
            let bytes = fit::json_bytes(&snapshot.repository) + 1;
            let repository = if bytes <= room {
                room -= bytes;
                snapshot.repository.clone()
            } else if repositories.is_empty() {
                fit::shrink(&snapshot, std::mem::take(&mut room))
            } else {
                break;
            };
            scanned_at = scanned_at.max(watched.state.scanned_at.unwrap_or_default());
            watched.shown = Some(snapshot);
            repositories.push(RepositoryChange::Snapshot(Box::new(repository)));
        }
        if repositories.len() == ready.len() {
            self.ready_since = None;
        }
        GitChanges { scanned_at, repositories }
    }
}

impl Watched {
    /// Whether there is a snapshot that differs from what was sent.
    fn differs(&self) -> bool {
        match (&self.state.snapshot, &self.shown) {
            _ if self.leaving.is_some() || self.state.completed < self.first => false,
            (Some(found), Some(shown)) => !Arc::ptr_eq(found, shown) && found != shown,
            (found, _) => found.is_some(),
        }
    }

    fn repo_root(&self) -> String {
        let snapshot = self.state.snapshot.as_ref();
        snapshot.map_or_else(String::new, |snapshot| snapshot.repository.repo_root.clone())
    }
}
