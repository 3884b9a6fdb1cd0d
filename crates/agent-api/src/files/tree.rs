//! Words of making directories, moving and removing.

use serde::{Deserialize, Serialize};

use crate::{
    FileMode,
    null::{as_default, is_false},
};

/// Body of `make_directory`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MakeDirectoryRequest {
    /// Absolute path; missing parents are made too.
    #[serde(default, deserialize_with = "as_default")]
    pub path: String,
    /// Exact mode of the last component when it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<FileMode>,
}

impl MakeDirectoryRequest {
    /// The directory at an absolute path, with the default mode.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }
}

/// Answer of `make_directory`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MakeDirectoryResponse {
    /// The cleaned path.
    pub path: String,
    /// Whether the last component is new.
    pub created: bool,
}

/// Body of `move_path`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovePathRequest {
    /// Absolute path of what to move; a symbolic link itself is moved.
    #[serde(default, deserialize_with = "as_default")]
    pub from: String,
    /// Absolute path of its new place; missing parents are made.
    #[serde(default, deserialize_with = "as_default")]
    pub to: String,
    /// Whether something at `to` may be replaced.
    #[serde(default, skip_serializing_if = "is_false", deserialize_with = "as_default")]
    pub overwrite: bool,
}

impl MovePathRequest {
    /// From one absolute path to another at which nothing is.
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self { from: from.into(), to: to.into(), overwrite: false }
    }
}

/// Answer of `move_path`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovePathResponse {
    /// The cleaned old path.
    pub from: String,
    /// The cleaned new path.
    pub to: String,
}

/// Body of `remove_path`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovePathRequest {
    /// Absolute path; a symbolic link itself is removed.
    #[serde(default, deserialize_with = "as_default")]
    pub path: String,
    /// Whether a directory goes with everything below it.
    #[serde(default, skip_serializing_if = "is_false", deserialize_with = "as_default")]
    pub recursive: bool,
}

impl RemovePathRequest {
    /// The entry at an absolute path; of directories only an empty one.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }
}

/// Answer of `remove_path`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovePathResponse {
    /// Entries removed, the named one included.
    pub removed_entries: u64,
}
