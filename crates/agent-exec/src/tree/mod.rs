//! A command and everything it started: signaled, counted and ended as one.
//!
//! ```text
//!            Tree
//!           /    \
//!       Leaf      Walk      on Linux: the command's cgroup, else the table of processes
//!           \    /
//!           Entry           one process, signaled by a descriptor that survives no reuse of ids
//! ```

use std::{io, time::Duration};

use agent_api::{Classify, ErrorCode};

#[cfg(target_os = "linux")]
mod ending;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod portable;
#[cfg(target_os = "linux")]
mod walk;

#[cfg(target_os = "linux")]
pub(crate) use linux::Start;
#[cfg(target_os = "linux")]
pub use linux::Tree;
#[cfg(not(target_os = "linux"))]
pub use portable::Tree;

/// Which processes of a tree are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// The leader and everything descended from it, however it detached.
    #[default]
    Tree,
    /// The members in the leader's session: every job of its terminal, and nothing that has left
    /// for a session of its own.
    Session,
    /// The leader's process group.
    Group,
    /// The leader alone.
    Leader,
}

/// What a whole tree used so far, processes that have ended included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Time on processors, in user and system mode.
    pub cpu_time: Duration,
    /// The most memory the tree had at a time, in bytes.
    pub peak_memory_bytes: u64,
}

/// Why no process was signaled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// Every process that was meant has ended.
    #[error("no process is left to be signaled")]
    NoMember,
    /// The system let none of the processes be signaled.
    #[error("the signal was refused")]
    Refused(#[source] io::Error),
}

impl Classify for TreeError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoMember => ErrorCode::Conflict,
            Self::Refused(source) => ErrorCode::from_io(source),
        }
    }
}
