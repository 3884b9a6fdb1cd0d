//! The table of processes as `/proc` shows it; not which of them belong together.
//!
//! Source: proc_pid_stat(5), proc_pid_environ(5).

use std::{fs, io, os::fd::OwnedFd};

use rustix::{
    fs::{Mode, OFlags, open},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

/// A process at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    pub(crate) session: u32,
    /// In clock ticks after the machine's start; with the id it names a process for ever.
    pub(crate) started: u64,
    /// Whether some thread of it has not ended.
    pub(crate) is_alive: bool,
}

impl Entry {
    /// Parses the text of `/proc/PID/stat`; `None` when it is something else.
    ///
    /// The second field is the program's name in parentheses and may hold blanks, parentheses,
    /// line feeds and bytes that are no UTF-8; the last closing parenthesis ends it.
    pub(crate) fn parse(stat: &[u8]) -> Option<Self> {
        let (pid, fields) = fields(stat)?;
        let field = |index: usize| fields.get(index - 3)?.parse::<u64>().ok();
        let id = |index| u32::try_from(field(index)?).ok();
        // A first thread that ended is shown as a zombie while others of its process go on.
        let ended = matches!(*fields.first()?, "Z" | "X" | "x");
        Some(Self {
            pid,
            parent: id(4)?,
            group: id(5)?,
            session: id(6)?,
            started: field(22)?,
            is_alive: !ended || field(20)? > 1,
        })
    }

    /// Reads one process; `None` when there is none of this id.
    pub(crate) fn read(pid: u32) -> Option<Self> {
        read(pid, Self::parse)
    }

    /// The foreground group of the process's terminal; `None` when it has no terminal, or that has
    /// no such group.
    pub(crate) fn foreground(&self) -> Option<u32> {
        let group = read(self.pid, |stat| fields(stat)?.1.get(8 - 3)?.parse::<i32>().ok())?;
        u32::try_from(group).ok().filter(|group| *group != 0)
    }

    /// Reads the leader of a session; without `/proc` that is all that is known of it.
    pub(crate) fn of_leader(pid: u32) -> Self {
        let unread = Self { pid, parent: 0, group: pid, session: pid, started: 0, is_alive: true };
        Self::read(pid).unwrap_or(unread)
    }

    /// Whether this is the same process, not another that got its id.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.pid == other.pid && self.started == other.started
    }

    /// Whether the process was executed with this variable; `false` where that may not be seen,
    /// as with another user's processes.
    pub(crate) fn has_variable(&self, variable: &[u8]) -> bool {
        let environment = fs::read(format!("/proc/{}/environ", self.pid));
        environment.is_ok_and(|text| text.split(|byte| *byte == 0).any(|found| found == variable))
    }

    /// What descriptor 1 or 2 of the process is, as the kernel names it (`pipe:[4711]`); `None`
    /// where it is closed or may not be seen.
    pub(crate) fn descriptor(&self, number: u8) -> Option<Vec<u8>> {
        use std::os::unix::ffi::OsStringExt;
        let link = fs::read_link(format!("/proc/{}/fd/{number}", self.pid)).ok()?;
        Some(link.into_os_string().into_vec())
    }

    /// Sends a signal to this process and never to another that got its id meanwhile.
    ///
    /// # Errors
    ///
    /// `NotFound` when it has ended; the system's refusal.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        let held = hold(self.pid)?;
        // The descriptor holds on to whoever has the id now; so look who that is only then.
        if !Self::read(self.pid).is_some_and(|now| now.is_same(self)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        send(&held, signal)
    }
}

/// The id, and the fields from the third on, of the text of `/proc/PID/stat`.
fn fields(stat: &[u8]) -> Option<(u32, Vec<&str>)> {
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let pid = number(stat.get(..open)?.trim_ascii())?;
    let behind = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    Some((pid, behind.split_ascii_whitespace().collect()))
}

fn read<T>(pid: u32, parse: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = open(format!("/proc/{pid}/stat"), flags, Mode::empty()).ok()?;
    // The kernel gives the whole line at once, and 52 numbers and a name are shorter than this.
    let mut line = [0; 2048];
    let read = rustix::io::read(file, &mut line).ok()?;
    parse(&line[..read])
}

/// A descriptor of the process that has an id now.
fn hold(pid: u32) -> io::Result<OwnedFd> {
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
    match pidfd_open(raw.ok_or(io::ErrorKind::NotFound)?, PidfdFlags::empty()) {
        Err(Errno::SRCH | Errno::INVAL) => Err(io::ErrorKind::NotFound.into()),
        opened => Ok(opened?),
    }
}

/// Sends a signal to the process of a descriptor.
///
/// # Errors
///
/// `NotFound` when it has ended; the system's refusal.
pub(crate) fn send(held: &OwnedFd, signal: Signal) -> io::Result<()> {
    match pidfd_send_signal(held, signal) {
        Err(Errno::SRCH) => Err(io::ErrorKind::NotFound.into()),
        sent => Ok(sent?),
    }
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Reads all processes, each when it is asked for; those that end meanwhile may be missing, and
/// those that start meanwhile.
///
/// In the order of their ids, beginning at `first` and going round, so that of the processes which
/// one started the oldest come first.
///
/// # Errors
///
/// `/proc` is not mounted.
pub(crate) fn entries(first: u32) -> io::Result<impl Iterator<Item = Entry>> {
    Ok(pids(first)?.into_iter().filter_map(Entry::read))
}

/// The same, each with a descriptor that was there before the process was read: either it is that
/// process's or [`send`] finds nobody.
///
/// # Errors
///
/// `/proc` is not mounted.
pub(crate) fn held_entries(first: u32) -> io::Result<impl Iterator<Item = (Entry, OwnedFd)>> {
    let held = |pid| {
        let held = hold(pid).ok()?;
        Some((Entry::read(pid)?, held))
    };
    Ok(pids(first)?.into_iter().filter_map(held))
}

fn pids(first: u32) -> io::Result<Vec<u32>> {
    let names = fs::read_dir("/proc")?.flatten();
    let mut pids: Vec<u32> =
        names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable_by_key(|pid| pid.wrapping_sub(first));
    Ok(pids)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REST: &str = "1 4242 4241 34816 4242 4194304 91 0 0 0 0 0 0 0 20 0 1 0 987654321 0";

    fn entry() -> Entry {
        Entry {
            pid: 77,
            parent: 1,
            group: 4242,
            session: 4241,
            started: 987_654_321,
            is_alive: true,
        }
    }

    #[track_caller]
    fn check(stat: &[u8], expected: Option<Entry>) {
        assert_eq!(Entry::parse(stat), expected, "{:?}", String::from_utf8_lossy(stat));
    }

    #[test]
    fn a_line_is_read_whatever_the_name_of_the_program() {
        for name in ["sh", "", "a b", "(a)", ") R 1 2 3", "a) S 9 9 9 (", "x\ny", "tmux: server"] {
            check(format!("77 ({name}) S {REST}\n").as_bytes(), Some(entry()));
        }
        let bytes = [b"77 (\xff\xfe)) S ".as_slice(), REST.as_bytes()].concat();
        check(&bytes, Some(entry()));
    }

    #[test]
    fn zombies_are_not_alive_unless_other_threads_go_on() {
        for (state, is_alive) in [("R", true), ("D", true), ("T", true), ("t", true), ("I", true)] {
            check(format!("77 (a) {state} {REST}").as_bytes(), Some(Entry { is_alive, ..entry() }));
        }
        for state in ["Z", "X", "x"] {
            let dead = Entry { is_alive: false, ..entry() };
            check(format!("77 (a) {state} {REST}").as_bytes(), Some(dead));
            let threads = REST.replace("20 0 1 0", "20 0 3 0");
            check(format!("77 (a) {state} {threads}").as_bytes(), Some(entry()));
        }
    }

    #[test]
    fn other_texts_are_no_process() {
        for text in ["", "77", "77 (a", "77 a) S 1", "x (a) S 1 2 3", "77 (a) S 1 2 3", ")77("] {
            check(text.as_bytes(), None);
        }
        check(format!("77 (a) S -{REST}").as_bytes(), None);
    }

    proptest! {
        #[test]
        fn any_name_and_any_numbers_are_read_back(
            name in proptest::collection::vec(any::<u8>(), 0..16),
            (pid, parent, group, session) in any::<(u32, u32, u32, u32)>(),
            started in any::<u64>(),
        ) {
            let rest = format!(
                ") S {parent} {group} {session} 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 {started} 9 9"
            );
            let stat = [format!("{pid} (").as_bytes(), &name, rest.as_bytes()].concat();
            let expected = Entry { pid, parent, group, session, started, is_alive: true };
            prop_assert_eq!(Entry::parse(&stat), Some(expected));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Entry::parse(&bytes);
        }
    }

    #[test]
    fn this_process_is_in_the_table_as_it_knows_itself() {
        let me = std::process::id();
        let found = entries(me + 1).unwrap().find(|entry| entry.pid == me).unwrap();
        assert!(found.is_alive && found.is_same(&Entry::read(me).unwrap()));
        let parent = rustix::process::getppid().unwrap().as_raw_nonzero().get();
        assert_eq!(found.parent, parent.cast_unsigned());
        assert!(!found.has_variable(b"AGENT_EXEC_HAS_NO_SUCH_VARIABLE=1"));
        assert_eq!(Entry::read(u32::MAX), None);
    }

    #[test]
    fn the_table_is_read_from_an_id_upward_and_round() {
        let me = std::process::id();
        let all = pids(me).unwrap();
        assert_eq!(all.first(), Some(&me));
        let (above, below): (Vec<u32>, Vec<u32>) = all.iter().partition(|pid| **pid >= me);
        assert_eq!([above.as_slice(), &below].concat(), all);
        assert!(above.is_sorted() && below.is_sorted() && !below.is_empty());
        let (entry, held) = held_entries(me).unwrap().next().unwrap();
        assert_eq!(entry.pid, me);
        send(&held, Signal::CONT).unwrap();
    }

    #[test]
    fn a_signal_never_reaches_a_process_that_got_the_id_later() {
        let me = Entry::read(std::process::id()).unwrap();
        // SIGKILL to this test would be noticed.
        let before = Entry { started: me.started - 1, ..me };
        let missed = before.signal(Signal::KILL).unwrap_err();
        assert_eq!(missed.kind(), io::ErrorKind::NotFound);
        let nobody = Entry { pid: u32::MAX, ..me };
        assert_eq!(nobody.signal(Signal::KILL).unwrap_err().kind(), io::ErrorKind::NotFound);
        me.signal(Signal::CONT).unwrap();
    }
}
