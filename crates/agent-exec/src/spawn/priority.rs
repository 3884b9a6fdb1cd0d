//! What a command has less of than agentd, as numbers; setting them is the new process's matter.

use std::ffi::CString;
use std::fs;

use rustix::process::{Resource, getpriority_process, getrlimit};

use crate::{Config, Priority};

/// The highest niceness (setpriority(2)).
const NICEST: i32 = 19;

/// What the new process is to set; what is absent stays as agentd's.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// Text for `/proc/self/oom_score_adj`.
    pub(super) oom_score: Option<CString>,
    pub(super) nice: Option<i32>,
    /// Soft and hard limit.
    pub(super) open_files: Option<(u64, u64)>,
}

/// Looks at agentd's own values now, because an administrator may change them while it runs.
pub(super) fn of(config: &Config) -> Settings {
    let open_files = config.open_files.and_then(open_files);
    let Some(priority) = config.priority else {
        return Settings { open_files, ..Settings::default() };
    };
    // Where the score cannot be read it cannot be written either, which is then said.
    let score = fs::read_to_string("/proc/self/oom_score_adj").ok();
    let own = score.and_then(|score| score.trim().parse().ok());
    let score = oom_score(&priority, own.unwrap_or(0));
    let nice = nice(&priority, getpriority_process(None).unwrap_or(0));
    Settings {
        oom_score: (own != Some(score)).then(|| decimal(score)),
        nice: Some(nice),
        open_files,
    }
}

fn oom_score(priority: &Priority, own: i32) -> i32 {
    let rule = match own {
        ..0 => 0,
        998.. => 1000,
        _ => 998,
    };
    priority.oom_score_adj.unwrap_or(rule)
}

fn nice(priority: &Priority, own: i32) -> i32 {
    priority.nice.unwrap_or_else(|| (own + 5).min(NICEST))
}

fn open_files(wanted: u64) -> Option<(u64, u64)> {
    let limit = getrlimit(Resource::Nofile);
    let hard = limit.maximum.unwrap_or(libc::RLIM_INFINITY);
    let soft = wanted.min(hard);
    (limit.current != Some(soft)).then_some((soft, hard))
}

fn decimal(number: i32) -> CString {
    CString::new(number.to_string()).expect("digits are not NUL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oom_score_follows_agentd_s() {
        for (own, expected) in
            [(-1000, 0), (-1, 0), (0, 998), (997, 998), (998, 1000), (999, 1000), (1000, 1000)]
        {
            assert_eq!(oom_score(&Priority::default(), own), expected, "agentd has {own}");
        }
    }

    #[test]
    fn the_niceness_is_five_more_and_at_most_19() {
        for (own, expected) in [(-20, -15), (0, 5), (13, 18), (14, 19), (19, 19)] {
            assert_eq!(nice(&Priority::default(), own), expected, "agentd has {own}");
        }
    }

    #[test]
    fn configured_values_win() {
        let priority = Priority { oom_score_adj: Some(-5), nice: Some(3) };
        assert_eq!((oom_score(&priority, 0), nice(&priority, 0)), (-5, 3));
    }
}
