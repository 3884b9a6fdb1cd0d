//! A repository at one moment: its HEAD and everything that differs from it.

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    null::{as_default, as_true, is_zero, yes},
};

/// Query of `get_git_status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetGitStatusRequest {
    /// Absolute path; the nearest repository that encloses it is meant.
    pub path: String,
    /// Whether the answer has the diff.
    #[serde(default = "yes", deserialize_with = "as_true", skip_serializing_if = "is_true")]
    pub diff: bool,
}

fn is_true(value: &bool) -> bool {
    *value
}

impl GetGitStatusRequest {
    /// The repository of a path, with its diff.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), diff: true }
    }
}

/// Answer of `get_git_status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetGitStatusResponse {
    /// When the scan began.
    pub scanned_at: Timestamp,
    /// What it found.
    pub repository: Repository,
}

/// A snapshot of a repository: the state of HEAD and everything that differs from it.
///
/// Compared is the tree of HEAD with the work tree, staged and unstaged changes together, and
/// every untracked file that is not ignored is added. Before the first commit HEAD is the empty
/// tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Repository {
    /// Real path of the work tree's top directory; identifies the repository.
    pub repo_root: String,
    /// Short name of the current branch, also before its first commit; `None` when detached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Id of the current commit in hex; `None` before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// Whether HEAD names a commit and no branch.
    #[serde(default, deserialize_with = "as_default")]
    pub detached: bool,
    /// The configured URL of the remote `origin`, without user information of http and https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_origin: Option<String>,
    /// Short name of the branch's upstream, if it has one whose ref is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Commits of the branch that the upstream lacks; there with `upstream`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<u64>,
    /// Commits of the upstream that the branch lacks; there with `upstream`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<u64>,
    /// The difference as text in git's unified format, at most
    /// [`MAX_GIT_DIFF_BYTES`](crate::limits::MAX_GIT_DIFF_BYTES); empty when there is none, `None`
    /// when it was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unified_diff: Option<String>,
    /// The files of the difference in its order: by path, bytewise; at most
    /// [`MAX_GIT_FILES`](crate::limits::MAX_GIT_FILES).
    #[serde(default, deserialize_with = "as_default")]
    pub files: Vec<ChangedFile>,
    /// How many more files differ than `files` has.
    #[serde(default, deserialize_with = "as_default", skip_serializing_if = "is_zero")]
    pub files_left_out: u64,
}

/// A file that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChangedFile {
    /// Path relative to the root, never quoted; bytes that are not UTF-8 as U+FFFD.
    pub path: String,
    /// The path in HEAD of a renamed file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_path: Option<String>,
    /// How it differs.
    pub status: FileStatus,
    /// Lines added; 0 for binary files and those over
    /// [`MAX_GIT_FILE_BYTES`](crate::limits::MAX_GIT_FILE_BYTES).
    #[serde(default, deserialize_with = "as_default")]
    pub additions: u64,
    /// Lines deleted; 0 as with `additions`.
    #[serde(default, deserialize_with = "as_default")]
    pub deletions: u64,
    /// Whether either side has a NUL byte among its first 8000.
    #[serde(default, deserialize_with = "as_default")]
    pub binary: bool,
    /// Whether the diff says less about the file than there is to say.
    #[serde(default, deserialize_with = "as_default")]
    pub truncated: bool,
}

/// How a file differs from HEAD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FileStatus {
    /// In the index and not in HEAD.
    Added,
    /// Other contents or another mode.
    #[default]
    Modified,
    /// Not in the work tree, or not in the index any more.
    Deleted,
    /// In HEAD under another path, at least half the same.
    Renamed,
    /// A file became a link, or the reverse.
    TypeChanged,
    /// Neither in HEAD nor in the index, and not ignored.
    Untracked,
    /// Not merged yet.
    Conflicted,
    /// A submodule at another commit.
    Submodule,
    /// A status of a newer agent.
    #[serde(other)]
    Unknown,
}

impl FileStatus {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Modified => "modified",
            Self::Deleted => "deleted",
            Self::Renamed => "renamed",
            Self::TypeChanged => "type_changed",
            Self::Untracked => "untracked",
            Self::Conflicted => "conflicted",
            Self::Submodule => "submodule",
            Self::Unknown => "unknown",
        }
    }
}
