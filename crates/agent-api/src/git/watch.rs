//! The messages of `watch_git`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Repository;
use crate::{ChatId, Timestamp, null::as_default};

/// Query of `watch_git`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchGitRequest {
    /// Whose paths are watched; `None` for those of the request's own chat, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_id: Option<ChatId>,
}

/// A message of the client in `watch_git`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum GitClientMessage {
    /// Scan everything that is watched; always answered by [`GitServerMessage::Changes`].
    Refresh,
    /// Watch the repositories of these paths; answered by [`GitServerMessage::Changes`] with those
    /// that are new on this connection.
    Subscribe {
        /// 1 to [`MAX_GIT_PATHS_PER_MESSAGE`](crate::limits::MAX_GIT_PATHS_PER_MESSAGE) absolute
        /// paths.
        paths: Vec<String>,
    },
    /// Drop subscriptions of these paths.
    Unsubscribe {
        /// As for `subscribe`.
        paths: Vec<String>,
    },
    /// A message of a newer client.
    #[serde(other)]
    Unknown,
}

/// A message of the agent in `watch_git`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum GitServerMessage {
    /// Repositories that differ from what was sent last.
    Changes(GitChanges),
    /// A message of the client was refused and had no effect.
    Error {
        /// Why, for a person.
        message: String,
    },
    /// Something works less well than it should; said once per cause.
    Notice(GitNotice),
    /// A message of a newer agent.
    #[serde(other)]
    Unknown,
}

/// Repositories that differ from what was sent last on the connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitChanges {
    /// When the scans had begun; never decreases on a connection.
    pub scanned_at: Timestamp,
    /// Each repository at most once, ordered by `repo_root`; empty when only an answer was due.
    #[serde(default, deserialize_with = "as_default")]
    pub repositories: Vec<RepositoryChange>,
}

/// What became of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RepositoryChange {
    /// It is gone; nothing more follows about it unless it comes back.
    Removed(RemovedRepository),
    /// It looks like this now.
    Snapshot(Box<Repository>),
}

impl RepositoryChange {
    /// Which repository.
    pub fn repo_root(&self) -> &str {
        match self {
            Self::Removed(removed) => &removed.repo_root,
            Self::Snapshot(repository) => &repository.repo_root,
        }
    }
}

/// The last word about a repository that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovedRepository {
    /// Where it was.
    pub repo_root: String,
}

/// The shape of [`RemovedRepository`] on the wire.
#[derive(Serialize, Deserialize)]
struct Removed {
    repo_root: String,
    removed: bool,
    #[serde(default, deserialize_with = "as_default")]
    unified_diff: String,
}

impl Serialize for RemovedRepository {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let repo_root = self.repo_root.clone();
        Removed { repo_root, removed: true, unified_diff: String::new() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RemovedRepository {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Removed::deserialize(deserializer)? {
            Removed { repo_root, removed: true, .. } => Ok(Self { repo_root }),
            _ => Err(de::Error::custom("the repository is not removed")),
        }
    }
}

/// Something works less well than it should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitNotice {
    /// What.
    pub code: GitNoticeCode,
    /// The same for a person, and why.
    pub message: String,
    /// Where, if it is about one repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo_root: Option<String>,
}

/// What works less well than it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GitNoticeCode {
    /// The file system tells nothing: the repository is scanned every 30 s and on request.
    Polling,
    /// Neither agentd nor an installed git can read it.
    UnsupportedRepository,
    /// There are more than [`MAX_GIT_REPOSITORIES`](crate::limits::MAX_GIT_REPOSITORIES) on this
    /// connection; further ones are not watched.
    TooManyRepositories,
    /// A scan failed; the repository stays watched.
    ScanFailed,
    /// A code of a newer agent.
    #[serde(other)]
    Unknown,
}
