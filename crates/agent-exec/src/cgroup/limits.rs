//! What is written into a leaf's files so that limits hold; pure, writes nothing.
//!
//! Source: the kernel's "Control Group v2" document, interface files of memory, cpu and pids.

use super::files::Controllers;
use crate::Limits;

/// The period over which processor time is measured out, in microseconds: the kernel's default.
const PERIOD: u64 = 100_000;
/// Microseconds of one percent of a CPU in a period.
const PERCENT: u64 = PERIOD / 100;
/// The kernel refuses a larger quota (2^44 microseconds) than this many CPUs would ever use.
const MAX_QUOTA: u64 = 1 << 43;
/// The kernel refuses larger numbers of processes than it can have (`PID_MAX_LIMIT`).
const MAX_PIDS: u64 = 4_194_304;

/// A value for a file of a leaf.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) file: &'static str,
    pub(super) value: String,
    /// The limit also holds where the file does not exist.
    pub(super) optional: bool,
}

impl Setting {
    fn new(file: &'static str, value: String) -> Self {
        Self { file, value, optional: false }
    }
}

/// The controllers that the limits need.
pub(super) fn needed(limits: &Limits) -> Controllers {
    Controllers {
        memory: limits.memory_bytes.is_some(),
        cpu: limits.cpu_percent.is_some(),
        pids: limits.pids.is_some(),
    }
}

/// What to write, in order.
pub(super) fn settings(limits: &Limits) -> Vec<Setting> {
    let mut settings = Vec::new();
    if let Some(bytes) = limits.memory_bytes {
        settings.push(Setting::new("memory.max", bytes.to_string()));
        settings.push(Setting::new("memory.oom.group", "1".to_owned()));
        // A kernel without this file does not account swap, usually because it has none.
        let swap = Setting::new("memory.swap.max", "0".to_owned());
        settings.push(Setting { optional: true, ..swap });
    }
    if let Some(percent) = limits.cpu_percent {
        let quota = percent.checked_mul(PERCENT).filter(|quota| *quota <= MAX_QUOTA);
        let quota = quota.map_or_else(|| "max".to_owned(), |quota| quota.to_string());
        settings.push(Setting::new("cpu.max", format!("{quota} {PERIOD}")));
    }
    if let Some(pids) = limits.pids {
        let pids = if pids <= MAX_PIDS { pids.to_string() } else { "max".to_owned() };
        settings.push(Setting::new("pids.max", pids));
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(limits: Limits, expected: &[(&str, &str)]) {
        let settings = settings(&limits);
        let written: Vec<_> =
            settings.iter().map(|setting| (setting.file, setting.value.as_str())).collect();
        assert_eq!(written, expected);
    }

    #[test]
    fn each_limit_is_written_into_its_files() {
        let none = Limits::default();
        check(none, &[]);
        let memory =
            [("memory.max", "1048576"), ("memory.oom.group", "1"), ("memory.swap.max", "0")];
        check(Limits { memory_bytes: Some(1_048_576), ..none }, &memory);
        check(Limits { cpu_percent: Some(1), ..none }, &[("cpu.max", "1000 100000")]);
        check(Limits { cpu_percent: Some(250), ..none }, &[("cpu.max", "250000 100000")]);
        check(Limits { pids: Some(1), ..none }, &[("pids.max", "1")]);
    }

    #[test]
    fn limits_that_the_kernel_cannot_express_are_none_at_all() {
        let none = Limits::default();
        check(Limits { cpu_percent: Some(u64::MAX), ..none }, &[("cpu.max", "max 100000")]);
        check(Limits { cpu_percent: Some(1 << 40), ..none }, &[("cpu.max", "max 100000")]);
        check(Limits { pids: Some(4_194_304), ..none }, &[("pids.max", "4194304")]);
        check(Limits { pids: Some(4_194_305), ..none }, &[("pids.max", "max")]);
    }

    #[test]
    fn only_the_controllers_of_given_limits_are_needed() {
        let limits = Limits { memory_bytes: None, cpu_percent: Some(5), pids: Some(5) };
        assert_eq!(needed(&limits), Controllers { memory: false, cpu: true, pids: true });
    }
}
