//! Words of searching contents and names.

use serde::{Deserialize, Serialize};

use super::EntryKind;
use crate::null::{as_default, is_false, is_zero};

/// Whether letters of either case match each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SearchCase {
    /// They do not.
    #[default]
    Sensitive,
    /// They do.
    Insensitive,
    /// They do unless the pattern has an upper-case letter.
    Smart,
}

impl SearchCase {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Body of `search_files`; a limit or budget of 0 is its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchFilesRequest {
    /// 1 to 4096 bytes in the syntax of the `regex` crate, matched within single lines.
    #[serde(default, deserialize_with = "as_default")]
    pub pattern: String,
    /// Whether `pattern` is literal text.
    #[serde(default, skip_serializing_if = "is_false", deserialize_with = "as_default")]
    pub fixed: bool,
    /// How the case of letters counts.
    #[serde(
        default,
        skip_serializing_if = "SearchCase::is_default",
        deserialize_with = "as_default"
    )]
    pub case: SearchCase,
    /// Up to 64 absolute paths of files and directories; the agent's working directory by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "as_default")]
    pub paths: Vec<String>,
    /// Up to 64 patterns in gitignore syntax; a leading `!` excludes.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "as_default")]
    pub globs: Vec<String>,
    /// Whether names that start with a dot take part.
    #[serde(default, skip_serializing_if = "is_false", deserialize_with = "as_default")]
    pub hidden: bool,
    /// Whether ignore files do not count.
    #[serde(default, skip_serializing_if = "is_false", deserialize_with = "as_default")]
    pub no_ignore: bool,
    /// Lines to show before and after a match, at most 20.
    #[serde(default, skip_serializing_if = "is_zero", deserialize_with = "as_default")]
    pub context_lines: u64,
    /// Most matching lines, 1000 by default, 10 000 at most.
    #[serde(default, skip_serializing_if = "is_zero", deserialize_with = "as_default")]
    pub max_matches: u64,
    /// Most bytes of a line's text, 1024 by default, 65 536 at most.
    #[serde(default, skip_serializing_if = "is_zero", deserialize_with = "as_default")]
    pub max_line_bytes: u64,
    /// Most time in milliseconds, 10 000 by default, 60 000 at most.
    #[serde(default, skip_serializing_if = "is_zero", deserialize_with = "as_default")]
    pub time_budget_ms: u64,
    /// `next_cursor` of an answer to the same request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl SearchFilesRequest {
    /// A pattern below the agent's working directory, within the default budgets.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self { pattern: pattern.into(), ..Self::default() }
    }
}

/// Answer of `search_files`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchFilesResponse {
    /// One entry a matching line, in the order of `paths`, then by path, then by line.
    #[serde(default, deserialize_with = "as_default")]
    pub matches: Vec<SearchMatch>,
    /// Files looked into.
    pub files_searched: u64,
    /// Whether a budget ended the answer.
    pub truncated: bool,
    /// Which budget it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated_by: Option<TruncatedBy>,
    /// Where to go on; there exactly when `truncated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// The first 20 paths that could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "as_default")]
    pub skipped: Vec<SkippedPath>,
    /// How many could not be read.
    #[serde(default, skip_serializing_if = "is_zero", deserialize_with = "as_default")]
    pub skipped_total: u64,
}

/// The budget that ended an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TruncatedBy {
    /// `max_matches` of `search_files`.
    Matches,
    /// `time_budget_ms`.
    Time,
    /// 2 MiB of texts.
    Bytes,
    /// `limit` of `find_files`.
    Limit,
    /// A budget of a newer agent.
    #[serde(other)]
    Unknown,
}

/// One matching line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchMatch {
    /// Absolute path of the file.
    pub path: String,
    /// 1-based number of the line.
    pub line: u64,
    /// 1-based byte of the first match in the line.
    pub column: u64,
    /// The line without its ending, or a piece of it when `cut`.
    pub text: String,
    /// Byte in the line at which a cut `text` begins.
    #[serde(default, skip_serializing_if = "is_zero", deserialize_with = "as_default")]
    pub text_start: u64,
    /// Whether `text` is a piece of the line.
    #[serde(default, skip_serializing_if = "is_false", deserialize_with = "as_default")]
    pub cut: bool,
    /// The matches in the line: non-empty, in order, not overlapping.
    #[serde(default, deserialize_with = "as_default")]
    pub submatches: Vec<Submatch>,
    /// Lines before, nearest last.
    #[serde(default, deserialize_with = "as_default")]
    pub before: Vec<String>,
    /// Lines after, nearest first.
    #[serde(default, deserialize_with = "as_default")]
    pub after: Vec<String>,
}

/// A match as byte offsets in its line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submatch {
    /// First byte.
    pub start: u64,
    /// Byte after the last one.
    pub end: u64,
}

/// A path that could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedPath {
    /// The path.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// Body of `find_files`; a limit or budget of 0 is its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindFilesRequest {
    /// Fuzzy name, at most 256 bytes, case-insensitive; all candidates without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Up to 64 absolute paths; the agent's working directory by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "as_default")]
    pub paths: Vec<String>,
    /// Up to 64 patterns in gitignore syntax; a leading `!` excludes.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "as_default")]
    pub globs: Vec<String>,
    /// Whether names that start with a dot take part.
    #[serde(default, skip_serializing_if = "is_false", deserialize_with = "as_default")]
    pub hidden: bool,
    /// Whether ignore files do not count.
    #[serde(default, skip_serializing_if = "is_false", deserialize_with = "as_default")]
    pub no_ignore: bool,
    /// Kinds of entries to find; regular files by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "as_default")]
    pub kinds: Vec<EntryKind>,
    /// Most entries, 100 by default, 10 000 at most.
    #[serde(default, skip_serializing_if = "is_zero", deserialize_with = "as_default")]
    pub limit: u64,
    /// Most time in milliseconds, 5000 by default, 60 000 at most.
    #[serde(default, skip_serializing_if = "is_zero", deserialize_with = "as_default")]
    pub time_budget_ms: u64,
}

/// Answer of `find_files`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindFilesResponse {
    /// The best first.
    #[serde(default, deserialize_with = "as_default")]
    pub results: Vec<FoundFile>,
    /// Whether a budget ended the answer.
    pub truncated: bool,
    /// Which budget it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated_by: Option<TruncatedBy>,
}

/// One entry found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundFile {
    /// Absolute path.
    pub path: String,
    /// What the entry is.
    pub kind: EntryKind,
    /// Whether `kind` is [`EntryKind::Directory`].
    pub is_dir: bool,
}
