//! Times on the wire: RFC 3339 in UTC with milliseconds; not a calendar.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment in milliseconds since 1970-01-01T00:00:00Z, negative before it.
///
/// Written as `2026-01-31T12:00:00.000Z`. Years 0000 to 9999; a moment outside is written as the
/// nearest one inside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The text is not an RFC 3339 time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseTimestampError;

const MS_PER_DAY: i64 = 86_400_000;
/// 0000-01-01T00:00:00.000Z.
const FIRST_MS: i64 = -62_167_219_200_000;
/// 9999-12-31T23:59:59.999Z.
const LAST_MS: i64 = 253_402_300_799_999;

impl Timestamp {
    /// The moment that many milliseconds after the Unix epoch.
    pub fn from_unix_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    pub fn as_unix_ms(self) -> i64 {
        self.0
    }

    /// The same moment as a system time, to the millisecond.
    pub fn to_system_time(self) -> SystemTime {
        let distance = Duration::from_millis(self.0.unsigned_abs());
        if self.0 < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
    }
}

impl From<SystemTime> for Timestamp {
    /// Rounds down to the millisecond.
    fn from(time: SystemTime) -> Self {
        let ms = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => {
                let nanos = before.duration().as_nanos();
                i64::try_from(nanos.div_ceil(1_000_000)).map_or(i64::MIN, |ms| -ms)
            }
        };
        Self(ms)
    }
}

/// Days since the epoch of a civil date in the proleptic Gregorian calendar.
///
/// Counts years from March, so that the leap day is the last of its year and a month's first day
/// is a linear function of its number.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`]: year, month, day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.clamp(FIRST_MS, LAST_MS);
        let (year, month, day) = civil_from_days(ms.div_euclid(MS_PER_DAY));
        let in_day = ms.rem_euclid(MS_PER_DAY);
        let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
        let (second, milli) = (in_day / 1000 % 60, in_day % 1000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

/// Takes `count` decimal digits off the front of `text`.
fn digits(text: &mut &str, count: usize) -> Option<i64> {
    let head = text.get(..count).filter(|head| head.bytes().all(|b| b.is_ascii_digit()))?;
    *text = &text[count..];
    head.parse().ok()
}

/// Takes one of `expected` off the front of `text`.
fn one_of(text: &mut &str, expected: &[char]) -> Option<char> {
    let found = text.chars().next().filter(|c| expected.contains(c))?;
    *text = &text[found.len_utf8()..];
    Some(found)
}

fn fraction_ms(text: &mut &str) -> Option<i64> {
    if one_of(text, &['.']).is_none() {
        return Some(0);
    }
    let count = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(count);
    *text = rest;
    let padded: String = digits.chars().chain("000".chars()).take(3).collect();
    if digits.is_empty() { None } else { padded.parse().ok() }
}

fn offset_minutes(text: &mut &str) -> Option<i64> {
    match one_of(text, &['Z', 'z', '+', '-'])? {
        'Z' | 'z' => Some(0),
        sign => {
            let hour = digits(text, 2).filter(|h| *h <= 23)?;
            one_of(text, &[':'])?;
            let minute = digits(text, 2).filter(|m| *m <= 59)?;
            let minutes = hour * 60 + minute;
            Some(if sign == '-' { -minutes } else { minutes })
        }
    }
}

fn parse(mut text: &str) -> Option<i64> {
    let text = &mut text;
    let year = digits(text, 4)?;
    one_of(text, &['-'])?;
    let month = digits(text, 2).filter(|m| (1..=12).contains(m))?;
    one_of(text, &['-'])?;
    let day = digits(text, 2).filter(|d| (1..=31).contains(d))?;
    one_of(text, &['T', 't', ' '])?;
    let hour = digits(text, 2).filter(|h| *h <= 23)?;
    one_of(text, &[':'])?;
    let minute = digits(text, 2).filter(|m| *m <= 59)?;
    one_of(text, &[':'])?;
    // RFC 3339 allows a leap second, which Unix time cannot hold: it counts as the next second.
    let second = digits(text, 2).filter(|s| *s <= 60)?;
    let milli = fraction_ms(text)?;
    let offset = offset_minutes(text)?;
    let days = days_from_civil(year, month, day);
    let is_a_date = civil_from_days(days) == (year, month, day);
    let ms = days * MS_PER_DAY + ((hour * 60 + minute - offset) * 60 + second) * 1000 + milli;
    (text.is_empty() && is_a_date).then_some(ms)
}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    /// Reads RFC 3339 (section 5.6) with any offset; digits after the milliseconds are dropped.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map(Self).ok_or(ParseTimestampError)
    }
}

impl fmt::Display for ParseTimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an RFC 3339 time such as 2026-01-31T12:00:00Z")
    }
}

impl std::error::Error for ParseTimestampError {}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_is_written_in_utc_with_milliseconds() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_769_860_800_123, "2026-01-31T12:00:00.123Z"),
            (FIRST_MS, "0000-01-01T00:00:00.000Z"),
            (i64::MAX, "9999-12-31T23:59:59.999Z"),
            (i64::MIN, "0000-01-01T00:00:00.000Z"),
        ];
        for (ms, expected) in cases {
            assert_eq!(Timestamp(ms).to_string(), expected);
        }
    }

    #[test]
    fn a_time_is_read_with_any_offset_and_precision() {
        let cases = [
            ("2026-01-31T12:00:00Z", Some(1_769_860_800_000)),
            ("2026-01-31T13:30:00.1239+01:30", Some(1_769_860_800_123)),
            ("2026-01-31t12:00:00.5z", Some(1_769_860_800_500)),
            ("2026-02-29T12:00:00Z", None),
            ("2026-01-31T12:00:00", None),
            ("2026-01-31", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-01-31T24:00:00Z", None),
            ("2026-01-31T12:00:00.Z", None),
            ("2026-01-31T12:00:00Z ", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse().ok(), expected.map(Timestamp), "{text}");
        }
    }

    #[test]
    fn a_system_time_before_the_epoch_rounds_down() {
        let time = UNIX_EPOCH - Duration::from_micros(1);
        assert_eq!(Timestamp::from(time), Timestamp(-1));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(ms in FIRST_MS..=LAST_MS) {
            prop_assert_eq!(Timestamp(ms).to_string().parse(), Ok(Timestamp(ms)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            let _: Result<Timestamp, _> = text.parse();
        }
    }
}
