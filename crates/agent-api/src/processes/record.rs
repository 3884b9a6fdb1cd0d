//! Words of what is known of a process.

use serde::{Deserialize, Serialize};

use crate::{
    ChatId, ProcessId, ProcessLimits, Stdin, TerminalSize, Timestamp,
    null::{as_default, is_false, is_zero},
};

/// Whose consumption a record reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Accounting {
    /// That of the whole tree, also while it runs.
    Cgroup,
    /// That of the leader and the children it waited for, after its exit.
    Rusage,
    /// A source of a newer agent.
    #[serde(other)]
    Unknown,
}

/// Answer of `get_process`: everything known of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// Its id.
    pub id: ProcessId,
    /// The shell text, if it was started by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Program and arguments, if it was started by them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// Working directory it started in, absolute.
    pub workdir: String,
    /// As requested.
    pub background: bool,
    /// Whether the leader runs.
    pub running: bool,
    /// Whether nothing more can be printed.
    pub output_closed: bool,
    /// Exit status of the leader, 128 + n for death by signal n, -1 when the system lost it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Name of the signal the leader died of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Whether that signal left a core dump.
    #[serde(default, deserialize_with = "as_default", skip_serializing_if = "is_false")]
    pub core_dumped: bool,
    /// Whether the agent ended it because of `timeout_ms`.
    #[serde(default, deserialize_with = "as_default", skip_serializing_if = "is_false")]
    pub timed_out: bool,
    /// Whether the agent died while it ran, so that its real end is unknown.
    #[serde(default, deserialize_with = "as_default", skip_serializing_if = "is_false")]
    pub lost: bool,
    /// Whether the kernel killed a member of the tree for memory.
    #[serde(default, deserialize_with = "as_default", skip_serializing_if = "is_false")]
    pub oom_killed: bool,
    /// `started_at` in whole seconds since the Unix epoch.
    pub started_at_unix: i64,
    /// `exited_at` in whole seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exited_at_unix: Option<i64>,
    /// Process id of the leader.
    pub pid: u32,
    /// When it was started.
    pub started_at: Timestamp,
    /// When the leader exited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exited_at: Option<Timestamp>,
    /// When the last writer closed the output after the exit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// Until when it is kept, since it is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_until: Option<Timestamp>,
    /// How its input stands.
    pub stdin: Stdin,
    /// The chat it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_id: Option<ChatId>,
    /// The user it runs as, if the request named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Present size of its terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<TerminalSize>,
    /// Its time limit in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Its other limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<ProcessLimits>,
    /// Whether stderr is a stream of its own.
    #[serde(default, deserialize_with = "as_default", skip_serializing_if = "is_false")]
    pub separate_stderr: bool,
    /// Whether its descendants are left running.
    #[serde(default, deserialize_with = "as_default", skip_serializing_if = "is_false")]
    pub keep_children: bool,
    /// Processor time in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_time_ms: Option<u64>,
    /// Most memory at one time in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    /// Whose time and memory these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounting: Option<Accounting>,
    /// Bytes of the output from offset 0 that are retained without a hole.
    #[serde(default, deserialize_with = "as_default")]
    pub output_head_bytes: u64,
    /// First offset of the output from which everything up to the end is retained.
    #[serde(default, deserialize_with = "as_default")]
    pub output_start_bytes: u64,
    /// Bytes of output ever produced.
    #[serde(default, deserialize_with = "as_default")]
    pub output_end_bytes: u64,
    /// As `output_head_bytes`, of stderr.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr_head_bytes: Option<u64>,
    /// As `output_start_bytes`, of stderr.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr_start_bytes: Option<u64>,
    /// As `output_end_bytes`, of stderr.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr_end_bytes: Option<u64>,
}

/// One process of `list_processes`; each field is that of [`ProcessRecord`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSummary {
    /// Its id.
    pub id: ProcessId,
    /// The shell text, if it was started by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Program and arguments, if it was started by them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// Working directory it started in, absolute.
    pub workdir: String,
    /// As requested.
    pub background: bool,
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
    /// Process id of the leader.
    pub pid: u32,
    /// Start in whole seconds since the Unix epoch.
    pub started_at_unix: i64,
    /// Exit in whole seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exited_at_unix: Option<i64>,
}

/// Query of `list_processes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListProcessesRequest {
    /// Most processes; 0 is [`DEFAULT_PROCESS_LIST`](crate::limits::DEFAULT_PROCESS_LIST), the
    /// most [`MAX_PROCESS_LIST`](crate::limits::MAX_PROCESS_LIST).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub limit: u64,
}

/// Answer of `list_processes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListProcessesResponse {
    /// Running ones first, then by start time, newest first.
    #[serde(default, deserialize_with = "as_default")]
    pub processes: Vec<ProcessSummary>,
}
