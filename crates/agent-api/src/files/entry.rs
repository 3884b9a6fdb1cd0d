//! Words of listing directories, describing entries and resolving paths.

use serde::{Deserialize, Serialize};

use crate::{
    ETag, FileMode, Timestamp,
    null::{as_default, is_false, is_zero},
};

/// What an entry of a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, whatever it points to.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A Unix socket.
    Socket,
    /// A block device.
    BlockDevice,
    /// A character device.
    CharDevice,
    /// A kind of a newer agent.
    #[serde(other)]
    Unknown,
}

impl EntryKind {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
            Self::BlockDevice => "block_device",
            Self::CharDevice => "char_device",
            Self::Unknown => "unknown",
        }
    }
}

/// One entry of a directory: the entry itself, not what a link points to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirEntry {
    /// The last component; `/` for the root.
    pub name: String,
    /// The absolute path.
    pub absolute_path_string: String,
    /// Whether `kind` is [`EntryKind::Directory`].
    pub is_dir: bool,
    /// What the entry is.
    pub kind: EntryKind,
    /// Size in bytes; absent, as the next two, when the entry may not be examined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// When the content last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<Timestamp>,
    /// Permission bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<FileMode>,
    /// The text of a symbolic link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symlink_target: Option<String>,
    /// Whether the name is not UTF-8 and shows U+FFFD; such an entry has no path to ask for.
    #[serde(default, skip_serializing_if = "is_false", deserialize_with = "as_default")]
    pub lossy: bool,
    /// The version of a regular file; `stat_path` alone gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<ETag>,
}

/// Query of `list_directory`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListDirectoryQuery {
    /// Absolute path; absent when the body names the directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Most entries; 0 means all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub limit: u64,
    /// `next_after` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Where the segments of a [`RelativeDirectory`] start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Relativity {
    /// The home directory of the agent's user.
    Home,
    /// The root directory.
    Root,
    /// Anything else; refused.
    #[default]
    #[serde(other)]
    Unknown,
}

/// Body of `list_directory` without a path in the query.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelativeDirectory {
    /// Where the segments start.
    #[serde(default, deserialize_with = "as_default")]
    pub relativity: Relativity,
    /// Segments, joined by `/`; `..` is allowed.
    #[serde(default, deserialize_with = "as_default")]
    pub path: Vec<String>,
}

/// Which directory `list_directory` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryRef {
    /// An absolute path, sent in the query.
    Path(String),
    /// Segments below a known place, sent in the body.
    Relative(RelativeDirectory),
}

/// A call of `list_directory`: its query and body together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListDirectoryRequest {
    /// Which directory.
    pub directory: DirectoryRef,
    /// Most entries; 0 means all.
    pub limit: u64,
    /// `next_after` of the page before.
    pub after: Option<String>,
}

impl ListDirectoryRequest {
    /// All entries of the directory at an absolute path.
    pub fn all(path: impl Into<String>) -> Self {
        Self { directory: DirectoryRef::Path(path.into()), limit: 0, after: None }
    }
}

/// Answer of `list_directory`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListDirectoryResponse {
    /// The components of the directory's path.
    #[serde(default, deserialize_with = "as_default")]
    pub absolute_path: Vec<String>,
    /// The directory's path.
    pub absolute_path_string: String,
    /// Directories first, then the others, each group bytewise by name.
    #[serde(default, deserialize_with = "as_default")]
    pub contents: Vec<DirEntry>,
    /// Where the next page begins; there exactly when entries remain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_after: Option<String>,
    /// Whether reading the directory failed in the middle.
    #[serde(default, skip_serializing_if = "is_false", deserialize_with = "as_default")]
    pub incomplete: bool,
}

/// Query of `stat_path`; the answer is a [`DirEntry`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatPathRequest {
    /// Absolute path.
    pub path: String,
    /// Whether to describe the target of a symbolic link.
    #[serde(default, skip_serializing_if = "is_false")]
    pub follow: bool,
}

impl StatPathRequest {
    /// The entry at an absolute path itself, a symbolic link too.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }
}

/// Query of `resolve_path`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvePathRequest {
    /// Absolute path; its end need not exist.
    pub path: String,
}

impl ResolvePathRequest {
    /// An absolute path.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into() }
    }
}

/// Answer of `resolve_path`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvePathResponse {
    /// The path without symbolic links.
    pub resolved_path: String,
}
