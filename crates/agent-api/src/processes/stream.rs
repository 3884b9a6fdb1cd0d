//! Words of following what a process prints, live.
//!
//! Over a WebSocket output is a binary message, [`FRAME_HEADER_BYTES`] of offset and then the
//! bytes, and everything else a [`ProcessStreamMessage`]. Over an event stream output is an
//! [`OutputChunk`].

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::output::is_output;
use crate::{
    OutputStreamName, Timestamp,
    null::{as_default, is_false},
};

/// Bytes in front of the output in a binary message: the offset of its first byte, big-endian.
pub const FRAME_HEADER_BYTES: usize = 8;
/// Most bytes of output in one message.
pub const MAX_CHUNK_BYTES: usize = 32 * 1024;

/// Where a stream begins; a number, or the word `end`, in a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamStart {
    /// At an offset.
    Offset(u64),
    /// At the end at the arrival of the request.
    End,
}

impl Default for StreamStart {
    fn default() -> Self {
        Self::Offset(0)
    }
}

/// The text is neither an offset nor `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseStreamStartError {
    /// The number is below 0.
    Negative,
    /// It is no number, or above 2^63 - 1.
    NotAnOffset,
}

impl fmt::Display for ParseStreamStartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Negative => "value is negative",
            Self::NotAnOffset => "the value must be an offset or `end`",
        })
    }
}

impl std::error::Error for ParseStreamStartError {}

impl FromStr for StreamStart {
    type Err = ParseStreamStartError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "end" {
            return Ok(Self::End);
        }
        let (is_negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ParseStreamStartError::NotAnOffset);
        }
        match digits.parse() {
            Ok(0) => Ok(Self::Offset(0)),
            _ if is_negative => Err(ParseStreamStartError::Negative),
            Ok(offset) if offset <= crate::limits::MAX_QUERY_INTEGER => Ok(Self::Offset(offset)),
            _ => Err(ParseStreamStartError::NotAnOffset),
        }
    }
}

impl fmt::Display for StreamStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offset(offset) => offset.fmt(f),
            Self::End => f.write_str("end"),
        }
    }
}

impl Serialize for StreamStart {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StreamStart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Query of `stream_process_output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamProcessOutputRequest {
    /// Which stream.
    #[serde(default, skip_serializing_if = "is_output")]
    pub stream: OutputStreamName,
    /// Where it begins.
    #[serde(default, skip_serializing_if = "is_beginning")]
    pub from: StreamStart,
}

fn is_beginning(from: &StreamStart) -> bool {
    *from == StreamStart::default()
}

/// Why bytes cannot be read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GapReason {
    /// They were forgotten to keep a quota.
    Quota,
    /// They could never be stored.
    Disk,
    /// A reason of a newer agent.
    #[serde(other)]
    Unknown,
}

/// Bytes of a stream that will not come: `[from, to)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputGap {
    /// Offset of the first byte.
    pub from: u64,
    /// Offset behind the last byte.
    pub to: u64,
    /// Why.
    pub reason: GapReason,
}

/// The exit of the leader, sent once, behind every byte that the leader wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessExited {
    /// Exit status, 128 + n for death by signal n, -1 when the system lost it.
    pub exit_code: i32,
    /// When.
    pub exited_at: Timestamp,
    /// Name of the signal it died of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Whether the agent ended it because of `timeout_ms`.
    #[serde(default, deserialize_with = "as_default", skip_serializing_if = "is_false")]
    pub timed_out: bool,
    /// Whether the kernel killed a member of the tree for memory.
    #[serde(default, deserialize_with = "as_default", skip_serializing_if = "is_false")]
    pub oom_killed: bool,
}

/// A message of the agent in `stream_process_output` other than output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProcessStreamMessage {
    /// Some bytes will not come.
    Gap(OutputGap),
    /// The leader exited.
    Exited(ProcessExited),
    /// Nothing will follow.
    Closed {
        /// Bytes ever produced.
        end_bytes: u64,
    },
    /// A message of a newer agent.
    #[serde(other)]
    Unknown,
}

/// Output in an event stream: `text`, or `base64` where the bytes are not UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputChunk {
    /// Offset of the first byte.
    pub from: u64,
    /// Offset behind the last byte.
    pub to: u64,
    /// The bytes as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The bytes in standard base64 with padding (RFC 4648 section 4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}
