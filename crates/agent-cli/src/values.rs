//! Values as they are typed: durations and sizes with units; not what a command does with them.

use std::time::Duration;

/// Units of a duration in seconds, longest suffix first so that `ms` is not read as `s`.
const TIME_UNITS: [(&str, f64); 4] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

/// Units of a size in bytes, all powers of 1024.
const SIZE_UNITS: [(&str, u64); 8] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("K", 1 << 10),
    ("M", 1 << 20),
    ("G", 1 << 30),
    ("T", 1 << 40),
];

/// Reads `500ms`, `5s`, `1.5m`, `1h`; a number without a unit is seconds.
///
/// # Errors
///
/// A sentence when the text is not such a number, is negative, or does not fit.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let unit =
        TIME_UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)));
    let (number, factor) = unit.unwrap_or((text, &1.0));
    let is_plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let seconds = number.parse::<f64>().ok().filter(|_| is_plain).map(|n| n * factor);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "not a duration such as `500ms`, `5s`, `10m` or `1h`".to_owned())
}

/// Like [`duration`], and refuses zero: a wait of no time would fail before it began.
///
/// # Errors
///
/// A sentence.
pub(crate) fn positive_duration(text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    if duration.is_zero() { Err("must be longer than zero".to_owned()) } else { Ok(duration) }
}

/// Reads a number of bytes, alone or with `K`, `KiB`, `M`, `MiB`, `G`, `GiB`, `T`, `TiB`.
///
/// # Errors
///
/// A sentence when the text is not such a number or does not fit in 64 bits.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let unit =
        SIZE_UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)));
    let (number, factor) = unit.unwrap_or((text, 1));
    let is_plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let bytes = number.parse::<u64>().ok().filter(|_| is_plain);
    bytes
        .and_then(|bytes| bytes.checked_mul(factor))
        .ok_or_else(|| "not a number of bytes such as `4096`, `64KiB` or `2M`".to_owned())
}

/// A time budget as the wire has it: whole milliseconds, at least one; 0 is the agent's default.
pub(crate) fn budget_ms(budget: Option<Duration>) -> u64 {
    let ms = |budget: Duration| u64::try_from(budget.as_millis()).unwrap_or(u64::MAX).max(1);
    budget.map_or(0, ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit_or_is_in_seconds() {
        let cases = [
            ("500ms", Some(500)),
            ("5s", Some(5_000)),
            ("5", Some(5_000)),
            ("1.5s", Some(1_500)),
            ("10m", Some(600_000)),
            ("1h", Some(3_600_000)),
            ("0", Some(0)),
            ("", None),
            ("s", None),
            ("ms", None),
            ("-1s", None),
            ("+1s", None),
            ("1e3", None),
            ("inf", None),
            ("nan", None),
            ("1d", None),
            ("1.2.3s", None),
            ("99999999999999999999h", None),
        ];
        for (text, ms) in cases {
            assert_eq!(duration(text).ok(), ms.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn a_positive_duration_is_not_zero() {
        assert!(positive_duration("0s").is_err());
        assert_eq!(positive_duration("1ms"), Ok(Duration::from_millis(1)));
    }

    #[test]
    fn a_size_may_have_a_binary_unit() {
        let cases = [
            ("0", Some(0)),
            ("4096", Some(4096)),
            ("64KiB", Some(65_536)),
            ("2M", Some(2 << 20)),
            ("1GiB", Some(1 << 30)),
            ("", None),
            ("K", None),
            ("-1", None),
            ("+1", None),
            ("1.5M", None),
            ("1KB", None),
            ("18446744073709551616", None),
            ("99999999999T", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(size(text).ok(), bytes, "{text}");
        }
    }
}
