//! A process that was not started here together with what it started, such as a command that a
//! container engine runs: signaled and watched, never collected.

use std::{collections::HashSet, io};

use crate::{
    OtherProcess, Scope, Signal,
    proc_table::{Entry, entries},
};

/// Looks for members to signal; a tree that catches the signal may grow for ever.
const MOST_LOOKS: usize = 20;

/// A process that somebody else started, and what it started.
///
/// Members are its descendants, and whoever is in a session of one of them.
#[derive(Debug)]
pub struct OtherTree {
    leader: OtherProcess,
    entry: Entry,
}

impl OtherTree {
    /// Watches the process of this id; needs a runtime with I/O around it.
    ///
    /// # Errors
    ///
    /// There is no such process, no `/proc`, or no room to watch it.
    pub fn watch(pid: u32) -> io::Result<Self> {
        let leader = OtherProcess::watch(pid)?;
        // Read when it is held, so that it is no later process of the same id.
        let entry = Entry::read(pid).ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { leader, entry })
    }

    /// The id of the process.
    pub fn pid(&self) -> u32 {
        self.entry.pid
    }

    /// The parent of the process when it was first looked at; 0 when that is in no namespace of
    /// ours.
    pub fn parent(&self) -> u32 {
        self.entry.parent
    }

    /// Waits until the process itself has ended.
    ///
    /// # Cancellation
    ///
    /// Loses nothing.
    pub async fn ended(&self) {
        self.leader.ended().await;
    }

    /// Signals those who are meant; answers how many got the signal, which may be nobody.
    ///
    /// Reads `/proc`, which may block.
    ///
    /// # Errors
    ///
    /// The system refuses for everybody who is meant, or there is no `/proc`.
    pub fn signal(&self, signal: Signal, scope: Scope) -> io::Result<usize> {
        let leader = self.entry;
        match scope {
            Scope::Tree => self.signal_all(signal),
            Scope::Session => self.signal_members(signal, |entry| entry.session == leader.pid),
            Scope::Group => self.signal_members(signal, |entry| entry.group == leader.group),
            Scope::Leader => signal_each(&[leader], signal),
        }
    }

    /// Signals the foreground group of the process's terminal; answers how many got the signal.
    ///
    /// Reads `/proc`, which may block.
    ///
    /// # Errors
    ///
    /// As [`OtherTree::signal`].
    pub fn signal_foreground(&self, signal: Signal) -> io::Result<usize> {
        let Some(group) = self.entry.foreground() else { return Ok(0) };
        self.signal_members(signal, |entry| entry.group == group)
    }

    fn signal_members(
        &self,
        signal: Signal,
        is_meant: impl Fn(&Entry) -> bool,
    ) -> io::Result<usize> {
        let mut members = self.members()?;
        members.retain(is_meant);
        signal_each(&members, signal)
    }

    /// Those too that are born meanwhile: a process with a signal to take does not fork any more.
    fn signal_all(&self, signal: Signal) -> io::Result<usize> {
        let mut reached: Vec<Entry> = Vec::new();
        let mut count = 0;
        for _ in 0..MOST_LOOKS {
            let mut born = self.members()?;
            born.retain(|entry| !reached.iter().any(|known| known.is_same(entry)));
            if born.is_empty() {
                break;
            }
            match signal_each(&born, signal) {
                Ok(sent) => count += sent,
                Err(error) if reached.is_empty() => return Err(error),
                Err(_) => {}
            }
            reached.extend(born);
        }
        Ok(count)
    }

    /// The members that are alive, the process itself among them.
    fn members(&self) -> io::Result<Vec<Entry>> {
        let table: Vec<Entry> =
            entries(self.entry.pid)?.filter(|entry| entry.started >= self.entry.started).collect();
        let mut members = related(self.entry, &table);
        members.retain(|entry| entry.is_alive);
        Ok(members)
    }
}

/// The members of a tree in a table, zombies included because relations lead through them.
fn related(leader: Entry, table: &[Entry]) -> Vec<Entry> {
    let is_reused = |entry: &Entry| entry.pid == leader.pid && !entry.is_same(&leader);
    if table.iter().any(is_reused) {
        // An id is given again only when no session has it for a number, so nobody is left.
        return Vec::new();
    }
    let mut pids = HashSet::from([leader.pid]);
    loop {
        let before = pids.len();
        for entry in table {
            // A session has the number of the member that began it.
            if pids.contains(&entry.parent) || pids.contains(&entry.session) {
                pids.insert(entry.pid);
            }
        }
        if pids.len() == before {
            break;
        }
    }
    table.iter().filter(|entry| pids.contains(&entry.pid)).copied().collect()
}

/// Sends a signal to each; answers how many got it.
fn signal_each(members: &[Entry], signal: Signal) -> io::Result<usize> {
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
        Some(error) if sent == 0 => Err(error),
        _ => Ok(sent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(pid: u32, parent: u32, session: u32) -> Entry {
        Entry { pid, parent, group: session, session, started: 5, is_alive: true }
    }

    #[track_caller]
    fn check(table: &[Entry], expected: &[u32]) {
        let pids: Vec<u32> =
            related(entry(10, 1, 10), table).iter().map(|entry| entry.pid).collect();
        assert_eq!(pids, expected);
    }

    #[test]
    fn descendants_and_sessions_of_members_belong_to_a_tree() {
        check(
            &[
                entry(10, 1, 10),
                entry(14, 13, 13),
                entry(11, 10, 10),
                entry(12, 1, 10),
                entry(13, 11, 13),
                entry(15, 1, 13),
                entry(16, 1, 1),
                entry(17, 1, 17),
            ],
            &[10, 14, 11, 12, 13, 15],
        );
    }

    #[test]
    fn what_is_left_of_a_session_belongs_to_its_leader_until_that_id_is_another_s() {
        check(&[entry(12, 1, 10), entry(13, 12, 10)], &[12, 13]);
        check(&[Entry { started: 6, ..entry(10, 1, 10) }, entry(13, 12, 10)], &[]);
    }
}
