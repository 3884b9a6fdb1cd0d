//! Words of processes: starting them, what is known of them, what they print, how they are ended.

mod output;
mod record;
mod start;
mod stream;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

pub use output::*;
pub use record::*;
pub use start::*;
pub use stream::*;

/// The id of a process: a UUID that is not nil, chosen by the client or by the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(Uuid);

/// The text is no id of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseProcessIdError;

impl ProcessId {
    /// An id of a UUID; `None` for the nil UUID.
    pub fn from_uuid(uuid: Uuid) -> Option<Self> {
        (!uuid.is_nil()).then_some(Self(uuid))
    }

    /// The UUID.
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl FromStr for ProcessId {
    type Err = ParseProcessIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).ok().and_then(Self::from_uuid).ok_or(ParseProcessIdError)
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ParseProcessIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a process id must be a UUID other than the nil UUID")
    }
}

impl std::error::Error for ParseProcessIdError {}

impl Serialize for ProcessId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ProcessId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Rows and columns of a terminal; also request and answer of `resize_process`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Lines, 1 to 1000.
    pub rows: u16,
    /// Characters of a line, 1 to 1000.
    pub cols: u16,
}

/// Where a signal goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SignalScope {
    /// The leader and everything descended from it, however it detached.
    #[default]
    Tree,
    /// The leader's process group.
    Group,
    /// The leader alone.
    Leader,
    /// A scope of a newer client.
    #[serde(other)]
    Unknown,
}

/// Body of `signal_process`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalProcessRequest {
    /// Name of a signal with or without `SIG` in any case, or `kill`, or `terminate`.
    #[serde(default, deserialize_with = "crate::null::as_default")]
    pub signal: String,
    /// Where it goes.
    #[serde(default, deserialize_with = "crate::null::as_default")]
    pub scope: SignalScope,
}

/// Answer of `signal_process`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalProcessResponse {
    /// A sentence for people.
    pub message: String,
}

/// Answer of `delete_process`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteProcessResponse {
    /// A sentence for people.
    pub message: String,
}

/// Query of `write_process_input`; the bytes are the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteProcessInputRequest {
    /// Longest wait for room in milliseconds; 0 is
    /// [`DEFAULT_PROCESS_INPUT_WAIT_MS`](crate::limits::DEFAULT_PROCESS_INPUT_WAIT_MS), the most
    /// [`MAX_PROCESS_WAIT_MS`](crate::limits::MAX_PROCESS_WAIT_MS).
    #[serde(default, skip_serializing_if = "crate::null::is_zero")]
    pub wait_ms: u64,
}

/// Answer of `write_process_input`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteProcessInputResponse {
    /// Bytes of the body that the pipe or terminal took, from its first on.
    pub written_bytes: u64,
    /// Whether these are all; the rest was dropped and can be sent again.
    pub complete: bool,
}

/// Answer of `close_process_input`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloseProcessInputResponse {
    /// A sentence for people.
    pub message: String,
}
