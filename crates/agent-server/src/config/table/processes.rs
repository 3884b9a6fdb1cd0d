//! The settings of processes: section `[processes]`.

use std::time::Duration;

use serde_json::Value;

use super::{
    super::parse::{self, write_duration},
    DAY, Kind, Setting, put, put_optional,
};

const SECTION: &str = "processes";
/// Most processes, records and tombstones that can be asked for.
const MOST: usize = 1_000_000;
/// The largest quota of output in bytes, 2^53 - 1 as for every size on the wire.
const MOST_BYTES: u64 = (1 << 53) - 1;
/// The longest time that something ended is remembered.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub(super) static ROWS: &[Setting] = &[
    Setting::new(
        "output_quota_bytes",
        Kind::Size,
        "Output that is kept of one process",
        |c, _, given| {
            put(&mut c.processes.output_quota_bytes, given, |text| {
                parse::size(text, 1 << 20..=MOST_BYTES)
            })
        },
        |c| c.processes.output_quota_bytes.into(),
    )
    .in_section(SECTION)
    .or("64MiB"),
    Setting::new(
        "total_output_quota_bytes",
        Kind::Size,
        "Output that is kept of all processes together",
        |c, _, given| {
            put(&mut c.processes.total_output_quota_bytes, given, |text| {
                parse::size(text, 16 << 20..=MOST_BYTES)
            })
        },
        |c| c.processes.total_output_quota_bytes.into(),
    )
    .in_section(SECTION)
    .or("1GiB"),
    Setting::new(
        "max_running",
        Kind::Count,
        "Processes that run at the same time; further ones are refused",
        |c, _, given| {
            put(&mut c.processes.max_running, given, |text| parse::limit(text, MOST, 512))
        },
        |c| c.processes.max_running.into(),
    )
    .in_section(SECTION)
    .or("512"),
    Setting::new(
        "kill_grace",
        Kind::Duration,
        "Time from TERM to KILL, at a process's timeout and at the stop",
        |c, _, given| {
            put(&mut c.processes.kill_grace, given, |text| {
                parse::duration(text, Duration::ZERO..=DAY)
            })
        },
        |c| write_duration(c.processes.kill_grace).into(),
    )
    .in_section(SECTION)
    .or("5s"),
    Setting::new(
        "retention",
        Kind::Duration,
        "How long a process is kept after its output has ended",
        |c, _, given| {
            put(&mut c.processes.retention, given, |text| {
                parse::duration(text, Duration::ZERO..=YEAR)
            })
        },
        |c| write_duration(c.processes.retention).into(),
    )
    .in_section(SECTION)
    .or("1h"),
    Setting::new(
        "max_exited",
        Kind::Count,
        "Processes that have ended and are kept",
        |c, _, given| {
            put(&mut c.processes.max_exited, given, |text| parse::limit(text, MOST, 1000))
        },
        |c| c.processes.max_exited.into(),
    )
    .in_section(SECTION)
    .or("1000"),
    Setting::new(
        "tombstones",
        Kind::Duration,
        "How long the id of a forgotten process stays used",
        |c, _, given| {
            put(&mut c.processes.tombstones, given, |text| {
                parse::duration(text, Duration::ZERO..=YEAR)
            })
        },
        |c| write_duration(c.processes.tombstones).into(),
    )
    .in_section(SECTION)
    .or("24h"),
    Setting::new(
        "max_tombstones",
        Kind::Count,
        "Ids of forgotten processes that stay used",
        |c, _, given| {
            put(&mut c.processes.max_tombstones, given, |text| parse::limit(text, MOST, 10_000))
        },
        |c| c.processes.max_tombstones.into(),
    )
    .in_section(SECTION)
    .or("10000"),
    Setting::new(
        "child_priority",
        Kind::Switch,
        "Whether children get an OOM score and a niceness of their own",
        |c, _, given| put(&mut c.processes.child_priority, given, parse::switch),
        |c| c.processes.child_priority.into(),
    )
    .in_section(SECTION)
    .or("true"),
    Setting::new(
        "oom_score_adj",
        Kind::Count,
        "OOM score adjustment of children, -1000 to 1000",
        |c, _, given| {
            put_optional(&mut c.processes.oom_score_adj, given, |text| {
                parse::integer(text, -1000..=1000)
            })
        },
        |c| c.processes.oom_score_adj.map_or(Value::Null, Value::from),
    )
    .in_section(SECTION)
    .or_computed("998, or what agentd's own allows"),
    Setting::new(
        "nice",
        Kind::Count,
        "Niceness of children, -20 to 19",
        |c, _, given| {
            put_optional(&mut c.processes.nice, given, |text| parse::integer(text, -20..=19))
        },
        |c| c.processes.nice.map_or(Value::Null, Value::from),
    )
    .in_section(SECTION)
    .or_computed("agentd's own + 5"),
];
