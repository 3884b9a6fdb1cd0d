//! The value of the option `expiry-time`.

use chrono::{Days, Local, NaiveDate, NaiveDateTime, TimeDelta, TimeZone as _};

/// Reads `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS` as seconds since 1970.
///
/// With a final `Z` or `UTC` the time is universal, otherwise that of the machine's zone. A day
/// beyond the end of its month runs into the next one, as `mktime` does. `None` for anything else,
/// and for times before 1970.
pub(super) fn parse(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let (digits, universal) = match text.strip_suffix(['Z', 'z']) {
        Some(digits) => (digits, true),
        None => match text.len().checked_sub(3).and_then(|at| text.split_at_checked(at)) {
            Some((digits, zone)) if zone.eq_ignore_ascii_case("UTC") => (digits, true),
            _ => (text, false),
        },
    };
    let time = fields(digits)?;
    let seconds = if universal {
        time.and_utc().timestamp()
    } else {
        // In the hour a zone leaves out, the time an hour later is meant.
        let local = Local.from_local_datetime(&time).earliest();
        local
            .or_else(|| Local.from_local_datetime(&(time + TimeDelta::hours(1))).earliest())?
            .timestamp()
    };
    u64::try_from(seconds).ok().filter(|&seconds| seconds > 0)
}

fn fields(digits: &str) -> Option<NaiveDateTime> {
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let field = |at: usize, width: usize| match digits.get(at..at + width) {
        Some(field) => field.parse::<u32>().ok(),
        None => Some(0),
    };
    let day = field(6, 2).filter(|day| (1..=31).contains(day))?;
    let month = NaiveDate::from_ymd_opt(field(0, 4)?.try_into().ok()?, field(4, 2)?, 1)?;
    month.checked_add_days(Days::new((day - 1).into()))?.and_hms_opt(
        field(8, 2)?,
        field(10, 2)?,
        field(12, 2)?,
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn universal_times_are_read_to_the_second() {
        for (text, expected) in [
            ("19700102Z", Some(86_400)),
            ("20240229Z", Some(1_709_164_800)),
            ("20230229Z", Some(1_677_628_800)),
            ("202402291234Z", Some(1_709_210_040)),
            ("20240229123456Z", Some(1_709_210_096)),
            ("20240229123456utc", Some(1_709_210_096)),
            ("20240229123456z", Some(1_709_210_096)),
            ("19691231Z", None),
            ("20241301Z", None),
            ("20241232Z", None),
            ("20240100Z", None),
            ("202402292400Z", None),
            ("20240229Z ", None),
            ("2024022Z", None),
            ("2024-02-29", None),
            ("Z", None),
            ("UTC", None),
            ("", None),
            ("+0240229Z", None),
        ] {
            assert_eq!(parse(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_local_time_is_within_a_day_of_the_universal_one() {
        let local = parse(b"202402291234").expect("a time");
        assert!(local.abs_diff(1_709_210_040) <= 86_400);
        assert_eq!(
            chrono::DateTime::from_timestamp(local.try_into().expect("small"), 0)
                .expect("in range")
                .with_timezone(&Local)
                .naive_local()
                .to_string(),
            "2024-02-29 12:34:00"
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in prop::collection::vec(any::<u8>(), 0..20)) {
            let _ = parse(&text);
        }

        #[test]
        fn no_digits_panic(text in "[0-9]{6,16}(Z|UTC)?") {
            let _ = parse(text.as_bytes());
        }
    }
}
