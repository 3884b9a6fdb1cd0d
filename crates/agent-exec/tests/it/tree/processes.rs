//! What tests see of processes, and the collecting of orphans, which become this process's own.

use std::{collections::BTreeSet, fs, sync::Once};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, set_child_subreaper, waitid,
};

/// Makes this process the parent of orphans, as agentd is.
pub(super) fn adopt_orphans() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| set_child_subreaper(Some(getpid())).unwrap());
}

/// Processes that must be gone at the end.
pub(super) struct Watched {
    leader: u32,
    pub(super) others: Vec<u32>,
}

impl Watched {
    pub(super) fn new(leader: u32, told: impl Iterator<Item = u32>) -> Self {
        Self { leader, others: told.filter(|pid| *pid != leader).collect() }
    }

    /// Asserts that all are gone, and collects those that were adopted.
    ///
    /// An id that another process has by now counts as alive, which no test is long enough for.
    pub(super) fn assert_gone(&self) {
        let left: Vec<_> = self.all().filter(|pid| is_alive(*pid)).collect();
        assert_eq!(left, [0; 0]);
        self.others.iter().for_each(|pid| collect(*pid));
    }

    pub(super) fn assert_alive(&self) {
        let gone: Vec<_> = self.all().filter(|pid| !is_alive(*pid)).collect();
        assert_eq!(gone, [0; 0]);
    }

    pub(super) fn assert_others_alive(&self) {
        let gone: Vec<_> = self.others.iter().filter(|pid| !is_alive(**pid)).collect();
        assert!(gone.is_empty(), "{gone:?}");
    }

    fn all(&self) -> impl Iterator<Item = u32> {
        self.others.iter().copied().chain([self.leader])
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // After a failed assertion nothing may be left either.
        for pid in self.all().filter(|pid| is_alive(*pid)) {
            let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Collects an adopted process that has ended; others are not ours to collect.
pub(super) fn collect(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
}

/// Whether there is a process of this id that is no zombie.
pub(super) fn is_alive(pid: u32) -> bool {
    state(pid).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// The letter of a process's state.
pub(super) fn state(pid: u32) -> Option<char> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("State:"))?;
    line.trim_start().chars().next()
}

/// All processes of a user.
pub(super) fn of_user(uid: u32) -> BTreeSet<u32> {
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let user = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        user.and_then(|line| line.split_whitespace().next()) == Some(uid.to_string().as_str())
    })
    .collect()
}
