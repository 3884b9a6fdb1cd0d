//! A command that runs, and how it ends; not the reading and writing of what it says.

use std::io;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::ended::Ended;
use crate::{Children, Pty, Receiver, Sender, Tree, sys};

/// A command that was started.
///
/// Dropping it ends nothing; an exit that nobody has waited for is then left to the reaper of
/// orphans.
#[derive(Debug)]
pub struct Child {
    /// Process id of the leader, the process that was started; its session and group have it too.
    pub pid: u32,
    /// The leader and everything it starts.
    pub tree: Tree,
    /// The command's input, with [`Input::Pipe`](crate::Input::Pipe).
    pub stdin: Option<Sender>,
    /// The command's output, unless it is a terminal.
    pub stdout: Option<Receiver>,
    /// The command's errors, with [`ErrorOutput::Pipe`](crate::ErrorOutput::Pipe).
    pub stderr: Option<Receiver>,
    /// The command's terminal, with [`Stdio::Terminal`](crate::Stdio::Terminal).
    pub terminal: Option<Pty>,
    pub(crate) leader: Leader,
}

impl Child {
    /// Waits until the leader has ended.
    ///
    /// Any number of callers may wait, now and later; all get the same answer.
    ///
    /// # Cancellation
    ///
    /// Loses nothing.
    pub async fn wait(&self) -> Exit {
        self.leader.wait().await
    }

    /// How the leader ended, if it has by now; [`Child::wait`] may hear of it a little later.
    pub fn try_wait(&self) -> Option<Exit> {
        self.leader.ended.is_over().then(|| self.leader.collect()).flatten()
    }
}

/// How a leader ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Its status.
    pub status: ExitStatus,
    /// When its end was seen.
    pub at: SystemTime,
    /// CPU time of it and of the descendants that were waited for, in user and system mode.
    pub cpu_time: Duration,
    /// The largest resident size in bytes of it or one descendant that was waited for.
    ///
    /// The kernel counts the moment before the program executed too, so it is never less than
    /// what agentd itself had resident then (getrusage(2), `ru_maxrss`).
    pub peak_memory_bytes: u64,
}

/// What a leader left as its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It exited with this code, 0 to 255.
    Exited(i32),
    /// A signal ended it.
    Signaled {
        /// Number of the signal; [`Signal::name_of`](crate::Signal::name_of) has its name.
        signal: i32,
        /// Whether the system wrote its memory to a file.
        core_dumped: bool,
    },
    /// Somebody else collected it; the status is not known.
    Lost,
}

/// The process that was started, until it has been collected.
#[derive(Debug)]
pub(crate) struct Leader {
    pid: u32,
    ended: Ended,
    tree: Tree,
    children: Children,
    exit: OnceLock<Exit>,
    /// Held while the process is collected, so that its id is not used after that.
    collecting: Mutex<()>,
}

impl Leader {
    /// Takes a registered child over.
    pub(crate) fn new(pid: u32, ended: Ended, tree: Tree, children: Children) -> Self {
        let (exit, collecting) = (OnceLock::new(), Mutex::new(()));
        Self { pid, ended, tree, children, exit, collecting }
    }

    pub(crate) async fn wait(&self) -> Exit {
        let collected = self.ended.until(|| self.collect()).await;
        collected.unwrap_or_else(|stopped| self.lost(&stopped))
    }

    /// Collects the process if it has ended.
    fn collect(&self) -> Option<Exit> {
        let _one = self.collecting.lock();
        if let Some(exit) = self.exit.get() {
            return Some(*exit);
        }
        // The tree must know before the id can become somebody else's.
        self.tree.leader_ended();
        let exit = match sys::collect(self.pid) {
            Ok(None) => return None,
            Ok(Some(exit)) => exit,
            Err(error) => self.lost(&error),
        };
        self.children.collected(self.pid);
        self.tree.leader_collected();
        Some(*self.exit.get_or_init(|| exit))
    }

    fn lost(&self, error: &io::Error) -> Exit {
        tracing::warn!(process.pid = self.pid, error = %agent_api::io_text(error), "lost an exit");
        Exit {
            status: ExitStatus::Lost,
            at: SystemTime::now(),
            cpu_time: Duration::ZERO,
            peak_memory_bytes: 0,
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if self.exit.get().is_none() {
            // From now on anybody may collect it.
            self.tree.leader_ended();
            self.children.collected(self.pid);
        }
    }
}

/// A child that nobody has taken yet: dropped, it is killed with its tree and collected.
#[derive(Debug)]
pub(crate) struct Unclaimed(Option<Child>);

impl Unclaimed {
    pub(crate) fn new(child: Child) -> Self {
        Self(Some(child))
    }

    pub(crate) fn claim(mut self) -> Child {
        self.0.take().expect("only claiming takes the child")
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        let Some(child) = self.0.take() else { return };
        let doomed = Doomed(child);
        // Dropped by the runtime that spawned it; otherwise `doomed` is dropped here. No thread
        // for what blocks may wait for it, because ending a tree needs one.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(doomed.end());
        }
    }
}

/// A child that must not live on, not even when the runtime stops before it is ended.
#[derive(Debug)]
struct Doomed(Child);

impl Doomed {
    async fn end(self) {
        self.0.tree.kill().await;
        self.0.wait().await;
        self.0.tree.remove();
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        if self.0.leader.exit.get().is_some() {
            return;
        }
        if let Some(leader) = i32::try_from(self.0.pid).ok().and_then(Pid::from_raw) {
            // Not collected, so the id and that of its group are still its own.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}
