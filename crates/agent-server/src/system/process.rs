//! What the system knows of this process: memory, time, descriptors, start (proc(5)).

/// Usage of this process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Usage {
    /// Memory in RAM.
    pub(crate) resident_bytes: u64,
    /// Processor time, user and system.
    pub(crate) cpu_seconds: f64,
    /// Open descriptors.
    pub(crate) open_fds: u64,
    /// Start, in seconds since the Unix epoch.
    pub(crate) started_at_seconds: f64,
}

impl Usage {
    /// Asks the system; `None` where it does not tell.
    #[cfg(target_os = "linux")]
    pub(crate) fn of_this_process() -> Option<Self> {
        let read = |path: &str| std::fs::read_to_string(path).ok();
        let times = Times::parse(&read("/proc/self/stat")?)?;
        let pages: u64 = read("/proc/self/statm")?.split(' ').nth(1)?.parse().ok()?;
        let boot: f64 = read("/proc/stat")?
            .lines()
            .find_map(|line| line.strip_prefix("btime "))?
            .parse()
            .ok()?;
        // The descriptor that reads the directory is in it.
        let open_fds = std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
        let ticks_per_second = rustix::param::clock_ticks_per_second();
        let seconds = |ticks: u64| ticks as f64 / ticks_per_second as f64;
        Some(Self {
            resident_bytes: pages * rustix::param::page_size() as u64,
            cpu_seconds: seconds(times.user + times.system),
            open_fds: open_fds as u64,
            started_at_seconds: boot + seconds(times.start),
        })
    }

    /// Asks the system; `None` where it does not tell.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn of_this_process() -> Option<Self> {
        None
    }
}

/// Times of a process in clock ticks.
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "read from /proc"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    user: u64,
    system: u64,
    /// Since the boot.
    start: u64,
}

impl Times {
    /// Reads `/proc/PID/stat`: fields 14, 15 and 22.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "read from /proc"))]
    fn parse(stat: &str) -> Option<Self> {
        // The second field is the program's name in parentheses, which may hold anything.
        let (_, rest) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let ticks = |number: usize| fields.get(number - 3)?.parse().ok();
        Some(Self { user: ticks(14)?, system: ticks(15)?, start: ticks(22)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_are_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 11 12 13 14 20 0 5 0 99 1000 200 0";
        assert_eq!(Times::parse(stat), Some(Times { user: 11, system: 12, start: 99 }));
        assert_eq!(Times::parse("7 (a) S 1"), None);
        assert_eq!(Times::parse(""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_used_something() {
        let usage = Usage::of_this_process().unwrap();
        assert!(usage.resident_bytes > 100_000 && usage.open_fds >= 3);
        assert!(usage.started_at_seconds > 1.7e9);
    }
}
