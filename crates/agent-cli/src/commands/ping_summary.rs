//! What a series of pings showed; not how a ping is made.

use std::time::Duration;

use serde::Serialize;

/// Counts answers and their latencies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    sent: u32,
    received: u32,
    shortest: Duration,
    longest: Duration,
    total: Duration,
}

/// The summary as `--json` prints it, in whole milliseconds; latencies are there when an answer
/// came.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct SummaryJson {
    sent: u32,
    received: u32,
    lost_percent: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avg_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_ms: Option<u64>,
    /// The path of the last answer, such as `direct 203.0.113.7:41641`.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

impl Summary {
    /// Counts a ping that was answered.
    pub(super) fn answered(&mut self, latency: Duration) {
        self.shortest = if self.received == 0 { latency } else { self.shortest.min(latency) };
        self.longest = self.longest.max(latency);
        self.total = self.total.saturating_add(latency);
        self.received += 1;
        self.sent += 1;
    }

    /// Counts a ping that was not.
    pub(super) fn lost(&mut self) {
        self.sent += 1;
    }

    /// How many pings were made.
    pub(super) fn sent(&self) -> u32 {
        self.sent
    }

    /// Whether any ping was answered.
    pub(super) fn any_answer(&self) -> bool {
        self.received > 0
    }

    fn lost_percent(&self) -> u32 {
        let lost = u64::from(self.sent - self.received) * 100;
        let percent = lost.checked_div(u64::from(self.sent)).unwrap_or(0);
        u32::try_from(percent).expect("at most 100")
    }

    /// The line under the pings.
    pub(super) fn line(&self) -> String {
        let Self { sent, received, shortest, longest, .. } = self;
        let counts = format!("{sent} sent, {received} received, {}% lost", self.lost_percent());
        match self.total.checked_div(*received) {
            None => counts,
            Some(average) => {
                let [min, avg, max] = [*shortest, average, *longest].map(round_ms);
                format!("{counts}, min/avg/max {min}/{avg}/{max} ms")
            }
        }
    }

    /// The object of `--json`.
    pub(super) fn json(&self, path: Option<String>) -> SummaryJson {
        let average = self.total.checked_div(self.received);
        let known = |time: Duration| average.map(|_| round_ms(time));
        SummaryJson {
            sent: self.sent,
            received: self.received,
            lost_percent: self.lost_percent(),
            min_ms: known(self.shortest),
            avg_ms: average.map(round_ms),
            max_ms: known(self.longest),
            path,
        }
    }
}

/// Whole milliseconds, halves up.
pub(super) fn round_ms(time: Duration) -> u64 {
    u64::try_from((time.as_micros() + 500) / 1000).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(pings: &[Option<u64>]) -> Summary {
        let mut summary = Summary::default();
        for ping in pings {
            match ping {
                Some(us) => summary.answered(Duration::from_micros(*us)),
                None => summary.lost(),
            }
        }
        summary
    }

    #[test]
    fn the_line_counts_and_averages() {
        let cases: [(&[Option<u64>], &str); 5] = [
            (&[], "0 sent, 0 received, 0% lost"),
            (&[None, None], "2 sent, 0 received, 100% lost"),
            (&[Some(499)], "1 sent, 1 received, 0% lost, min/avg/max 0/0/0 ms"),
            (
                &[Some(10_000), Some(12_000), None, Some(15_000), Some(11_000)],
                "5 sent, 4 received, 20% lost, min/avg/max 10/12/15 ms",
            ),
            (&[Some(1), None, None], "3 sent, 1 received, 66% lost, min/avg/max 0/0/0 ms"),
        ];
        for (pings, expected) in cases {
            assert_eq!(summary(pings).line(), expected);
        }
    }

    #[test]
    fn the_object_has_latencies_only_with_an_answer() {
        let json = serde_json::to_string(&summary(&[None]).json(None)).unwrap();
        assert_eq!(json, r#"{"sent":1,"received":0,"lost_percent":100}"#);
        let json = summary(&[Some(1_500), Some(3_400)]).json(Some("local".into()));
        assert_eq!((json.min_ms, json.avg_ms, json.max_ms), (Some(2), Some(2), Some(3)));
    }
}
