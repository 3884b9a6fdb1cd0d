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

use agent_api::{
    AbsolutePath, GitChanges, GitServerMessage, RemovedRepository, RepositoryChange, Timestamp,
    limits::{MAX_GIT_PATHS, MAX_GIT_REPOSITORIES, MAX_WEBSOCKET_MESSAGE_BYTES},
};
use tokio::time::Instant;

use self::{
    notices::{Causes, Notices},
    request::Requests,
};
use super::{
    client::Order,
    fit,
    subscriptions::{From, Subscriptions},
};
use crate::{
    model::Snapshot,
    repository::Location,
    tracker::{Outcome, Scope, State, Ticket},
};

/// Longest wait of a new snapshot for those of other repositories that may be changing too.
const GATHER_TIME: Duration = Duration::from_millis(100);
/// Longest wait of the first snapshots of a chat, or of a subscription, for each other.
const FIRST_TIME: Duration = Duration::from_secs(10);
/// Most refusals that wait for a reader; those beyond are not told one by one.
const MAX_REFUSALS: usize = 64;
/// Bytes of a `changes` message beside its repositories, at most.
const ENVELOPE_BYTES: usize = 256;

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

/// Paths to be looked up.
#[derive(Debug)]
pub(super) struct Look {
    number: u64,
    /// Whether it is about every path.
    pub(super) is_whole: bool,
    pub(super) paths: Vec<AbsolutePath>,
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

/// Which paths are to be looked up, and what was.
#[derive(Debug, Default)]
struct Looks {
    /// Paths of the chat are not known yet; nothing is looked up before.
    is_waiting: bool,
    is_running: bool,
    /// Number of the last look that was asked for.
    asked: u64,
    paths: Vec<AbsolutePath>,
    unresolved: bool,
    all: bool,
    /// Number of the last look that was begun.
    taken: u64,
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
        self.looks.paths.extend_from_slice(paths);
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
                None => self.looks.paths.push(path.clone()),
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

    /// Something may have changed anywhere: everything is looked at again.
    pub(super) fn rescan(&mut self, repositories: &mut dyn Repositories) {
        self.looks.all = true;
        self.looks.ask();
        for root in self.watched.keys() {
            repositories.request(root, Scope::Changed);
        }
    }

    /// Looks up again what leads to no repository.
    pub(super) fn look_at_unresolved(&mut self) {
        self.looks.unresolved = true;
        self.looks.ask();
    }

    /// Looks up every path again.
    pub(super) fn look_at_all(&mut self) {
        self.looks.all = true;
        self.looks.ask();
    }

    /// The paths that lead to no repository, in order.
    pub(super) fn unresolved(&self) -> Vec<AbsolutePath> {
        let mut paths = self.paths.unresolved();
        paths.sort_unstable();
        paths
    }

    /// The next paths to look up, if any; the caller answers with [`Connection::looked`].
    pub(super) fn take_look(&mut self) -> Option<Look> {
        let looks = &mut self.looks;
        if looks.is_waiting || looks.is_running || looks.taken == looks.asked {
            return None;
        }
        looks.is_running = true;
        looks.taken = looks.asked;
        let mut paths = std::mem::take(&mut looks.paths);
        let unresolved = std::mem::take(&mut looks.unresolved);
        let is_whole = std::mem::take(&mut looks.all);
        if is_whole {
            paths = self.paths.all();
        } else if unresolved {
            paths.extend(self.paths.unresolved());
        }
        Some(Look { number: self.looks.taken, is_whole, paths })
    }

    /// Takes the end of a look: for each path the repository that encloses it.
    pub(super) fn looked(
        &mut self,
        look: &Look,
        found: Vec<Option<Location>>,
        repositories: &mut dyn Repositories,
    ) {
        self.looks.is_running = false;
        let mut begun = BTreeMap::new();
        let mut left = Vec::new();
        let mut is_over_limit = false;
        for (path, location) in look.paths.iter().zip(found) {
            let found = location.is_some();
            let followed =
                location.filter(|location| self.watch(location, repositories, &mut begun));
            is_over_limit |= found && followed.is_none();
            left.extend(self.paths.lead(path, followed.as_ref().map(|found| &*found.root)));
        }
        // A path may have been dropped while it was looked up, and a later one may lead back.
        left.extend(begun.keys().cloned());
        for root in left {
            if !self.paths.leads_to(&root) {
                begun.remove(&root);
                self.leave(&root, repositories);
            }
        }
        if !is_over_limit {
            self.notices.forget_limits();
        }
        self.requests.looked(look.number, &begun);
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
        self.notices.of_state(root, &mut watched.causes, &state);
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
        self.notices.pop().map(GitServerMessage::Notice)
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
        self.looks.paths.extend_from_slice(paths);
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

    /// Follows a repository if it is not yet; answers false where it would be one too many.
    fn watch(
        &mut self,
        location: &Location,
        repositories: &mut dyn Repositories,
        begun: &mut BTreeMap<PathBuf, Ticket>,
    ) -> bool {
        let root = &location.root;
        if let Some(watched) = self.watched.get_mut(root) {
            watched.leaving = None;
            return true;
        }
        if self.watched.len() >= MAX_GIT_REPOSITORIES {
            self.notices.too_many_here();
            return false;
        }
        if let Err(why) = repositories.track(location) {
            self.notices.too_many_in_agent(why);
            return false;
        }
        // One that is back before its removal was told has just changed.
        let shown = self.gone.remove(root);
        let first = repositories.request(root, Scope::Changed);
        let causes = Causes::default();
        let watched = Watched { state: State::default(), first, shown, causes, leaving: None };
        self.watched.insert(root.clone(), watched);
        begun.insert(root.clone(), first);
        true
    }

    fn removed(&mut self, root: &Path, repositories: &mut dyn Repositories) {
        let paths = self.paths.forget(root);
        self.looks.paths.extend(paths);
        self.looks.ask();
        let shown = self.watched.get(root).and_then(|watched| watched.shown.clone());
        self.drop_silently(root, repositories);
        if let Some(shown) = shown {
            self.gone.insert(root.to_owned(), shown);
        }
    }

    /// Lets go of a repository that no path leads to: it is elsewhere or gone, and only a scan can
    /// tell which.
    fn leave(&mut self, root: &Path, repositories: &mut dyn Repositories) {
        match self.watched.get_mut(root) {
            Some(watched) if watched.shown.is_some() => {
                watched.leaving = Some(repositories.request(root, Scope::Changed));
            }
            Some(_) => self.drop_silently(root, repositories),
            None => {}
        }
    }

    fn drop_silently(&mut self, root: &Path, repositories: &mut dyn Repositories) {
        self.watched.remove(root);
        self.requests.forget(root);
        self.notices.forget(root);
        repositories.untrack(root);
    }

    fn changes(&mut self, now: Now) -> Option<GitChanges> {
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

/// The place of the last refusal that is told.
const LAST_REFUSAL: usize = MAX_REFUSALS - 1;

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

impl Looks {
    /// Notes that something is to be looked up; answers the number of the look that will have.
    fn ask(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }
}
