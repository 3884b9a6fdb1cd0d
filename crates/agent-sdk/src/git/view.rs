//! What a caller was told of repositories over all connections, and so what is news to it; not the
//! connections. Pure, so that it can be driven by a test and fuzzed alone.
//!
//! A new connection tells everything again, but not what vanished while there was none. That takes
//! an answer to a refresh which cannot have been given before every repository was scanned:
//!
//! ```text
//!  connected --> subscriptions --> refresh --> an empty answer more than there are subscriptions
//!                                     ^   |        |
//!                                     +---+        v
//!                        any other answer     repositories that did not show up are gone
//! ```
//!
//! Only an answer is ever empty, and a subscription has at most one that is; so among more of them
//! is one to a refresh. Other messages prove nothing: they may have come by themselves, or be a part
//! of a large answer.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{BuildHasher, RandomState},
};

use agent_api::{
    GitChanges, GitClientMessage, GitNotice, GitNoticeCode, GitServerMessage, RemovedRepository,
    Repository, RepositoryChange,
};

/// Most refusals that are remembered.
const MAX_REFUSALS: usize = 64;

/// The caller's knowledge.
#[derive(Debug, Default)]
pub(super) struct View {
    /// Two keys, so that what differs by chance seems the same once in 2^128.
    hashers: [RandomState; 2],
    known: BTreeMap<String, Known>,
    /// By code and repository.
    notices: HashMap<(GitNoticeCode, Option<String>), Said>,
    refusals: Vec<String>,
    /// Empty answers that the caller waits for.
    owed: u64,
    /// Counts the connections.
    connection: u64,
    settling: Settling,
}

#[derive(Debug)]
struct Known {
    /// Of the last snapshot, which may have megabytes.
    fingerprint: [u64; 2],
    /// The connection during which the paths that led here were taken back.
    let_go: Option<u64>,
}

#[derive(Debug)]
struct Said {
    message: String,
    connection: u64,
}

/// What a connection has not made sure yet.
#[derive(Debug, Default)]
struct Settling {
    /// Known repositories that did not show up.
    unseen: BTreeSet<String>,
    /// Whether a request of an earlier connection waits for its answer.
    must_ask: bool,
    refresh: Refresh,
    subscriptions: u64,
    empty_answers: u64,
    /// Whether the caller itself said something.
    has_asked: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Refresh {
    #[default]
    Unsent,
    Sent,
    /// Something came since, which may have been the answer.
    Heard,
}

impl View {
    /// Begins with a connection that knows nothing.
    pub(super) fn connected(&mut self) {
        self.connection += 1;
        let unseen = self.known.keys().cloned().collect();
        self.settling = Settling { unseen, must_ask: self.owed > 0, ..Settling::default() };
    }

    /// Whether a refresh, behind all subscriptions, is needed to know what is gone.
    pub(super) fn wants_refresh(&self) -> bool {
        let Settling { unseen, must_ask, refresh, .. } = &self.settling;
        match refresh {
            Refresh::Unsent => *must_ask || !unseen.is_empty(),
            Refresh::Sent => false,
            Refresh::Heard => !unseen.is_empty(),
        }
    }

    /// Notes what was sent, and whether the caller waits for the answer.
    pub(super) fn sent(&mut self, message: &GitClientMessage, is_awaited: bool) {
        match message {
            GitClientMessage::Subscribe { .. } => {
                self.settling.subscriptions += 1;
                if is_awaited {
                    // What was let go may be wanted again, and is news then.
                    for known in self.known.values_mut() {
                        known.let_go = known.let_go.map(|_| 0);
                    }
                }
            }
            GitClientMessage::Refresh => self.settling.refresh = Refresh::Sent,
            _ => {}
        }
        self.owed += u64::from(is_awaited);
        self.settling.has_asked |= is_awaited;
    }

    /// Notes paths that the caller took back: the repositories they alone led to are dropped by the
    /// agent without a word, so that their absence later says nothing.
    pub(super) fn let_go(&mut self, paths: &BTreeSet<String>, left: &BTreeSet<String>) {
        let roots: BTreeSet<_> = paths.iter().filter_map(|path| self.root_of(path)).collect();
        let kept: BTreeSet<_> = left.iter().filter_map(|path| self.root_of(path)).collect();
        for root in roots.difference(&kept) {
            if let Some(known) = self.known.get_mut(root) {
                known.let_go = Some(self.connection);
            }
        }
    }

    /// The innermost known repository around a path, by its name.
    fn root_of(&self, path: &str) -> Option<String> {
        let ends = path.match_indices('/').map(|(at, _)| at.max(1)).chain([path.len()]);
        let mut roots = ends.map(|end| &path[..end]).filter(|root| self.known.contains_key(*root));
        roots.next_back().map(str::to_owned)
    }

    /// What of a message is news.
    pub(super) fn take(&mut self, message: GitServerMessage) -> Option<GitServerMessage> {
        match message {
            GitServerMessage::Changes(changes) => {
                self.changes(changes).map(GitServerMessage::Changes)
            }
            GitServerMessage::Notice(notice) => {
                self.notice(&notice).then_some(GitServerMessage::Notice(notice))
            }
            GitServerMessage::Error { message } => {
                self.refusal(&message).then_some(GitServerMessage::Error { message })
            }
            _ => None,
        }
    }

    fn changes(&mut self, mut changes: GitChanges) -> Option<GitChanges> {
        if self.settling.refresh == Refresh::Sent {
            self.settling.refresh = Refresh::Heard;
        }
        let is_empty_answer = changes.repositories.is_empty();
        changes.repositories.retain(|change| self.differs(change));
        let mut is_awaited = false;
        if is_empty_answer {
            self.settling.empty_answers += 1;
            is_awaited = self.owed > 0;
            self.owed = self.owed.saturating_sub(1);
            let Settling { subscriptions, empty_answers, refresh, .. } = self.settling;
            if refresh == Refresh::Heard && empty_answers > subscriptions {
                changes.repositories = self.gone();
            }
        }
        (is_awaited || !changes.repositories.is_empty()).then_some(changes)
    }

    /// Takes in what became of a repository; tells whether that is news.
    fn differs(&mut self, change: &RepositoryChange) -> bool {
        self.settling.unseen.remove(change.repo_root());
        match change {
            RepositoryChange::Removed(RemovedRepository { repo_root }) => {
                self.notices.retain(|(_, root), _| root.as_ref() != Some(repo_root));
                self.known.remove(repo_root).is_some()
            }
            RepositoryChange::Snapshot(snapshot) => {
                // It can be read after all; the next failure is another one.
                for code in [GitNoticeCode::ScanFailed, GitNoticeCode::UnsupportedRepository] {
                    self.notices.remove(&(code, Some(snapshot.repo_root.clone())));
                }
                let fingerprint = self.fingerprint(snapshot);
                let known = Known { fingerprint, let_go: None };
                let Some(before) = self.known.insert(snapshot.repo_root.clone(), known) else {
                    return true;
                };
                let is_here = before.let_go.filter(|connection| *connection == self.connection);
                if is_here.is_some()
                    && let Some(known) = self.known.get_mut(&snapshot.repo_root)
                {
                    // It was on its way when the caller let go.
                    known.let_go = is_here;
                    return before.fingerprint != fingerprint;
                }
                before.let_go.is_some() || before.fingerprint != fingerprint
            }
        }
    }

    fn fingerprint(&self, repository: &Repository) -> [u64; 2] {
        [self.hashers[0].hash_one(repository), self.hashers[1].hash_one(repository)]
    }

    /// The repositories that did not show up, as removed; those that were let go are just forgotten.
    fn gone(&mut self) -> Vec<RepositoryChange> {
        let unseen = std::mem::take(&mut self.settling.unseen).into_iter();
        let gone = unseen.filter_map(|repo_root| {
            self.notices.retain(|(_, root), _| root.as_ref() != Some(&repo_root));
            let known = self.known.remove(&repo_root)?;
            known.let_go.is_none().then_some(RemovedRepository { repo_root })
        });
        gone.map(RepositoryChange::Removed).collect()
    }

    /// Whether a notice is news: an earlier connection may have had it.
    fn notice(&mut self, notice: &GitNotice) -> bool {
        let connection = self.connection;
        match &notice.repo_root {
            // It is there, whatever is wrong with it.
            Some(root) => {
                self.settling.unseen.remove(root);
            }
            None if notice.code == GitNoticeCode::TooManyRepositories => {
                // Those that do not show up may be the ones that are not watched.
                for root in std::mem::take(&mut self.settling.unseen) {
                    if let Some(known) = self.known.get_mut(&root) {
                        known.let_go = Some(0);
                    }
                }
            }
            None => {}
        }
        let said = Said { message: notice.message.clone(), connection };
        let key = (notice.code, notice.repo_root.clone());
        self.notices.insert(key, said).is_none_or(|before| {
            before.connection == connection || before.message != notice.message
        })
    }

    /// Whether a refusal is news: those of the subscriptions come again with each connection.
    fn refusal(&mut self, message: &str) -> bool {
        let is_old = self.refusals.iter().any(|before| before == message);
        if !is_old && self.refusals.len() < MAX_REFUSALS {
            self.refusals.push(message.to_owned());
        }
        !is_old || self.settling.has_asked
    }
}
