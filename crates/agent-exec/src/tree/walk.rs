//! The members of a tree by what the table of processes shows, for trees without a cgroup.
//!
//! A member is: the leader; a child of a member; a process in the session of a member, because a
//! session is entered only by being born in it; one with the command's id in its environment; an
//! orphan that this process adopted and that still holds the command's output. Everything ever
//! seen as a member stays one.
//!
//! What cannot be seen: a process that left the session, dropped the environment *and* the output,
//! and whose parent ended, all between two looks at the table.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use rustix::{
    io::Errno,
    process::{WaitId, WaitIdOptions, child_subreaper, waitid},
    time::{ClockId, clock_gettime},
};
use uuid::Uuid;

use crate::{
    Children, Signal,
    proc_table::{Entry, entries, held_entries, send},
};

/// Descriptors whose names show that an orphan belongs to a command: its outputs.
const OUTPUTS: [u8; 2] = [1, 2];

/// What is remembered about a tree between two looks at the table.
#[derive(Debug)]
pub(super) struct Walk {
    pid: u32,
    leader: OnceLock<Entry>,
    /// `NAME=value` as in an environment.
    variable: Vec<u8>,
    /// The names of the command's output pipes.
    outputs: Vec<Vec<u8>>,
    children: Children,
    /// Start times of processes seen as members, by id.
    known: Mutex<HashMap<u32, u64>>,
    /// When the leader had ended and was about to be collected, in clock ticks.
    ended: AtomicU64,
}

impl Walk {
    /// `outputs` are the inodes of the pipes that the command writes to; those of other commands
    /// are never the same, unlike terminals.
    pub(super) fn new(pid: u32, id: Uuid, outputs: &[u64], children: Children) -> Self {
        let outputs = outputs.iter().map(|inode| format!("pipe:[{inode}]").into_bytes());
        Self {
            pid,
            leader: OnceLock::new(),
            variable: format!("WORKSPACE_PROCESS_ID={id}").into_bytes(),
            outputs: outputs.collect(),
            children,
            known: Mutex::default(),
            ended: AtomicU64::new(u64::MAX),
        }
    }

    /// What the table says about the leader, read when it is needed: a program that is just being
    /// executed keeps those waiting who ask.
    fn leader(&self) -> &Entry {
        self.leader.get_or_init(|| Entry::of_leader(self.pid))
    }

    /// Notes that the leader has ended and will be collected: its id may be another's later.
    pub(super) fn leader_ended(&self) {
        self.leader();
        self.ended.store(ticks(), Ordering::Relaxed);
    }

    /// Whether a process was executed with the tree's variable.
    pub(super) fn is_named(&self, pid: u32) -> bool {
        Entry::read(pid).is_some_and(|entry| entry.has_variable(&self.variable))
    }

    /// Sends a signal to each member as soon as the table shows it, without a closer look at
    /// processes whose relations say nothing; most members are seen so, and in little time.
    ///
    /// # Errors
    ///
    /// There is no table.
    pub(super) fn signal_evident(&self, signal: Signal) -> io::Result<()> {
        let known = self.known.lock().clone();
        let foreign = |pid| self.children.registered(pid);
        let view = self.view(&known, &foreign, &|_| false);
        let mut found = Found::default();
        for (entry, held) in held_entries(self.pid)? {
            let related = || view.belongs(&entry) || found.is_related(&entry);
            if view.may_belong(&entry) && related() {
                found.add(&entry, view.own_session);
                let _ = send(&held, signal.raw());
            }
        }
        Ok(())
    }

    /// Looks at the table; answers the members that are alive.
    ///
    /// # Errors
    ///
    /// There is no table.
    pub(super) fn members(&self) -> io::Result<Vec<Entry>> {
        if self.ended.load(Ordering::Relaxed) != u64::MAX && nothing_descends_from_us() {
            return Ok(Vec::new());
        }
        let table: Vec<Entry> = entries(self.pid)?.collect();
        let known = self.known.lock().clone();
        let marked = |entry: &Entry| entry.has_variable(&self.variable) || self.is_orphan(entry);
        let foreign = |pid| self.children.registered(pid);
        let members = self.view(&known, &foreign, &marked).members(&table);
        let mut remembered = self.known.lock();
        // Only what this look has seen gone is forgotten; another look may have added since.
        let shown: HashSet<_> = table.iter().map(|entry| (entry.pid, entry.started)).collect();
        remembered.retain(|pid, started| {
            known.get(pid) != Some(started) || shown.contains(&(*pid, *started))
        });
        remembered.extend(members.iter().map(|entry| (entry.pid, entry.started)));
        Ok(members.into_iter().filter(|entry| entry.is_alive).collect())
    }

    fn view<'a>(
        &'a self,
        known: &'a HashMap<u32, u64>,
        foreign: &'a dyn Fn(u32) -> bool,
        marked: &'a dyn Fn(&Entry) -> bool,
    ) -> View<'a> {
        let me = std::process::id();
        View {
            leader: self.leader(),
            ended: self.ended.load(Ordering::Relaxed),
            known,
            me,
            own_session: Entry::read(me).map_or(0, |me| me.session),
            foreign,
            marked,
        }
    }

    /// Whether this process adopted it, and it holds the command's output.
    fn is_orphan(&self, entry: &Entry) -> bool {
        let outputs = || OUTPUTS.iter().filter_map(|number| entry.descriptor(*number));
        entry.parent == std::process::id() && outputs().any(|name| self.outputs.contains(&name))
    }
}

/// Whether this process has no descendant at all, known without a look at the table.
///
/// It adopts every orphan below it, if it has said so (PR_SET_CHILD_SUBREAPER in prctl(2)).
fn nothing_descends_from_us() -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let adopts = matches!(child_subreaper(), Ok(Some(_)));
    adopts && matches!(waitid(WaitId::All, look), Err(Errno::CHILD))
}

/// The present moment as the table counts start times.
fn ticks() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let hertz = rustix::param::clock_ticks_per_second();
    let (seconds, nanoseconds) = (now.tv_sec.cast_unsigned(), now.tv_nsec.cast_unsigned());
    seconds * hertz + nanoseconds * hertz / 1_000_000_000
}

/// What decides who is a member.
struct View<'a> {
    leader: &'a Entry,
    ended: u64,
    known: &'a HashMap<u32, u64>,
    me: u32,
    /// The session of this process; 0 when that is not visible in its pid namespace.
    own_session: u32,
    /// Whether a child of this process is the leader of some tree.
    foreign: &'a dyn Fn(u32) -> bool,
    /// Whether a process itself shows that it belongs to the tree.
    marked: &'a dyn Fn(&Entry) -> bool,
}

impl View<'_> {
    /// The members in a table, zombies included because children and sessions lead through them.
    fn members(&self, table: &[Entry]) -> Vec<Entry> {
        let candidates: Vec<&Entry> = table.iter().filter(|entry| self.may_belong(entry)).collect();
        let mut found = Found::default();
        for entry in &candidates {
            if self.belongs(entry) {
                found.add(entry, self.own_session);
            }
        }
        found.close(&candidates, self.own_session);
        // Looking at a process itself is dear, so only at those that nothing else has shown.
        for entry in &candidates {
            if !found.pids.contains(&entry.pid) && entry.is_alive && (self.marked)(entry) {
                found.add(entry, self.own_session);
            }
        }
        found.close(&candidates, self.own_session);
        candidates.into_iter().filter(|entry| found.pids.contains(&entry.pid)).copied().collect()
    }

    /// Nothing that is older than the leader came of it, nor did other leaders.
    fn may_belong(&self, entry: &Entry) -> bool {
        entry.is_same(self.leader)
            || (entry.started >= self.leader.started
                && entry.pid != self.me
                && entry.pid != self.leader.pid
                && !(entry.parent == self.me && (self.foreign)(entry.pid)))
    }

    fn belongs(&self, entry: &Entry) -> bool {
        // Until its leader was collected a session's number is nobody else's.
        entry.is_same(self.leader)
            || self.known.get(&entry.pid) == Some(&entry.started)
            || (entry.session == self.leader.pid && entry.started <= self.ended)
    }
}

#[derive(Default)]
struct Found {
    pids: HashSet<u32>,
    sessions: HashSet<u32>,
}

impl Found {
    fn add(&mut self, entry: &Entry, own_session: u32) {
        self.pids.insert(entry.pid);
        if entry.session != 0 && entry.session != own_session {
            self.sessions.insert(entry.session);
        }
    }

    fn is_related(&self, entry: &Entry) -> bool {
        self.pids.contains(&entry.parent) || self.sessions.contains(&entry.session)
    }

    /// Adds children and sessions of members until there are no more.
    fn close(&mut self, candidates: &[&Entry], own_session: u32) {
        loop {
            let before = self.pids.len();
            for entry in candidates {
                if !self.pids.contains(&entry.pid) && self.is_related(entry) {
                    self.add(entry, own_session);
                }
            }
            if self.pids.len() == before {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
