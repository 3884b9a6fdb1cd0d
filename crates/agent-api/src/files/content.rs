//! Words of reading and writing whole files and lines of text.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    ETag,
    null::{as_default, is_false, is_zero},
};

/// Permission bits of a file: one to four octal digits, written as four (`"0755"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileMode(u32);

/// The text is not one to four octal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseFileModeError;

impl FileMode {
    /// Keeps the twelve permission bits of a `st_mode`.
    pub fn from_bits(mode: u32) -> Self {
        Self(mode & 0o7777)
    }

    /// The bits, 0 to 0o7777.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl FromStr for FileMode {
    type Err = ParseFileModeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let octal = text.bytes().all(|b| (b'0'..=b'7').contains(&b));
        if !octal || !(1..=4).contains(&text.len()) {
            return Err(ParseFileModeError);
        }
        u32::from_str_radix(text, 8).map(Self).map_err(|_| ParseFileModeError)
    }
}

impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl fmt::Display for ParseFileModeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mode must be one to four octal digits")
    }
}

impl std::error::Error for ParseFileModeError {}

impl Serialize for FileMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FileMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Query and conditions of `read_file`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadFileRequest {
    /// Absolute path.
    pub path: String,
    /// First byte; beyond the end gives no bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub offset: u64,
    /// Most bytes; 0 reads to the end.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub limit: u64,
    /// The `If-None-Match` header.
    #[serde(skip)]
    pub if_none_match: Option<String>,
    /// The `Range` header.
    #[serde(skip)]
    pub range: Option<String>,
    /// The `If-Range` header.
    #[serde(skip)]
    pub if_range: Option<String>,
}

impl ReadFileRequest {
    /// The whole file at an absolute path.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }
}

/// Query of `read_file_lines`; a budget of 0 is its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadFileLinesRequest {
    /// Absolute path.
    pub path: String,
    /// First line, 1-based; 0 means 1.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub offset: u64,
    /// Most lines; 0 means `max_response_lines`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub limit: u64,
    /// Whether budgets cut the answer instead of failing it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub partial: bool,
    /// Largest file in bytes, 1 MiB by default.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub max_file_size: u64,
    /// Longest line in bytes, 1024 by default, 1 MiB at most; a longer one is cut.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub max_line_bytes: u64,
    /// Most lines, 2000 by default, 1 000 000 at most.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub max_response_lines: u64,
    /// Most bytes of `content`, 32 KiB by default, 8 MiB at most.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub max_response_bytes: u64,
}

impl ReadFileLinesRequest {
    /// The first lines of the file at an absolute path, within the default budgets.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }
}

/// Answer of `read_file_lines`; fields that are zero, false or empty are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadFileLinesResponse {
    /// Whether the lines were read; if not, `error` and `error_code` say why.
    pub success: bool,
    /// `<number><TAB><text>` for each line, joined by LF, without a final one.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "as_default")]
    pub content: String,
    /// Size of the file in bytes.
    #[serde(default, skip_serializing_if = "is_zero", deserialize_with = "as_default")]
    pub file_size: u64,
    /// Lines in the file; absent when its end was not reached.
    #[serde(default, skip_serializing_if = "is_zero", deserialize_with = "as_default")]
    pub total_lines: u64,
    /// Lines in `content`.
    #[serde(default, skip_serializing_if = "is_zero", deserialize_with = "as_default")]
    pub lines_read: u64,
    /// First line after the last one returned; absent at the end of the file.
    #[serde(default, skip_serializing_if = "is_zero", deserialize_with = "as_default")]
    pub next_offset: u64,
    /// Whether a budget, not `limit`, ended the answer.
    #[serde(default, skip_serializing_if = "is_false", deserialize_with = "as_default")]
    pub truncated: bool,
    /// Whether invalid UTF-8 was replaced by U+FFFD.
    #[serde(default, skip_serializing_if = "is_false", deserialize_with = "as_default")]
    pub lossy: bool,
    /// The version that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<ETag>,
    /// Why nothing was read.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "as_default")]
    pub error: String,
    /// The code of `error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<crate::ErrorCode>,
}

/// Query and conditions of `write_file`; the body is the new content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteFileRequest {
    /// Absolute path.
    pub path: String,
    /// Whether to wait until file and directory are on the disk.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sync: bool,
    /// Exact mode of a new file, whatever the umask; without effect on an existing one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<FileMode>,
    /// The `If-Match` header: the etag the file must have, or `*` for any.
    #[serde(skip)]
    pub if_match: Option<String>,
    /// The `If-None-Match` header: `*` when the file must not exist.
    #[serde(skip)]
    pub if_none_match: Option<String>,
}

impl WriteFileRequest {
    /// The file at an absolute path, whatever is there.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }
}

/// Answer of `write_file`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteFileResponse {
    /// A sentence for people.
    pub message: String,
    /// The version now on disk.
    pub etag: ETag,
    /// Bytes written.
    pub size_bytes: u64,
    /// Whether the file is new.
    pub created: bool,
    /// Whether an existing file was overwritten instead of replaced.
    pub in_place: bool,
}
