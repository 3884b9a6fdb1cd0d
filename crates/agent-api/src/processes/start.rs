//! Words of starting a process.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    ProcessId, TerminalSize,
    null::{as_default, is_false},
};

/// Where a process reads its input from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stdin {
    /// `/dev/null`.
    Null,
    /// A pipe or terminal that `write_process_input` feeds.
    Open,
    /// It was open and is closed; in records only.
    Closed,
    /// A kind of a newer peer.
    #[serde(other)]
    Unknown,
}

/// What a process and its descendants may use together; only what is given is limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessLimits {
    /// Memory in bytes without swap, at least 1 MiB; beyond it the whole tree is killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Processor time in percent of one processor, at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<u64>,
    /// Processes and threads at the same time, at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<u64>,
}

/// Body of `start_process`: exactly one of `command` and `args`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartProcessRequest {
    /// Text for `sh -c`, at most
    /// [`MAX_PROCESS_COMMAND_BYTES`](crate::limits::MAX_PROCESS_COMMAND_BYTES).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Program and arguments without a shell, 1 to
    /// [`MAX_PROCESS_ARGS`](crate::limits::MAX_PROCESS_ARGS); a program without `/` is looked up
    /// in the child's `PATH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// Id chosen by the client, which makes the start safe to repeat; else the agent chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ProcessId>,
    /// Working directory; a relative one starts at the agent's. Without one, the agent's, or with
    /// `user` that user's home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
    /// Variables that win over the session's.
    #[serde(default, deserialize_with = "as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Kept and reported, nothing else.
    #[serde(default, deserialize_with = "as_default", skip_serializing_if = "is_false")]
    pub background: bool,
    /// `null` unless given; with a terminal always `open`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<Stdin>,
    /// Runs on a pseudo terminal of this size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<TerminalSize>,
    /// Two streams of output instead of one.
    #[serde(default, deserialize_with = "as_default", skip_serializing_if = "is_false")]
    pub separate_stderr: bool,
    /// Ends the process after this time in milliseconds, 1 to
    /// [`MAX_PROCESS_TIMEOUT_MS`](crate::limits::MAX_PROCESS_TIMEOUT_MS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Name or decimal id of the user to run as; else the agent's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What the process and its descendants may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<ProcessLimits>,
    /// Leaves descendants running at the delete after the exit and at the agent's stop.
    #[serde(default, deserialize_with = "as_default", skip_serializing_if = "is_false")]
    pub keep_children: bool,
}

/// Answer of `start_process`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartProcessResponse {
    /// Its id.
    pub id: ProcessId,
    /// Whether this request started it.
    pub started: bool,
    /// Whether an earlier request with the same id and content had.
    pub attached: bool,
    /// Process id of the leader.
    pub pid: u32,
}
