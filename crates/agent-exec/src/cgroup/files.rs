//! What the files of a cgroup v2 directory say; pure, reads nothing.
//!
//! Source: the kernel's "Control Group v2" document, sections on the core interface files, cpu
//! and memory.

use std::time::Duration;

/// The controllers that a limit needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Controllers {
    pub(super) memory: bool,
    pub(super) cpu: bool,
    pub(super) pids: bool,
}

impl Controllers {
    /// Reads `cgroup.controllers` or `cgroup.subtree_control`: names between blanks.
    pub(super) fn parse(text: &str) -> Self {
        let has = |name| text.split_ascii_whitespace().any(|word| word == name);
        Self { memory: has("memory"), cpu: has("cpu"), pids: has("pids") }
    }

    /// The names of those here that `other` lacks.
    pub(super) fn missing_in(self, other: Self) -> Vec<&'static str> {
        let pairs = [
            ("memory", self.memory, other.memory),
            ("cpu", self.cpu, other.cpu),
            ("pids", self.pids, other.pids),
        ];
        let missing = pairs.into_iter().filter(|(_, wanted, present)| *wanted && !present);
        missing.map(|(name, ..)| name).collect()
    }
}

/// Reads `cgroup.procs`: process ids, one a line.
///
/// A member that is outside of this process's pid namespace is shown as 0 and left out.
pub(super) fn parse_members(text: &str) -> Vec<u32> {
    text.lines().filter_map(|line| line.trim().parse().ok()).filter(|pid| *pid != 0).collect()
}

/// Finds a number in a file of lines `key value`.
pub(super) fn keyed(text: &str, key: &str) -> Option<u64> {
    let value = |line: &str| {
        let (found, value) = line.split_once(' ')?;
        (found == key).then(|| value.trim().parse().ok())?
    };
    text.lines().find_map(value)
}

/// Reads `cgroup.events`: whether the group or one below has a process that is no zombie.
pub(super) fn parse_populated(text: &str) -> Option<bool> {
    keyed(text, "populated").map(|value| value != 0)
}

/// Reads `memory.events`: whether the kernel killed a member here or below for memory.
pub(super) fn parse_oom_killed(text: &str) -> bool {
    ["oom_kill", "oom_group_kill"].iter().any(|key| keyed(text, key).is_some_and(|count| count > 0))
}

/// Reads `cpu.stat`: the processor time used so far, also by members that have ended.
pub(super) fn parse_cpu_time(text: &str) -> Option<Duration> {
    keyed(text, "usage_usec").map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_are_found_by_their_whole_name() {
        let all = Controllers { memory: true, cpu: true, pids: true };
        assert_eq!(Controllers::parse("cpuset cpu io memory hugetlb pids rdma misc\n"), all);
        assert_eq!(Controllers::parse("cpuset hugetlb\n"), Controllers::default());
        assert_eq!(Controllers::parse(""), Controllers::default());
        let some = Controllers { cpu: true, ..Controllers::default() };
        assert_eq!(all.missing_in(some), ["memory", "pids"]);
        assert_eq!(some.missing_in(all), [""; 0]);
    }

    #[test]
    fn members_outside_of_the_namespace_are_left_out() {
        assert_eq!(parse_members("1\n42\n0\n4194304\n"), [1, 42, 4_194_304]);
        assert_eq!(parse_members(""), [0; 0]);
        assert_eq!(parse_members("-3\nx\n7"), [7]);
    }

    #[test]
    fn a_group_is_populated_as_its_events_say() {
        assert_eq!(parse_populated("populated 1\nfrozen 0\n"), Some(true));
        assert_eq!(parse_populated("frozen 1\npopulated 0\n"), Some(false));
        assert_eq!(parse_populated("frozen 0\n"), None);
    }

    #[test]
    fn a_kill_for_memory_is_counted_alone_or_with_the_group() {
        let events = "low 0\nhigh 0\nmax 31\noom 1\noom_kill 0\noom_group_kill 0\n";
        assert!(!parse_oom_killed(events), "reaching the limit kills nobody yet");
        assert!(parse_oom_killed(&events.replace("oom_kill 0", "oom_kill 2")));
        assert!(parse_oom_killed(&events.replace("group_kill 0", "group_kill 1")));
        assert!(parse_oom_killed("oom 1\noom_kill 1\n"), "older kernels do not count groups");
        assert!(!parse_oom_killed(""));
    }

    #[test]
    fn processor_time_is_in_microseconds() {
        let stat = "usage_usec 41000123\nuser_usec 40000000\nsystem_usec 1000123\nnr_periods 0\n";
        assert_eq!(parse_cpu_time(stat), Some(Duration::from_micros(41_000_123)));
        assert_eq!(parse_cpu_time("user_usec 4\n"), None);
        assert_eq!(parse_cpu_time("usage_usec many\n"), None);
    }
}
