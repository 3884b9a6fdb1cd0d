//! The tree on systems without cgroups and `/proc`: the leader's process group, which is all of it
//! that can be named there.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustix::process::{
    Pid, kill_process, kill_process_group, test_kill_process, test_kill_process_group,
};
use tokio::time::{Instant, sleep};

use super::{Scope, TreeError, Usage};
use crate::Signal;

/// After this long something cannot be killed.
const GIVE_UP: Duration = Duration::from_secs(5);
/// Between two looks at a group that is ending.
const PAUSE: Duration = Duration::from_millis(10);

/// A command and the members of its process group, also after the command itself has ended.
///
/// Cheap to clone; the clones are one tree. On this system processes that leave the group are not
/// found, there are no accounts and no limits, and a zombie that nobody collects is a member.
#[derive(Clone, Debug)]
pub struct Tree {
    leader: Pid,
    leader_ended: Arc<AtomicBool>,
}

impl Tree {
    pub(crate) fn new(leader: Pid) -> Self {
        Self { leader, leader_ended: Arc::default() }
    }

    /// Notes that the leader has ended, because its id may be somebody else's from then on.
    pub(crate) fn leader_ended(&self) {
        self.leader_ended.store(true, Ordering::Relaxed);
    }

    /// Whether a process is plainly one of the members; here the leader alone is known.
    pub fn has_plainly(&self, pid: u32) -> bool {
        let is_leader = u32::try_from(self.leader.as_raw_nonzero().get()) == Ok(pid);
        is_leader && !self.leader_ended.load(Ordering::Relaxed)
    }

    /// Nothing is held here that goes with the leader.
    pub(crate) fn leader_collected(&self) {}

    /// Sends a signal; answers 1, the number of groups or leaders that got it.
    ///
    /// # Errors
    ///
    /// [`TreeError::NoMember`] when nothing of the scope is there, [`TreeError::Refused`] when the
    /// system refuses.
    #[expect(clippy::unused_async, reason = "the same call as on Linux")]
    pub async fn signal(&self, signal: Signal, scope: Scope) -> Result<usize, TreeError> {
        let sent = match scope {
            Scope::Leader if self.leader_ended.load(Ordering::Relaxed) => {
                return Err(TreeError::NoMember);
            }
            Scope::Leader => kill_process(self.leader, signal.raw()),
            Scope::Tree | Scope::Session | Scope::Group => {
                kill_process_group(self.leader, signal.raw())
            }
        };
        match sent {
            Ok(()) => Ok(1),
            Err(rustix::io::Errno::SRCH) => Err(TreeError::NoMember),
            Err(error) => Err(TreeError::Refused(io::Error::from(error))),
        }
    }

    /// Kills the group and waits until it is gone, at most five seconds.
    pub async fn kill(&self) {
        let _ = self.signal(Signal::KILL, Scope::Tree).await;
        self.emptied(Instant::now() + GIVE_UP).await;
    }

    /// Asks the group to end (`SIGTERM`, then `SIGCONT`), and kills what is left after `grace`.
    pub async fn end(&self, grace: Duration) {
        let _ = self.signal(Signal::TERM, Scope::Tree).await;
        let _ = self.signal(Signal::CONT, Scope::Tree).await;
        self.emptied(Instant::now() + grace).await;
        self.kill().await;
    }

    /// Whether anything of the group is there.
    #[expect(clippy::unused_async, reason = "the same call as on Linux")]
    pub async fn has_members(&self) -> bool {
        let leader = !self.leader_ended.load(Ordering::Relaxed);
        test_kill_process_group(self.leader).is_ok()
            || (leader && test_kill_process(self.leader).is_ok())
    }

    /// Nothing here counts for a whole tree.
    pub fn usage(&self) -> Option<Usage> {
        None
    }

    /// Nobody tells here.
    pub fn oom_killed(&self) -> bool {
        false
    }

    /// There is nothing to be removed.
    pub fn remove(&self) {}

    async fn emptied(&self, until: Instant) {
        while Instant::now() < until && self.has_members().await {
            sleep(PAUSE).await;
        }
    }
}
