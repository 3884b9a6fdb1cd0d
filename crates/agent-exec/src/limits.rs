//! What a command and everything it starts may use; how that is enforced is the cgroup's matter.

/// What a whole tree of processes may use; a field that is absent is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory, without swap; the kernel ends the whole tree above it (`memory.max`).
    pub memory_bytes: Option<u64>,
    /// Hundredths of one CPU's time: 100 is one CPU, 250 two and a half (`cpu.max`).
    pub cpu_percent: Option<u64>,
    /// Number of processes and threads at a time (`pids.max`).
    pub pids: Option<u64>,
}

impl Limits {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
