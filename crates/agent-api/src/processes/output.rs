//! Words of reading what a process printed: as one bounded text, or as bytes.

use serde::{Deserialize, Serialize};

use crate::null::{as_default, is_false, is_zero};

/// What a waiting `get_process_output` waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WaitFor {
    /// The exit of the leader.
    #[default]
    Exit,
    /// Output at or after `from`, of either stream, or the close.
    Output,
    /// The close of the output.
    Closed,
    /// Something a newer client waits for.
    #[serde(other)]
    Unknown,
}

/// Query of `get_process_output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetProcessOutputRequest {
    /// Whether to answer later; without it the others mean nothing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub wait: bool,
    /// What to wait for.
    #[serde(default, skip_serializing_if = "is_exit")]
    pub wait_for: WaitFor,
    /// Longest wait in milliseconds; 0 and more than the most are
    /// [`MAX_PROCESS_WAIT_MS`](crate::limits::MAX_PROCESS_WAIT_MS).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub wait_ms: u64,
    /// Offset for [`WaitFor::Output`]; without it, the end at the arrival of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
}

fn is_exit(wait_for: &WaitFor) -> bool {
    *wait_for == WaitFor::Exit
}

/// What was left out of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truncation {
    /// Bytes of the whole stream.
    pub original_bytes: u64,
    /// Bytes of head and tail.
    pub retained_bytes: u64,
    /// Bytes between them.
    pub omitted_bytes: u64,
    /// `head_tail`.
    pub strategy: String,
}

/// Answer of `get_process_output`: one consistent moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetProcessOutputResponse {
    /// The output as text: whole, or head and tail; long lines are cut.
    #[serde(default, deserialize_with = "as_default")]
    pub output: String,
    /// Whether bytes that are not UTF-8 were replaced by U+FFFD, in either text.
    #[serde(default, deserialize_with = "as_default", skip_serializing_if = "is_false")]
    pub lossy: bool,
    /// What is missing between head and tail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated: Option<Truncation>,
    /// Number of lines that were cut.
    #[serde(default, deserialize_with = "as_default", skip_serializing_if = "is_zero")]
    pub cut_lines: u64,
    /// Whether the leader runs.
    pub running: bool,
    /// Whether nothing more can be printed.
    pub output_closed: bool,
    /// Exit status of the leader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Name of the signal the leader died of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Whether the agent ended it because of `timeout_ms`.
    #[serde(default, deserialize_with = "as_default", skip_serializing_if = "is_false")]
    pub timed_out: bool,
    /// Whether the kernel killed a member of the tree for memory.
    #[serde(default, deserialize_with = "as_default", skip_serializing_if = "is_false")]
    pub oom_killed: bool,
    /// First offset from which everything up to the end is retained.
    #[serde(default, deserialize_with = "as_default")]
    pub output_start_bytes: u64,
    /// Bytes ever produced.
    #[serde(default, deserialize_with = "as_default")]
    pub output_end_bytes: u64,
    /// Whether `wait_ms` passed before what was waited for.
    #[serde(default, deserialize_with = "as_default", skip_serializing_if = "is_false")]
    pub wait_expired: bool,
    /// The text of stderr, where it is a stream of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    /// Whether some of them were in stderr.
    #[serde(default, deserialize_with = "as_default", skip_serializing_if = "is_false")]
    pub stderr_lossy: bool,
    /// As `truncated`, of stderr.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr_truncated: Option<Truncation>,
    /// As `cut_lines`, of stderr.
    #[serde(default, deserialize_with = "as_default", skip_serializing_if = "is_zero")]
    pub stderr_cut_lines: u64,
}

/// A stream of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutputStreamName {
    /// Stdout and stderr in order of arrival, or stdout alone.
    #[default]
    Output,
    /// Stderr, where it is a stream of its own.
    Stderr,
    /// A stream of a newer client.
    #[serde(other)]
    Unknown,
}

pub(super) fn is_output(stream: &OutputStreamName) -> bool {
    *stream == OutputStreamName::Output
}

/// Query of `read_process_output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadProcessOutputRequest {
    /// Which stream.
    #[serde(default, skip_serializing_if = "is_output")]
    pub stream: OutputStreamName,
    /// Offset of the first byte.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub from: u64,
    /// Most bytes; 0 is
    /// [`DEFAULT_PROCESS_READ_BYTES`](crate::limits::DEFAULT_PROCESS_READ_BYTES), the most
    /// [`MAX_PROCESS_READ_BYTES`](crate::limits::MAX_PROCESS_READ_BYTES).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub limit: u64,
    /// Whether to wait for a byte at or after `from`, or the close.
    #[serde(default, skip_serializing_if = "is_false")]
    pub wait: bool,
    /// Longest wait in milliseconds; 0 is
    /// [`DEFAULT_PROCESS_READ_WAIT_MS`](crate::limits::DEFAULT_PROCESS_READ_WAIT_MS), the most
    /// [`MAX_PROCESS_WAIT_MS`](crate::limits::MAX_PROCESS_WAIT_MS).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub wait_ms: u64,
}

/// Response header: offset of the first byte of the body.
pub const BODY_START_BYTES_HEADER: &str = "Agent-Body-Start-Bytes";
/// Response header: offset behind the last byte of the body.
pub const BODY_END_BYTES_HEADER: &str = "Agent-Body-End-Bytes";
/// Response header: first offset from which everything up to the end is retained; with 410, the
/// first readable offset at or after the one asked for.
pub const JOURNAL_START_BYTES_HEADER: &str = "Agent-Journal-Start-Bytes";
/// Response header: bytes ever produced.
pub const JOURNAL_END_BYTES_HEADER: &str = "Agent-Journal-End-Bytes";
/// Response header: whether the leader runs.
pub const RUNNING_HEADER: &str = "Agent-Running";
/// Response header: whether nothing more can be printed.
pub const OUTPUT_CLOSED_HEADER: &str = "Agent-Output-Closed";
