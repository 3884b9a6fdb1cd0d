//! The decision when to scan, and what: no clock and no waiting.

use std::time::Duration;

use tokio::time::Instant;

use super::{Scope, Ticket, Urgency};

/// From the first event to the scan: the rest of a burst usually comes within.
const SETTLE: Duration = Duration::from_millis(20);
/// From the end of a scan to the next one that is not urgent.
const COOLDOWN: Duration = Duration::from_secs(1);
/// Longest time without a scan.
const INTERVAL: Duration = Duration::from_secs(30);
/// From exhaustion to the next attempt to have events.
const RETRY: Duration = Duration::from_secs(300);
/// The timer's whole scans take at most this part of the time: one in 300.
const WHOLE_SHARE: u32 = 300;

/// A whole scan that takes no longer answers an urgent request, so that it also sees what no event
/// tells: writes through a mapping, or through a name outside of the work tree.
const CHEAP: Duration = Duration::from_millis(15);

/// What was asked for and not begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Requests {
    /// Scans begun so far.
    begun: u64,
    urgent: bool,
    everything: bool,
    /// When the first was made.
    since: Option<Instant>,
}

impl Requests {
    /// The ticket of the next scan to begin.
    pub(super) fn add(&mut self, urgency: Urgency, scope: Scope, now: Instant) -> Ticket {
        self.urgent |= urgency == Urgency::Now;
        self.everything |= scope == Scope::Everything;
        self.since.get_or_insert(now);
        Ticket(self.begun + 1)
    }

    /// Whether nothing was asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    /// A scan begins: its number, and whether everything was asked for.
    pub(super) fn begin(&mut self) -> (Ticket, bool) {
        let everything = self.everything;
        *self = Self { begun: self.begun + 1, ..Self::default() };
        (Ticket(self.begun), everything)
    }
}

/// What the decision depends on, beside requests.
#[derive(Clone, Debug)]
pub(super) struct Timing {
    /// When tracking began.
    began: Instant,
    /// The first event that no scan has seen.
    pub(super) event: Option<Instant>,
    /// End of the last scan.
    last: Option<Instant>,
    /// End of the last whole scan, and how long it took.
    whole: Option<(Instant, Duration)>,
    /// Scans in a row that failed.
    failures: u32,
    /// Since when events cannot be relied on.
    polling: Option<Instant>,
    /// Somebody has a handle.
    pub(super) is_followed: bool,
    /// Goes on until then without a handle.
    pub(super) lingers_until: Option<Instant>,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Scan now.
    Scan {
        /// The whole work tree.
        whole: bool,
        /// Try to have events again.
        retry: bool,
    },
    /// Decide again then, or at the next news.
    Wait(Instant),
    /// Nobody needs it.
    End,
}

/// How a scan ended, as far as timing is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) at: Instant,
    pub(super) took: Duration,
    pub(super) was_whole: bool,
    pub(super) failed: bool,
    pub(super) is_polling: bool,
}

impl Timing {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            event: None,
            last: None,
            whole: None,
            failures: 0,
            polling: None,
            is_followed: true,
            lingers_until: None,
        }
    }

    /// What to do at `now`.
    pub(super) fn next(&self, requests: &Requests, now: Instant) -> Step {
        if !self.is_followed {
            // Nobody would see a scan; what is dirty waits for the next request.
            return match self.lingers_until {
                Some(until) if until > now => Step::Wait(until),
                _ => Step::End,
            };
        }
        let due = self.due(requests);
        if due > now {
            return Step::Wait(due);
        }
        let retry = self.polling.is_some_and(|since| now >= since + RETRY);
        let by_timer = self.timer() <= now;
        let is_cheap = self.whole.is_some_and(|(_, took)| took <= CHEAP);
        let whole = requests.everything
            || (requests.urgent && is_cheap)
            || self.last.is_none()
            || self.polling.is_some()
            || self.failures > 0
            || (by_timer && self.may_be_whole(now));
        Step::Scan { whole, retry }
    }

    /// Whether a scan is asked for or something is dirty.
    pub(super) fn is_due(&self, requests: &Requests) -> bool {
        self.event.is_some() || !requests.is_empty()
    }

    /// A scan ended.
    pub(super) fn ended(&mut self, ended: Ended) {
        self.last = Some(ended.at);
        if ended.was_whole {
            self.whole = Some((ended.at, ended.took));
        }
        self.failures = if ended.failed { self.failures.saturating_add(1) } else { 0 };
        self.polling = ended.is_polling.then(|| self.polling.unwrap_or(ended.at));
    }

    /// Events are tried again.
    pub(super) fn retried(&mut self) {
        self.polling = None;
    }

    fn due(&self, requests: &Requests) -> Instant {
        let after_cooldown = |at: Instant| self.last.map_or(at, |last| at.max(last + COOLDOWN));
        let requested =
            requests.since.map(|at| if requests.urgent { at } else { after_cooldown(at) });
        let by_event = self.event.map(|at| after_cooldown(at + SETTLE));
        [requested, by_event, Some(self.timer())].into_iter().flatten().min().unwrap_or(self.began)
    }

    /// When a scan is due that nothing asks for: sooner after failures, a second doubled with
    /// each.
    fn timer(&self) -> Instant {
        let pause = match self.failures {
            0 => INTERVAL,
            failures => INTERVAL.min(COOLDOWN * 2_u32.saturating_pow((failures - 1).min(8))),
        };
        self.last.unwrap_or(self.began) + pause
    }

    fn may_be_whole(&self, now: Instant) -> bool {
        self.whole.is_none_or(|(at, took)| now >= at + took * WHOLE_SHARE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const INCREMENTAL: Step = Step::Scan { whole: false, retry: false };
    const WHOLE: Step = Step::Scan { whole: true, retry: false };

    fn ended(at: Instant) -> Ended {
        Ended { at, took: SECOND / 10, was_whole: true, failed: false, is_polling: false }
    }

    /// Scanned wholly in 100 ms, at the moment returned.
    fn scanned() -> (Timing, Instant) {
        let now = Instant::now();
        let mut timing = Timing::new(now);
        timing.ended(ended(now));
        (timing, now)
    }

    fn asked(urgency: Urgency, scope: Scope, at: Instant) -> Requests {
        let mut requests = Requests::default();
        requests.add(urgency, scope, at);
        requests
    }

    /// `timing` waits until `due` and then takes the step.
    fn check(timing: &Timing, requests: &Requests, due: Instant, step: Step) {
        let before = due - Duration::from_nanos(1);
        assert_eq!(timing.next(requests, before), Step::Wait(due));
        assert_eq!(timing.next(requests, due), step);
    }

    #[test]
    fn a_request_before_any_scan_is_done_at_once() {
        let now = Instant::now();
        let timing = Timing::new(now);
        let requests = asked(Urgency::Soon, Scope::Changed, now);
        assert_eq!(timing.next(&requests, now), WHOLE);
        assert_eq!(timing.next(&Requests::default(), now), Step::Wait(now + INTERVAL));
    }

    #[test]
    fn an_event_waits_20_ms_and_the_second_after_the_last_scan() {
        let (mut timing, now) = scanned();
        timing.event = Some(now + SECOND / 2);
        check(&timing, &Requests::default(), now + SECOND, INCREMENTAL);
        timing.event = Some(now + 5 * SECOND);
        check(&timing, &Requests::default(), now + 5 * SECOND + SETTLE, INCREMENTAL);
    }

    #[test]
    fn requests_respect_the_second_unless_they_are_urgent() {
        let (timing, now) = scanned();
        let at = now + SECOND / 2;
        let soon = asked(Urgency::Soon, Scope::Everything, at);
        check(&timing, &soon, now + SECOND, WHOLE);
        let urgent = asked(Urgency::Now, Scope::Changed, at);
        assert_eq!(timing.next(&urgent, at), INCREMENTAL);
    }

    #[test]
    fn an_urgent_request_is_a_whole_scan_where_that_is_cheap() {
        let (mut timing, now) = scanned();
        timing.ended(Ended { took: CHEAP, ..ended(now) });
        let at = now + SECOND / 2;
        assert_eq!(timing.next(&asked(Urgency::Now, Scope::Changed, at), at), WHOLE);
        let soon = asked(Urgency::Soon, Scope::Changed, at);
        check(&timing, &soon, now + SECOND, INCREMENTAL);
    }

    #[test]
    fn the_timer_scans_wholly_only_as_often_as_that_costs_little() {
        let (mut timing, now) = scanned();
        check(&timing, &Requests::default(), now + INTERVAL, WHOLE);
        timing.ended(Ended { took: SECOND, ..ended(now) });
        check(&timing, &Requests::default(), now + INTERVAL, INCREMENTAL);
        for tick in 1..10 {
            let at = now + INTERVAL * tick;
            timing.ended(Ended { was_whole: false, ..ended(at) });
        }
        check(&timing, &Requests::default(), now + 300 * SECOND, WHOLE);
    }

    #[test]
    fn polling_scans_wholly_and_tries_events_again_after_five_minutes() {
        let (mut timing, now) = scanned();
        for tick in 0..10 {
            let at = now + INTERVAL * tick;
            timing.ended(Ended { took: 20 * SECOND, is_polling: true, ..ended(at) });
            let retry = tick == 9;
            check(&timing, &Requests::default(), at + INTERVAL, Step::Scan { whole: true, retry });
        }
        timing.retried();
        timing.ended(Ended { is_polling: true, ..ended(now + RETRY) });
        check(&timing, &Requests::default(), now + RETRY + INTERVAL, WHOLE);
    }

    #[test]
    fn a_failed_scan_is_repeated_wholly_after_ever_longer_pauses() {
        let (mut timing, now) = scanned();
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            timing.ended(Ended { failed: true, was_whole: false, ..ended(now) });
            check(&timing, &Requests::default(), now + seconds * SECOND, WHOLE);
        }
        timing.ended(ended(now));
        check(&timing, &Requests::default(), now + INTERVAL, WHOLE);
    }

    #[test]
    fn without_a_handle_nothing_is_scanned() {
        let (mut timing, now) = scanned();
        timing.is_followed = false;
        timing.event = Some(now);
        assert_eq!(timing.next(&Requests::default(), now + INTERVAL), Step::End);
        timing.lingers_until = Some(now + 60 * SECOND);
        check(&timing, &Requests::default(), now + 60 * SECOND, Step::End);
    }

    #[test]
    fn a_ticket_is_of_the_next_scan_to_begin() {
        let now = Instant::now();
        let mut requests = Requests::default();
        let first = requests.add(Urgency::Soon, Scope::Everything, now);
        assert_eq!(requests.begin(), (first, true));
        let during = requests.add(Urgency::Soon, Scope::Changed, now);
        assert!(during > first);
        assert_eq!(requests.begin(), (during, false));
        assert_eq!(requests.since, None);
    }
}
