//! The signals that can be sent by name, and their names; not how they reach a process.

use std::{borrow::Cow, fmt};

/// Names without `SIG`, the canonical one first where a number has several.
///
/// Source: signal(7), the standard signals of Linux; the numbers are those of the machine.
const NAMES: &[(&str, &str, i32)] = &[
    ("HUP", "SIGHUP", libc::SIGHUP),
    ("INT", "SIGINT", libc::SIGINT),
    ("QUIT", "SIGQUIT", libc::SIGQUIT),
    ("ILL", "SIGILL", libc::SIGILL),
    ("TRAP", "SIGTRAP", libc::SIGTRAP),
    ("ABRT", "SIGABRT", libc::SIGABRT),
    ("IOT", "SIGABRT", libc::SIGABRT),
    ("BUS", "SIGBUS", libc::SIGBUS),
    ("FPE", "SIGFPE", libc::SIGFPE),
    ("KILL", "SIGKILL", libc::SIGKILL),
    ("USR1", "SIGUSR1", libc::SIGUSR1),
    ("SEGV", "SIGSEGV", libc::SIGSEGV),
    ("USR2", "SIGUSR2", libc::SIGUSR2),
    ("PIPE", "SIGPIPE", libc::SIGPIPE),
    ("ALRM", "SIGALRM", libc::SIGALRM),
    ("TERM", "SIGTERM", libc::SIGTERM),
    #[cfg(target_os = "linux")]
    ("STKFLT", "SIGSTKFLT", libc::SIGSTKFLT),
    ("CHLD", "SIGCHLD", libc::SIGCHLD),
    ("CLD", "SIGCHLD", libc::SIGCHLD),
    ("CONT", "SIGCONT", libc::SIGCONT),
    ("STOP", "SIGSTOP", libc::SIGSTOP),
    ("TSTP", "SIGTSTP", libc::SIGTSTP),
    ("TTIN", "SIGTTIN", libc::SIGTTIN),
    ("TTOU", "SIGTTOU", libc::SIGTTOU),
    ("URG", "SIGURG", libc::SIGURG),
    ("XCPU", "SIGXCPU", libc::SIGXCPU),
    ("XFSZ", "SIGXFSZ", libc::SIGXFSZ),
    ("VTALRM", "SIGVTALRM", libc::SIGVTALRM),
    ("PROF", "SIGPROF", libc::SIGPROF),
    ("WINCH", "SIGWINCH", libc::SIGWINCH),
    ("IO", "SIGIO", libc::SIGIO),
    ("POLL", "SIGIO", libc::SIGIO),
    #[cfg(target_os = "linux")]
    ("PWR", "SIGPWR", libc::SIGPWR),
    ("SYS", "SIGSYS", libc::SIGSYS),
];

/// First and last real-time signal that the C library leaves to programs (signal(7)).
const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=64;

/// A signal of the system that is not a real-time one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signal {
    number: i32,
    name: &'static str,
}

impl Signal {
    /// Asks a process to end, whatever it does.
    pub const KILL: Self = Self { number: libc::SIGKILL, name: "SIGKILL" };
    /// Asks a process to end, which it may refuse.
    pub const TERM: Self = Self { number: libc::SIGTERM, name: "SIGTERM" };
    /// Tells a process that its terminal is gone.
    pub const HUP: Self = Self { number: libc::SIGHUP, name: "SIGHUP" };
    /// Interrupts a process from its terminal.
    pub const INT: Self = Self { number: libc::SIGINT, name: "SIGINT" };
    /// Lets a stopped process go on.
    pub const CONT: Self = Self { number: libc::SIGCONT, name: "SIGCONT" };
    /// Stops a process, whatever it does.
    pub const STOP: Self = Self { number: libc::SIGSTOP, name: "SIGSTOP" };

    /// Finds the signal of a name, in any case, with or without `SIG` in front.
    ///
    /// `IOT`, `CLD` and `POLL` are second names of `ABRT`, `CHLD` and `IO`; the word `terminate`
    /// is `TERM`. `None` for anything else: real-time signals, numbers, blanks around a name.
    pub fn parse(text: &str) -> Option<Self> {
        let upper = text.to_ascii_uppercase();
        if upper == "TERMINATE" {
            return Some(Self::TERM);
        }
        let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
        let &(_, name, number) = NAMES.iter().find(|(known, ..)| *known == bare)?;
        Some(Self { number, name })
    }

    /// Finds the signal of a number; `None` for a real-time one or none at all.
    pub fn from_number(number: i32) -> Option<Self> {
        let &(_, name, number) = NAMES.iter().find(|(.., known)| *known == number)?;
        Some(Self { number, name })
    }

    /// Names any signal that can end a process, for a report: `SIGKILL`, or `SIGRTMIN+3` for a
    /// real-time one, or `SIG` with the number where there is no name.
    pub fn name_of(number: i32) -> Cow<'static, str> {
        match Self::from_number(number) {
            Some(signal) => Cow::Borrowed(signal.name),
            None if number == *REAL_TIME.start() => Cow::Borrowed("SIGRTMIN"),
            None if number == *REAL_TIME.end() => Cow::Borrowed("SIGRTMAX"),
            None if REAL_TIME.contains(&number) => {
                Cow::Owned(format!("SIGRTMIN+{}", number - REAL_TIME.start()))
            }
            None => Cow::Owned(format!("SIG{number}")),
        }
    }

    /// The number on this machine.
    pub fn number(self) -> i32 {
        self.number
    }

    /// The canonical name, such as `SIGKILL`.
    pub fn name(self) -> &'static str {
        self.name
    }

    pub(crate) fn raw(self) -> rustix::process::Signal {
        rustix::process::Signal::from_named_raw(self.number).expect("the table has named signals")
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(i32, &str)>) {
        let parsed = Signal::parse(text).map(|signal| (signal.number(), signal.name()));
        assert_eq!(parsed, expected, "{text:?}");
    }

    #[test]
    fn names_are_read_in_any_case_with_or_without_their_prefix() {
        check("SIGINT", Some((2, "SIGINT")));
        check("int", Some((2, "SIGINT")));
        check("Hup", Some((1, "SIGHUP")));
        check("sIgKiLl", Some((9, "SIGKILL")));
        check("kill", Some((9, "SIGKILL")));
        check("terminate", Some((15, "SIGTERM")));
        check("Terminate", Some((15, "SIGTERM")));
    }

    #[test]
    fn second_names_are_the_same_signal() {
        check("IOT", Some((libc::SIGABRT, "SIGABRT")));
        check("SIGCLD", Some((libc::SIGCHLD, "SIGCHLD")));
        check("sigpoll", Some((libc::SIGIO, "SIGIO")));
    }

    #[test]
    fn other_words_are_no_signal() {
        let words = [
            "",
            "SIG",
            "SIGFOO",
            "SIGSIGINT",
            "SIGTERMINATE",
            "9",
            "SIG9",
            " INT",
            "INT ",
            "RTMIN",
            "SIGRTMIN+1",
            "RTMAX",
            "EXIT",
            "NULL",
            "int\0",
            "ＫＩＬＬ",
        ];
        for word in words {
            check(word, None);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn every_standard_number_has_one_name_that_leads_back_to_it() {
        for number in 1..=31 {
            let signal = Signal::from_number(number).unwrap();
            assert_eq!(signal.number(), number);
            assert_eq!(signal.raw().as_raw(), number);
            check(signal.name(), Some((number, signal.name())));
        }
        for number in [-1, 0, 32, 33, 34, 64, 65] {
            assert_eq!(Signal::from_number(number), None);
        }
    }

    #[test]
    fn a_signal_without_a_standard_name_is_still_reported() {
        for (number, name) in
            [(11, "SIGSEGV"), (32, "SIG32"), (34, "SIGRTMIN"), (37, "SIGRTMIN+3"), (64, "SIGRTMAX")]
        {
            assert_eq!(Signal::name_of(number), name);
        }
    }
}
