//! When a script runs by the clock: a cron expression in local time, and the moment that follows
//! from it; waiting for that moment is the scheduler's matter.

use std::{fmt, str::FromStr, time::SystemTime};

use chrono::{DateTime, Local};
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};

/// A cron expression: second, minute, hour, day of month, month and, optionally, day of week.
#[derive(Clone, Debug)]
pub struct Schedule {
    text: String,
    cron: Cron,
}

/// The text is no cron expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseScheduleError(String);

impl FromStr for Schedule {
    type Err = ParseScheduleError;

    fn from_str(text: &str) -> Result<Self, ParseScheduleError> {
        let mut fields: Vec<&str> = text.split_ascii_whitespace().collect();
        if fields.len() == 5 {
            fields.push("*");
        }
        if fields.len() != 6 {
            let words = "expected second, minute, hour, day, month and, optionally, day of week";
            return Err(ParseScheduleError(words.to_owned()));
        }
        // The parser passes over what is missing in a list.
        if fields.iter().any(|field| field.split(',').any(str::is_empty)) {
            return Err(ParseScheduleError("a list with nothing between its commas".to_owned()));
        }
        let parser =
            CronParser::builder().seconds(Seconds::Required).year(Year::Disallowed).build();
        let cron = parser
            .parse(&fields.join(" "))
            .map_err(|error| ParseScheduleError(format!("not a cron expression, {error}")))?;
        Ok(Self { text: text.to_owned(), cron })
    }
}

impl Schedule {
    /// The first moment after another one, in local time; `None` when there is none.
    ///
    /// The clock's change to and from summer time neither loses nor doubles a run at a fixed time.
    pub fn next_after(&self, moment: SystemTime) -> Option<SystemTime> {
        self.next_in(&DateTime::<Local>::from(moment)).map(SystemTime::from)
    }

    fn next_in<Tz: chrono::TimeZone>(&self, moment: &DateTime<Tz>) -> Option<DateTime<Tz>> {
        self.cron.find_next_occurrence(moment, false).ok()
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for ParseScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseScheduleError {}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;

    #[test]
    fn a_cron_expression_begins_with_the_second() {
        let cases = [
            ("* * * * *", "2030-01-02T03:04:06Z"),
            ("0 * * * *", "2030-01-02T03:05:00Z"),
            ("*/10 * * * * *", "2030-01-02T03:04:10Z"),
            ("0 30 4 * *", "2030-01-02T04:30:00Z"),
            ("0 0 0 1 *", "2030-02-01T00:00:00Z"),
            ("0 0 9 * * MON-FRI", "2030-01-02T09:00:00Z"),
            ("0 0 0 * * 0", "2030-01-06T00:00:00Z"),
            ("0 0 0 29 2 *", "2032-02-29T00:00:00Z"),
            ("  0  0 12 24 12  ", "2030-12-24T12:00:00Z"),
        ];
        let now: DateTime<Utc> = "2030-01-02T03:04:05Z".parse().unwrap();
        for (text, expected) in cases {
            let schedule: Schedule = text.parse().unwrap();
            let expected: DateTime<Utc> = expected.parse().unwrap();
            assert_eq!(schedule.next_in(&now), Some(expected), "{text}");
            assert_eq!(schedule.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_cron_expression_is_refused() {
        for text in [
            "",
            "daily",
            "@daily",
            "* * * *",
            "* * * * * * *",
            "60 * * * *",
            "* 60 * * *",
            "* * 24 * *",
            "* * * 0 *",
            "* * * * 13",
            "* * * * * 8",
            "a b c d e",
            "*/0 * * * *",
            "5-1 * * * *",
            "1,,2 * * * *",
            ",1 * * * *",
            "* * * * * MON,",
        ] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_that_never_comes_has_no_moment() {
        let schedule: Schedule = "0 0 0 30 2 *".parse().unwrap();
        assert_eq!(schedule.next_after(SystemTime::now()), None);
    }
}
