//! What one connection watches and what it is told: decisions without waiting, disk or clock.
//!
//! ```text
//!  order of the client --+                          +--> look: paths -> repositories
//!  path of the store ----+--> Connection -----------+--> track, request, untrack
//!  state of a tracker ---+        |  poll()
//!  end of a look --------+        v
//!                           the next message, made when it is taken
//! ```
//!
//! Nothing is queued but the newest state of each repository, so a slow reader gets fewer and
//! newer snapshots.

mod changes;
mod looks;
mod notices;
mod request;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use agent_api::{AbsolutePath, GitServerMessage, Timestamp, limits::MAX_GIT_PATHS};
use tokio::time::Instant;

pub(super) use self::looks::Look;
use self::{
    changes::GATHER_TIME,
    looks::Looks,
    notices::{Causes, Notices},
    request::Requests,
};
use super::{
    client::Order,
    subscriptions::{From, Subscriptions},
};
use crate::{
    model::Snapshot,
    repository::Location,
    tracker::{Outcome, Scope, State, Ticket},
};

/// Longest wait of the first snapshots of a chat, or of a subscription, for each other.
const FIRST_TIME: Duration = Duration::from_secs(10);
/// Most refusals that wait for a reader; those beyond are not told one by one.
const MAX_REFUSALS: usize = 64;
/// The place of the last refusal that is told.
const LAST_REFUSAL: usize = MAX_REFUSALS - 1;

/// This moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) instant: Instant,
    pub(super) wall: Timestamp,
}

/// The repositories of the agent, as far as a connection asks something of them.
pub(super) trait Repositories {
    /// Begins to follow a repository; its states are given to [`Connection::observe`].
    ///
    /// # Errors
    ///
    /// Why it is not followed: the agent follows too many.
    fn track(&mut self, location: &Location) -> Result<(), String>;
    /// Ends it.
    fn untrack(&mut self, root: &Path);
    /// Asks a followed repository for a scan that begins after this call.
    fn request(&mut self, root: &Path, scope: Scope) -> Ticket;
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    paths: Subscriptions,
    watched: BTreeMap<PathBuf, Watched>,
    /// Repositories that are gone, with the snapshot that was shown last; not told yet.
    gone: BTreeMap<PathBuf, Arc<Snapshot>>,
    looks: Looks,
    requests: Requests,
    refusals: VecDeque<String>,
    notices: Notices,
    /// Time of the last `changes`.
    scanned_at: Timestamp,
    /// Since when there is something to send.
    ready_since: Option<Instant>,
}

/// A repository of the connection.
#[derive(Debug)]
struct Watched {
    state: State,
    /// The scan that was asked for when it came to this connection; an older snapshot is not shown.
    first: Ticket,
    /// What was sent last.
    shown: Option<Arc<Snapshot>>,
    causes: Causes,
    /// No path leads here any more, and the scan that will say whether it is gone.
    leaving: Option<Ticket>,
}

impl Connection {
    /// A connection; with a chat it waits for [`Connection::begin`].
    pub(super) fn new(has_chat: bool, now: Now) -> Self {
        let mut connection = Self {
            paths: Subscriptions::default(),
            watched: BTreeMap::new(),
            gone: BTreeMap::new(),
            looks: Looks { is_waiting: has_chat, ..Looks::default() },
            requests: Requests::default(),
            refusals: VecDeque::new(),
            notices: Notices::default(),
            scanned_at: Timestamp::default(),
            ready_since: None,
        };
        if has_chat {
            let look = connection.looks.ask();
            connection.requests.push(look, BTreeMap::new(), 0, now, Some(now.instant + FIRST_TIME));
        }
        connection
    }

    /// Takes a message of the client; one that is refused has no other effect than a refusal.
    pub(super) fn receive(&mut self, text: &str, repositories: &mut dyn Repositories, now: Now) {
        match Order::parse(text) {
            Err(refusal) => self.refuse(refusal.to_string()),
            Ok(Order::Refresh) => self.refresh(repositories, now),
            Ok(Order::Subscribe(paths)) => self.subscribe(&paths, repositories, now),
            Ok(Order::Unsubscribe(paths)) => self.unsubscribe(&paths, repositories),
        }
    }

    /// Tells the client why something it sent has no effect.
    pub(super) fn refuse(&mut self, reason: String) {
        match self.refusals.len() {
            MAX_REFUSALS.. => {}
            LAST_REFUSAL => self.refusals.push_back("further messages were refused".to_owned()),
            _ => self.refusals.push_back(reason),
        }
    }

    /// Takes what the store knows of the chat at the start.
    pub(super) fn begin(&mut self, paths: &[AbsolutePath]) {
        for path in paths {
            self.paths.add(path, From::Store);
        }
        self.looks.add(paths.iter().cloned());
        self.looks.is_waiting = false;
    }

    /// Takes paths that were recorded for the chat since.
    pub(super) fn recorded(&mut self, paths: &[AbsolutePath], repositories: &mut dyn Repositories) {
        let mut touched: Vec<PathBuf> = Vec::new();
        for path in paths {
            self.paths.add(path, From::Store);
            match self.paths.root_of(path) {
                Some(root) if !touched.iter().any(|other| other == root) => {
                    touched.push(root.to_owned());
                }
                Some(_) => {}
                None => self.looks.add([path.clone()]),
            }
        }
        self.looks.ask();
        for root in touched {
            repositories.request(&root, Scope::Changed);
        }
    }

    /// How many paths of the store are here; the store itself may have dropped some.
    pub(super) fn store_paths(&self) -> usize {
        self.paths.store_paths()
    }

    /// Drops the paths of the store that it does not have any more.
    pub(super) fn keep_of_store(
        &mut self,
        kept: &[AbsolutePath],
        repositories: &mut dyn Repositories,
    ) {
        let kept: std::collections::HashSet<_> = kept.iter().collect();
        for path in self.paths.of_store() {
            if !kept.contains(&path)
                && let Some(root) = self.paths.remove(&path, From::Store)
            {
                self.drop_silently(&root, repositories);
            }
        }
    }

    /// Something may have changed anywhere: what is watched is scanned, and what leads to no
    /// repository is looked at again.
    pub(super) fn rescan(&mut self, repositories: &mut dyn Repositories) {
        if !self.paths.unresolved().is_empty() {
            self.look_at_unresolved();
        }
        for root in self.watched.keys() {
            repositories.request(root, Scope::Changed);
        }
    }

    /// Takes the newest state of a repository.
    pub(super) fn observe(
        &mut self,
        root: &Path,
        state: State,
        repositories: &mut dyn Repositories,
    ) {
        let Some(watched) = self.watched.get_mut(root) else { return };
        if matches!(state.outcome, Outcome::Removed) {
            self.removed(root, repositories);
            return;
        }
        let has_new_inside = state.nested != watched.state.nested;
        if state.completed >= watched.first {
            self.notices.of_state(root, &mut watched.causes, &state);
        }
        watched.state = state;
        if watched.leaving.is_some_and(|ticket| watched.state.completed >= ticket) {
            watched.leaving = None;
            if !self.paths.leads_to(root) {
                self.drop_silently(root, repositories);
            }
        }
        if has_new_inside {
            self.look_at_all();
        }
    }

    /// The next message, if there is one at this moment.
    pub(super) fn poll(&mut self, now: Now) -> Option<GitServerMessage> {
        if let Some(message) = self.refusals.pop_front() {
            return Some(GitServerMessage::Error { message });
        }
        if let Some(changes) = self.changes(now) {
            return Some(GitServerMessage::Changes(changes));
        }
        // A client hears of a repository before it hears what is wrong with it.
        let is_near = self.ready_since.is_some() || self.requests.release(now.instant).is_some();
        if is_near { None } else { self.notices.pop().map(GitServerMessage::Notice) }
    }

    /// When [`Connection::poll`] may have a message although nothing else happens.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let gathered = self.ready_since.map(|since| since + GATHER_TIME);
        gathered.into_iter().chain(self.requests.release(now)).min()
    }

    fn refresh(&mut self, repositories: &mut dyn Repositories, now: Now) {
        self.looks.all = true;
        let ask = |root: &PathBuf| (root.clone(), repositories.request(root, Scope::Everything));
        let wanted = self.watched.keys().map(ask).collect();
        self.requests.push(self.looks.ask(), wanted, 1, now, None);
    }

    fn subscribe(&mut self, paths: &[AbsolutePath], repositories: &mut dyn Repositories, now: Now) {
        if self.paths.client_paths_with(paths) > MAX_GIT_PATHS {
            self.refuse(format!("a connection has at most {MAX_GIT_PATHS} paths"));
            return;
        }
        for path in paths {
            self.paths.add(path, From::Client);
            if let Some(root) = self.paths.root_of(path) {
                repositories.request(root, Scope::Changed);
            }
        }
        self.looks.add(paths.iter().cloned());
        let until = now.instant + FIRST_TIME;
        self.requests.push(self.looks.ask(), BTreeMap::new(), 1, now, Some(until));
    }

    fn unsubscribe(&mut self, paths: &[AbsolutePath], repositories: &mut dyn Repositories) {
        for path in paths {
            if let Some(root) = self.paths.remove(path, From::Client) {
                self.drop_silently(&root, repositories);
            }
        }
    }

    fn removed(&mut self, root: &Path, repositories: &mut dyn Repositories) {
        let paths = self.paths.forget(root);
        self.looks.add(paths);
        self.looks.ask();
        let shown = self.watched.get(root).and_then(|watched| watched.shown.clone());
        self.drop_silently(root, repositories);
        if let Some(shown) = shown {
            self.gone.insert(root.to_owned(), shown);
        }
    }

    fn drop_silently(&mut self, root: &Path, repositories: &mut dyn Repositories) {
        self.watched.remove(root);
        self.requests.forget(root);
        self.notices.forget(root);
        repositories.untrack(root);
    }
}
