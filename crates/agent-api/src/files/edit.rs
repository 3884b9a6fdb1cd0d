//! Words of `edit_files`; how an edit matches is the capability's matter.

use serde::{Deserialize, Serialize};

use crate::{
    ETag,
    null::{as_default, as_true, is_false, yes},
};

/// Body of `edit_files`: all files are changed or none is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditFilesRequest {
    /// 1 to 1000 files.
    #[serde(default, deserialize_with = "as_default")]
    pub files: Vec<FileEdits>,
    /// Whether to answer diffs.
    #[serde(default, skip_serializing_if = "is_false", deserialize_with = "as_default")]
    pub include_diff: bool,
    /// Whether to answer diffs and write nothing.
    #[serde(default, skip_serializing_if = "is_false", deserialize_with = "as_default")]
    pub dry_run: bool,
}

/// The edits of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEdits {
    /// Absolute path.
    #[serde(default, deserialize_with = "as_default")]
    pub path: String,
    /// The etag the file must have before the first edit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_match: Option<String>,
    /// 1 to 1000 edits, each applied to the output of the one before.
    #[serde(default, deserialize_with = "as_default")]
    pub edits: Vec<Edit>,
}

impl FileEdits {
    /// Edits of the file at an absolute path, whatever its version.
    pub fn new(path: impl Into<String>, edits: impl IntoIterator<Item = Edit>) -> Self {
        Self { path: path.into(), if_match: None, edits: edits.into_iter().collect() }
    }
}

/// One replacement of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ReceivedEdit")]
pub struct Edit {
    /// The text to find; not empty. `search` is its older name.
    pub old_text: String,
    /// The text to put in its place. `replace` is its older name.
    pub new_text: String,
    /// Whether to replace every hit instead of refusing several.
    #[serde(skip_serializing_if = "is_false")]
    pub replace_all: bool,
    /// Whether white space may differ when there is no exact hit; true by default.
    pub fuzzy: bool,
}

impl Edit {
    /// A tolerant replacement of one hit.
    pub fn new(old_text: impl Into<String>, new_text: impl Into<String>) -> Self {
        let (old_text, new_text) = (old_text.into(), new_text.into());
        Self { old_text, new_text, replace_all: false, fuzzy: true }
    }
}

impl Default for Edit {
    fn default() -> Self {
        Self::new("", "")
    }
}

/// An edit as clients of any age write it: the newer of two names wins.
#[derive(Deserialize)]
struct ReceivedEdit {
    #[serde(default)]
    old_text: Option<String>,
    #[serde(default)]
    search: Option<String>,
    #[serde(default)]
    new_text: Option<String>,
    #[serde(default)]
    replace: Option<String>,
    #[serde(default, deserialize_with = "as_default")]
    replace_all: bool,
    #[serde(default = "yes", deserialize_with = "as_true")]
    fuzzy: bool,
}

impl From<ReceivedEdit> for Edit {
    fn from(edit: ReceivedEdit) -> Self {
        Self {
            old_text: edit.old_text.or(edit.search).unwrap_or_default(),
            new_text: edit.new_text.or(edit.replace).unwrap_or_default(),
            replace_all: edit.replace_all,
            fuzzy: edit.fuzzy,
        }
    }
}

/// Answer of `edit_files`: empty, or with diffs when they were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditFilesResponse {
    /// One entry a file, in the order of the request after merging.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<EditedFile>>,
    /// Whether nothing was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
}

/// What the edits did to one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditedFile {
    /// The path as the caller gave it.
    pub path: String,
    /// One unified diff; empty when nothing changed or the diff is left out.
    pub diff: String,
    /// Whether a diff over 1 MiB was left out.
    #[serde(default, skip_serializing_if = "is_false", deserialize_with = "as_default")]
    pub diff_omitted: bool,
    /// Whether any byte changed.
    pub changed: bool,
    /// The version now on disk; with `dry_run` the one that was read.
    pub etag: ETag,
}
