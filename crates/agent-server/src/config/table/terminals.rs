//! The settings of terminals: section `[terminals]`.

use std::time::Duration;

use super::{
    super::parse::{self, write_duration},
    DAY, Kind, Setting, one, put,
};

const SECTION: &str = "terminals";
/// Most terminals, and connections of one, that can be asked for.
const MOST: usize = 10_000;
/// Most lines of scrollback.
const MOST_LINES: i32 = 100_000;
/// Least memory of a terminal's state; two of the largest screens fit.
const LEAST_BYTES: u64 = 1 << 20;
const MOST_BYTES: u64 = 1 << 40;

pub(super) static ROWS: &[Setting] = &[
    Setting::new(
        "max",
        Kind::Count,
        "Terminals at the same time; further ones are refused",
        |c, _, given| put(&mut c.terminals.max, given, |text| parse::limit(text, MOST, 64)),
        |c| c.terminals.max.into(),
    )
    .in_section(SECTION)
    .or("64"),
    Setting::new(
        "max_attached",
        Kind::Count,
        "Connections of one terminal; further ones are refused",
        |c, _, given| {
            put(&mut c.terminals.max_attached, given, |text| parse::limit(text, MOST, 32))
        },
        |c| c.terminals.max_attached.into(),
    )
    .in_section(SECTION)
    .or("32"),
    Setting::new(
        "scrollback_lines",
        Kind::Count,
        "Lines that are kept of what left the screen, 0 to 100,000",
        |c, _, given| {
            let lines = parse::integer(one(given), 0..=MOST_LINES)?;
            c.terminals.scrollback_lines = usize::try_from(lines).expect("not negative");
            Ok(())
        },
        |c| c.terminals.scrollback_lines.into(),
    )
    .in_section(SECTION)
    .or("10000"),
    Setting::new(
        "max_memory_bytes",
        Kind::Size,
        "Memory of one terminal's state; the oldest scrollback goes first",
        |c, _, given| {
            let bytes = parse::size(one(given), LEAST_BYTES..=MOST_BYTES)?;
            c.terminals.max_memory_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            Ok(())
        },
        |c| c.terminals.max_memory_bytes.into(),
    )
    .in_section(SECTION)
    .or("32MiB"),
    Setting::new(
        "idle_timeout",
        Kind::Duration,
        "How long a terminal stays without a connection",
        |c, _, given| {
            let least = Duration::from_millis(1);
            put(&mut c.terminals.idle_timeout, given, |text| {
                parse::duration(text, least..=DAY * 365)
            })
        },
        |c| write_duration(c.terminals.idle_timeout).into(),
    )
    .in_section(SECTION)
    .or("5m"),
];
