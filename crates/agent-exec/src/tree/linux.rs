//! The tree on Linux: its members by cgroup or table, and the signals they are sent.

use std::{io, os::fd::OwnedFd, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, kill_process_group, pidfd_send_signal},
};
use tracing::warn;
use uuid::Uuid;

use super::{Scope, TreeError, Usage, ending, walk::Walk};
use crate::{Children, Signal, cgroup::Leaf, proc_table::Entry};

/// A command and everything it started, also after the command itself has ended.
///
/// Cheap to clone; the clones are one tree. It is known by the command's cgroup v2 leaf if there
/// is one: then nothing that has not been moved to another group escapes. Otherwise it is searched
/// in `/proc`: descendants, the command's session, `WORKSPACE_PROCESS_ID` in environments, orphans
/// that hold the command's output, and whatever was seen to belong once. A process that does
/// without all of these before anybody looked is not found there.
///
/// Zombies are no members. Dropping the last handle ends nothing, and does [`Tree::remove`].
#[derive(Clone, Debug)]
pub struct Tree {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) id: Uuid,
    /// The leader's id, which is also that of its group.
    pid: u32,
    /// Until the leader was collected; there may be thousands of trees whose leader is gone.
    leader_fd: Mutex<Option<Arc<OwnedFd>>>,
    pub(super) members: Members,
    /// The accounts at the removal of the leaf.
    last: Mutex<Last>,
}

#[derive(Debug)]
pub(super) enum Members {
    Leaf(Leaf),
    Walk(Walk),
}

#[derive(Clone, Copy, Debug, Default)]
struct Last {
    usage: Option<Usage>,
    oom_killed: bool,
}

/// A command that was just started and not yet collected.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) id: Uuid,
    pub(crate) pid: u32,
    /// The descriptor of the process.
    pub(crate) pidfd: Arc<OwnedFd>,
    /// The cgroup it was started in.
    pub(crate) leaf: Option<Leaf>,
    /// The inodes of the pipes that it writes its output to.
    pub(crate) outputs: Vec<u64>,
    pub(crate) children: Children,
}

/// Looks for members to signal; a tree that catches the signal may grow for ever.
const MOST_LOOKS: usize = 4;

impl Tree {
    pub(crate) fn new(start: Start) -> Self {
        let Start { id, pid, pidfd, leaf, outputs, children } = start;
        let members = match leaf {
            Some(leaf) => Members::Leaf(leaf),
            None => Members::Walk(Walk::new(pid, id, &outputs, children)),
        };
        let (leader_fd, last) = (Mutex::new(Some(pidfd)), Mutex::default());
        Self { shared: Arc::new(Shared { id, pid, leader_fd, members, last }) }
    }

    /// Notes that the leader has ended; to be called before it is collected, because from then on
    /// its id, and that of its session, may be somebody else's.
    pub(crate) fn leader_ended(&self) {
        if let Members::Walk(walk) = &self.shared.members {
            walk.leader_ended();
        }
    }

    /// Whether a process is plainly one of the members: in the leaf, the leader, a descendant of it,
    /// or executed with the tree's `WORKSPACE_PROCESS_ID`.
    ///
    /// Looks at that process and its ancestors only, so members that hide may be missed where there
    /// is no cgroup. Reads `/proc`, which takes microseconds.
    pub fn has_plainly(&self, pid: u32) -> bool {
        match &self.shared.members {
            Members::Leaf(leaf) => leaf.members().is_ok_and(|pids| pids.contains(&pid)),
            Members::Walk(walk) => {
                let is_led = !self.shared.leader_has_ended() && descends(pid, self.shared.pid);
                is_led || walk.is_named(pid)
            }
        }
    }

    /// Lets go of the leader's descriptor; to be called after the leader was collected.
    pub(crate) fn leader_collected(&self) {
        self.shared.leader_fd.lock().take();
    }

    /// Sends a signal; answers how many processes got it, at least 1.
    ///
    /// Sent once to each that is there at the moment. To the whole tree it is also sent to what they
    /// were just starting; `SIGKILL` to the whole tree is [`Tree::kill`].
    ///
    /// # Errors
    ///
    /// [`TreeError::NoMember`] when nothing of the scope is alive, [`TreeError::Refused`] when the
    /// system let none of it be signaled.
    ///
    /// # Cancellation
    ///
    /// The signal may have been sent or not, to any of them.
    pub async fn signal(&self, signal: Signal, scope: Scope) -> Result<usize, TreeError> {
        if signal == Signal::KILL && scope == Scope::Tree {
            self.shared.stop_group();
            let sent = self.blocking(Shared::kill_once).await?;
            self.kill().await;
            return Ok(sent);
        }
        self.blocking(move |tree| tree.signal(signal, scope)).await
    }

    /// Kills every member, also those that are being forked, and waits until they are gone.
    ///
    /// It takes milliseconds, also for a fork bomb with a cgroup or in one process group. Without
    /// a cgroup, a bomb whose processes all have sessions of their own takes up to some seconds,
    /// because the scheduler may weigh every session like the whole agent (sched(7), autogroup).
    ///
    /// It gives up after five seconds, with a warning in the log, when something cannot be killed:
    /// another user's process, or one in an uninterruptible sleep.
    ///
    /// # Cancellation
    ///
    /// Some may be killed and others not; members may be left stopped.
    pub async fn kill(&self) {
        ending::kill(self).await;
    }

    /// Asks every member to end (`SIGTERM`, then `SIGCONT` for those that are stopped), and kills
    /// what is left after `grace`; returns as soon as nothing is left.
    ///
    /// # Cancellation
    ///
    /// Members that were asked may live on.
    pub async fn end(&self, grace: Duration) {
        ending::end(self, grace).await;
    }

    /// Whether anything of the tree is alive.
    pub async fn has_members(&self) -> bool {
        self.blocking(Shared::has_members).await
    }

    /// What the whole tree used so far; `None` without a cgroup that counts memory.
    ///
    /// Reads two small files of the kernel; after [`Tree::remove`] the figures of that moment.
    pub fn usage(&self) -> Option<Usage> {
        self.shared.usage()
    }

    /// Whether the kernel killed a member for memory, as far as a cgroup knows.
    ///
    /// Reads a small file of the kernel; after [`Tree::remove`] the answer of that moment.
    pub fn oom_killed(&self) -> bool {
        self.shared.oom_killed()
    }

    /// Removes the cgroup, if nothing is in it; otherwise it goes when a later command starts or
    /// ends after it emptied.
    pub fn remove(&self) {
        let Members::Leaf(leaf) = &self.shared.members else { return };
        let last = Last { usage: self.usage(), oom_killed: self.oom_killed() };
        *self.shared.last.lock() = last;
        leaf.remove();
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Runs work that reads many small files where blocking is allowed.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> T + Send + 'static,
    ) -> T {
        let shared = Arc::clone(&self.shared);
        match tokio::task::spawn_blocking(move || work(&shared)).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime stops, and whoever waits here with it.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

impl Shared {
    fn signal(&self, signal: Signal, scope: Scope) -> Result<usize, TreeError> {
        match scope {
            Scope::Leader => {
                if self.leader_has_ended() {
                    return Err(TreeError::NoMember);
                }
                self.signal_leader(signal).map(|()| 1).map_err(refused)
            }
            Scope::Group => self.signal_group(signal),
            Scope::Session => {
                let mut members = self.alive();
                members.retain(|entry| entry.session == self.pid);
                signal_each(&members, signal)
            }
            Scope::Tree => self.signal_tree(signal),
        }
    }

    /// Signals each member once, those too that were born while the others were looked for: a process
    /// with a signal to take does not fork any more (fork(2) begins again after it).
    fn signal_tree(&self, signal: Signal) -> Result<usize, TreeError> {
        let mut reached = self.alive();
        let mut count = signal_each(&reached, signal)?;
        for _ in 1..MOST_LOOKS {
            let mut born = self.alive();
            born.retain(|entry| !reached.iter().any(|known| known.is_same(entry)));
            if born.is_empty() {
                break;
            }
            // They may have ended again.
            count += signal_each(&born, signal).unwrap_or(0);
            reached.extend(born);
        }
        Ok(count)
    }

    /// Kills what is there, without making sure of the rest.
    fn kill_once(&self) -> Result<usize, TreeError> {
        if let Members::Leaf(leaf) = &self.members
            && let Ok(members) = leaf.members()
            && !members.is_empty()
            && leaf.kill().is_ok()
        {
            return Ok(members.len());
        }
        self.stop_evident();
        signal_each(&self.alive(), Signal::KILL)
    }

    /// While a member is in the group its id cannot become another group's.
    fn signal_group(&self, signal: Signal) -> Result<usize, TreeError> {
        let count = self.alive().iter().filter(|entry| entry.group == self.pid).count();
        if count == 0 {
            return Err(TreeError::NoMember);
        }
        self.reach_group(signal).map(|()| count).map_err(refused)
    }

    /// Stops the leader's group at once, if there is no cgroup to be killed at once, and the
    /// leader is still there to hold the id.
    pub(super) fn stop_group(&self) {
        if matches!(self.members, Members::Walk(_)) && !self.leader_has_ended() {
            let _ = self.reach_group(Signal::STOP);
        }
    }

    /// Stops members one by one as they are found, so that the looking becomes ever faster.
    pub(super) fn stop_evident(&self) {
        if let Members::Walk(walk) = &self.members {
            let _ = walk.signal_evident(Signal::STOP);
        }
    }

    fn reach_group(&self, signal: Signal) -> io::Result<()> {
        let group = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let group = group.ok_or(io::ErrorKind::NotFound)?;
        Ok(kill_process_group(group, signal.raw())?)
    }

    pub(super) fn signal_leader(&self, signal: Signal) -> io::Result<()> {
        let leader = self.leader_fd().ok_or(rustix::io::Errno::SRCH)?;
        Ok(pidfd_send_signal(leader, signal.raw())?)
    }

    /// The members that are alive, the leader among them wherever it was moved.
    pub(super) fn alive(&self) -> Vec<Entry> {
        let found = match &self.members {
            Members::Leaf(leaf) => leaf.members().map(|pids| read_members(leaf, &pids)),
            Members::Walk(walk) => walk.members(),
        };
        let mut members = found.unwrap_or_else(|error| {
            warn!(process.id = %self.id, %error, "only the leader of the tree is known");
            Vec::new()
        });
        // While it runs its id is nobody else's.
        if !self.leader_has_ended() && !members.iter().any(|entry| entry.pid == self.pid) {
            members.push(Entry::of_leader(self.pid));
        }
        members
    }

    pub(super) fn has_members(&self) -> bool {
        match &self.members {
            Members::Leaf(leaf) => leaf.is_populated() || !self.leader_has_ended(),
            Members::Walk(_) => !self.alive().is_empty(),
        }
    }

    /// Whether the leader is a zombie or collected; a process descriptor is readable from then on.
    pub(super) fn leader_has_ended(&self) -> bool {
        let Some(leader) = self.leader_fd() else { return true };
        let mut polled = [PollFd::new(&leader, PollFlags::IN)];
        matches!(poll(&mut polled, Some(&Timespec::default())), Ok(1..))
    }

    pub(super) fn leader_fd(&self) -> Option<Arc<OwnedFd>> {
        self.leader_fd.lock().clone()
    }

    fn usage(&self) -> Option<Usage> {
        match &self.members {
            Members::Leaf(leaf) => leaf.usage().or(self.last.lock().usage),
            Members::Walk(_) => None,
        }
    }

    fn oom_killed(&self) -> bool {
        match &self.members {
            Members::Leaf(leaf) => leaf.oom_killed() || self.last.lock().oom_killed,
            Members::Walk(_) => false,
        }
    }
}

/// Whether a process is another one or descends from it.
fn descends(pid: u32, ancestor: u32) -> bool {
    /// Generations looked at; the table may change meanwhile and show a ring.
    const MOST: usize = 64;
    let parent = |pid: &u32| Entry::read(*pid).map(|entry| entry.parent).filter(|pid| *pid > 1);
    std::iter::successors(Some(pid), parent).take(MOST).any(|pid| pid == ancestor)
}

/// What the table says about the processes of a leaf.
fn read_members(leaf: &Leaf, pids: &[u32]) -> Vec<Entry> {
    let entries: Vec<Entry> = pids.iter().filter_map(|pid| Entry::read(*pid)).collect();
    // An id that became free before it was read would be another's now, but is no member then.
    let still = leaf.members().unwrap_or_default();
    let member = |entry: &Entry| entry.is_alive && still.contains(&entry.pid);
    entries.into_iter().filter(member).collect()
}

/// Sends a signal to each; answers how many got it.
pub(super) fn signal_each(members: &[Entry], signal: Signal) -> Result<usize, TreeError> {
    let mut sent = 0;
    let mut failure = None;
    for member in members {
        match member.signal(signal.raw()) {
            Ok(()) => sent += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        _ if sent > 0 => Ok(sent),
        Some(error) => Err(TreeError::Refused(error)),
        None => Err(TreeError::NoMember),
    }
}

fn refused(error: io::Error) -> TreeError {
    match rustix::io::Errno::from_io_error(&error) {
        Some(rustix::io::Errno::SRCH) => TreeError::NoMember,
        _ => TreeError::Refused(error),
    }
}
