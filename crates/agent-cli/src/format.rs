//! Numbers, times, modes and names as people read them; not where they are printed.

use std::{borrow::Cow, time::Duration};

use agent_sdk::api::{EntryKind, FileMode, Timestamp};

/// Writes a size with at most three digits before a binary unit: `0 B`, `1023 B`, `1.5 KiB`,
/// `12 MiB`.
pub(crate) fn human_size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths of the unit, rounded up, so that a size is never shown as smaller than it is.
    let mut unit = 0;
    let mut tenths = (u128::from(bytes) * 10).div_ceil(1024);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths = tenths.div_ceil(1024);
        unit += 1;
    }
    if tenths < 100 {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    } else {
        format!("{} {}", tenths.div_ceil(10), UNITS[unit])
    }
}

/// Writes a duration in the largest unit that keeps it a short number: `0ms`, `150ms`, `1.2s`,
/// `5s`, `2m 5s`, `1h 1m`.
pub(crate) fn human_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{ms}ms"),
        1..60 if ms % 1000 < 100 => format!("{seconds}s"),
        1..60 => format!("{seconds}.{}s", ms % 1000 / 100),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        _ => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// Writes a time to the second, in UTC: `2026-01-31 12:00:00Z`.
pub(crate) fn human_time(time: Timestamp) -> String {
    let text = time.to_string();
    match text.split_once('T') {
        Some((date, clock)) => format!("{date} {}Z", clock.get(..8).unwrap_or(clock)),
        None => text,
    }
}

/// The letter that `ls -l` shows for a kind; `?` for one of a newer agent.
pub(crate) fn kind_letter(kind: EntryKind) -> char {
    match kind {
        EntryKind::File => '-',
        EntryKind::Directory => 'd',
        EntryKind::Symlink => 'l',
        EntryKind::Fifo => 'p',
        EntryKind::Socket => 's',
        EntryKind::BlockDevice => 'b',
        EntryKind::CharDevice => 'c',
        _ => '?',
    }
}

/// Writes permission bits as `ls -l` does: `rwxr-xr-x`, with `s`, `S`, `t`, `T` for the special
/// ones.
pub(crate) fn mode_letters(mode: FileMode) -> String {
    let bits = mode.bits();
    let mut letters = String::with_capacity(9);
    for (shift, special, set, unset) in
        [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')]
    {
        let triple = bits >> shift;
        letters.push(if triple & 0o4 != 0 { 'r' } else { '-' });
        letters.push(if triple & 0o2 != 0 { 'w' } else { '-' });
        letters.push(match (bits & special != 0, triple & 0o1 != 0) {
            (true, true) => set,
            (true, false) => unset,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    letters
}

/// Replaces control characters by `?`, as `ls` does on a terminal: a name must not be able to move
/// the cursor or change colors.
pub(crate) fn without_controls(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        Cow::Owned(text.chars().map(|c| if c.is_control() { '?' } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_short_number_and_a_unit() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1025, "1.1 KiB"),
            (1536, "1.5 KiB"),
            (10 * 1024, "10 KiB"),
            (10 * 1024 + 1, "11 KiB"),
            (1024 * 1024 - 1, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16 EiB"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(human_size(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn a_duration_has_one_or_two_units() {
        let cases = [
            (0, "0ms"),
            (999, "999ms"),
            (1_000, "1s"),
            (1_250, "1.2s"),
            (59_999, "59.9s"),
            (125_000, "2m 5s"),
            (3_660_000, "1h 1m"),
        ];
        for (ms, expected) in cases {
            assert_eq!(human_duration(Duration::from_millis(ms)), expected, "{ms}");
        }
    }

    #[test]
    fn a_time_is_shown_to_the_second() {
        let time = Timestamp::from_unix_ms(1_769_860_800_123);
        assert_eq!(human_time(time), "2026-01-31 12:00:00Z");
    }

    #[test]
    fn modes_are_letters() {
        let cases = [
            ("0755", "rwxr-xr-x"),
            ("0644", "rw-r--r--"),
            ("0000", "---------"),
            ("4755", "rwsr-xr-x"),
            ("4644", "rwSr--r--"),
            ("2755", "rwxr-sr-x"),
            ("1777", "rwxrwxrwt"),
            ("1776", "rwxrwxrwT"),
        ];
        for (mode, expected) in cases {
            assert_eq!(mode_letters(mode.parse().unwrap()), expected, "{mode}");
        }
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        let cases =
            [("plain é", "plain é"), ("a\x1b[31mb", "a?[31mb"), ("a\nb\r\u{9b}c", "a?b??c")];
        for (text, expected) in cases {
            assert_eq!(without_controls(text), expected);
        }
    }
}
