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
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};
use uuid::Uuid;

use crate::{
    Children,
    proc_table::{Entry, snapshot},
};

/// Descriptors whose names show that an orphan belongs to a command: its outputs.
const OUTPUTS: [u8; 2] = [1, 2];

/// What is remembered about a tree between two looks at the table.
#[derive(Debug)]
pub(super) struct Walk {
    leader: Entry,
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
    pub(super) fn new(leader: Entry, id: Uuid, outputs: &[u64], children: Children) -> Self {
        let outputs = outputs.iter().map(|inode| format!("pipe:[{inode}]").into_bytes());
        Self {
            leader,
            variable: format!("WORKSPACE_PROCESS_ID={id}").into_bytes(),
            outputs: outputs.collect(),
            children,
            known: Mutex::default(),
            ended: AtomicU64::new(u64::MAX),
        }
    }

    /// Notes that the leader has ended and will be collected: its id may be another's later.
    pub(super) fn leader_ended(&self) {
        self.ended.store(ticks(), Ordering::Relaxed);
    }

    /// Looks at the table; answers the members that are alive.
    ///
    /// # Errors
    ///
    /// There is no table.
    pub(super) fn members(&self) -> io::Result<Vec<Entry>> {
        let table = snapshot()?;
        let known = self.known.lock().clone();
        let me = std::process::id();
        let orphan = |entry: &Entry| {
            entry.parent == me
                && OUTPUTS
                    .iter()
                    .filter_map(|number| entry.descriptor(*number))
                    .any(|output| self.outputs.contains(&output))
        };
        let members = View {
            leader: &self.leader,
            ended: self.ended.load(Ordering::Relaxed),
            known: &known,
            me,
            foreign: &|pid| self.children.registered(pid),
            marked: &|entry| entry.has_variable(&self.variable) || orphan(entry),
        }
        .members(&table);
        let mut remembered = self.known.lock();
        // Only what this look has seen gone is forgotten; another look may have added since.
        let shown: HashSet<_> = table.iter().map(|entry| (entry.pid, entry.started)).collect();
        remembered.retain(|pid, started| {
            known.get(pid) != Some(started) || shown.contains(&(*pid, *started))
        });
        remembered.extend(members.iter().map(|entry| (entry.pid, entry.started)));
        Ok(members.into_iter().filter(|entry| entry.is_alive).collect())
    }
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
    /// Whether a child of this process is the leader of some tree.
    foreign: &'a dyn Fn(u32) -> bool,
    /// Whether a process itself shows that it belongs to the tree.
    marked: &'a dyn Fn(&Entry) -> bool,
}

impl View<'_> {
    /// The members in a table, zombies included because children and sessions lead through them.
    fn members(&self, table: &[Entry]) -> Vec<Entry> {
        let candidates: Vec<&Entry> = table.iter().filter(|entry| self.may_belong(entry)).collect();
        let mut found = Found { own_session: self.own_session(table), ..Found::default() };
        for entry in &candidates {
            if self.belongs(entry) {
                found.add(entry);
            }
        }
        found.close(&candidates);
        // Looking at a process itself is dear, so only at those that nothing else has shown.
        for entry in &candidates {
            if !found.pids.contains(&entry.pid) && entry.is_alive && (self.marked)(entry) {
                found.add(entry);
            }
        }
        found.close(&candidates);
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

    fn own_session(&self, table: &[Entry]) -> u32 {
        table.iter().find(|entry| entry.pid == self.me).map_or(0, |entry| entry.session)
    }
}

#[derive(Default)]
struct Found {
    pids: HashSet<u32>,
    sessions: HashSet<u32>,
    /// The session of this process, in which a leader is for a moment before it has its own.
    own_session: u32,
}

impl Found {
    fn add(&mut self, entry: &Entry) {
        self.pids.insert(entry.pid);
        if entry.session != 0 && entry.session != self.own_session {
            self.sessions.insert(entry.session);
        }
    }

    /// Adds children and sessions of members until there are no more.
    fn close(&mut self, candidates: &[&Entry]) {
        loop {
            let before = self.pids.len();
            for entry in candidates {
                let related =
                    self.pids.contains(&entry.parent) || self.sessions.contains(&entry.session);
                if related && !self.pids.contains(&entry.pid) {
                    self.add(entry);
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
