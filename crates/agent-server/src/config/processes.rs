//! What `[processes]` sets; the rows are in the table.

use std::time::Duration;

/// Limits of processes.
///
/// [`Config::new`](super::Config::new) has the production defaults, this type's own `Default` has
/// nothing but zeros to start from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessSettings {
    /// Bytes of output that are kept of one process, at least 1 MiB.
    pub output_quota_bytes: u64,
    /// Bytes of output that are kept of all processes together, at least 16 MiB.
    pub total_output_quota_bytes: u64,
    /// Processes that run at the same time.
    pub max_running: usize,
    /// Time from TERM to KILL, at a process's timeout and at the stop.
    pub kill_grace: Duration,
    /// How long a process is kept after its output has ended.
    pub retention: Duration,
    /// Processes that have ended and are kept.
    pub max_exited: usize,
    /// How long the id of a forgotten process stays used.
    pub tombstones: Duration,
    /// Ids of forgotten processes that stay used.
    pub max_tombstones: usize,
    /// Whether children get an OOM score and a niceness of their own.
    pub child_priority: bool,
    /// OOM score adjustment of children, -1000 to 1000; without one, it follows agentd's.
    pub oom_score_adj: Option<i32>,
    /// Niceness of children, -20 to 19; without one, it follows agentd's.
    pub nice: Option<i32>,
}
