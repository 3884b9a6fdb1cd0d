//! When a script is due by a clock that may be set forward and back (pure); what runs then is not
//! known here.

use std::time::{Duration, SystemTime};

use super::Schedule;

/// The next moment of a schedule, as seen by somebody who looks from time to time.
#[derive(Debug)]
pub(super) struct Clock {
    schedule: Schedule,
    next: Option<SystemTime>,
    seen: SystemTime,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Run the script, then [`Clock::skip`].
    Run,
    /// Look again after this time.
    Wait(Duration),
    /// There is no further moment.
    Never,
}

/// Longest time until the next look: so late is a run after the clock was set, or the machine slept.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// A clock that is set back by less keeps its next moment, so that none comes twice.
const TOLERANCE: Duration = Duration::from_secs(1);

impl Clock {
    pub(super) fn new(schedule: Schedule, now: SystemTime) -> Self {
        let next = schedule.next_after(now);
        Self { schedule, next, seen: now }
    }

    /// Looks at the clock. A moment that is past is due once, however long ago it was.
    pub(super) fn look(&mut self, now: SystemTime) -> Look {
        if now + TOLERANCE < self.seen {
            self.next = self.schedule.next_after(now);
        }
        self.seen = now;
        match self.next.map(|next| next.duration_since(now)) {
            None => Look::Never,
            Some(Ok(left)) if !left.is_zero() => Look::Wait(left.min(MAX_WAIT)),
            Some(_) => Look::Run,
        }
    }

    /// Goes on to the first moment after now.
    pub(super) fn skip(&mut self, now: SystemTime) {
        // Not before the moment that was due, in case the clock was set back a little meanwhile.
        let after =
            self.next.filter(|next| *next <= now + TOLERANCE).map_or(now, |next| next.max(now));
        self.next = self.schedule.next_after(after);
        self.seen = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SystemTime {
        text.parse::<agent_api::Timestamp>().unwrap().to_system_time()
    }

    /// A clock that is due at every full minute.
    fn clock(now: &str) -> Clock {
        Clock::new("0 * * * *".parse().unwrap(), at(now))
    }

    #[test]
    fn it_waits_for_its_moment_in_short_steps() {
        let mut clock = clock("2030-01-02T03:04:30.250Z");
        let wait = |ms| Look::Wait(Duration::from_millis(ms));
        assert_eq!(clock.look(at("2030-01-02T03:04:30.250Z")), wait(10_000));
        assert_eq!(clock.look(at("2030-01-02T03:04:55.000Z")), wait(5_000));
        assert_eq!(clock.look(at("2030-01-02T03:04:59.999Z")), wait(1));
        assert_eq!(clock.look(at("2030-01-02T03:05:00.000Z")), Look::Run);
        clock.skip(at("2030-01-02T03:05:00.010Z"));
        assert_eq!(clock.look(at("2030-01-02T03:05:59.000Z")), wait(1_000));
    }

    #[test]
    fn a_run_that_lasts_beyond_the_next_moment_takes_its_place() {
        let mut clock = clock("2030-01-02T03:04:30.000Z");
        assert_eq!(clock.look(at("2030-01-02T03:05:00.000Z")), Look::Run);
        clock.skip(at("2030-01-02T03:08:59.500Z"));
        assert_eq!(
            clock.look(at("2030-01-02T03:08:59.500Z")),
            Look::Wait(Duration::from_millis(500))
        );
    }

    #[test]
    fn a_clock_that_is_set_forward_is_due_once() {
        let mut clock = clock("2030-01-02T03:04:30.000Z");
        let later = at("2030-01-05T00:00:01.000Z");
        assert_eq!(clock.look(later), Look::Run);
        clock.skip(later);
        assert_eq!(clock.look(later), Look::Wait(MAX_WAIT));
    }

    #[test]
    fn a_clock_that_is_set_back_is_due_at_its_next_moment() {
        let mut clock = clock("2030-01-02T03:04:30.000Z");
        let earlier = at("2030-01-01T00:00:58.000Z");
        assert_eq!(clock.look(earlier), Look::Wait(Duration::from_secs(2)));
        assert_eq!(clock.look(at("2030-01-01T00:01:00.000Z")), Look::Run);
    }

    #[test]
    fn a_moment_does_not_come_twice_when_the_clock_is_corrected_a_little() {
        let mut clock = clock("2030-01-02T03:04:30.000Z");
        assert_eq!(clock.look(at("2030-01-02T03:05:00.000Z")), Look::Run);
        clock.skip(at("2030-01-02T03:04:59.900Z"));
        let now = at("2030-01-02T03:05:00.000Z");
        assert_eq!(clock.look(now), Look::Wait(MAX_WAIT));
        assert_eq!(clock.look(at("2030-01-02T03:04:59.500Z")), Look::Wait(MAX_WAIT));
    }

    #[test]
    fn a_day_that_never_comes_is_never_due() {
        let now = at("2030-01-02T03:04:30.000Z");
        let mut clock = Clock::new("0 0 0 31 4".parse().unwrap(), now);
        assert_eq!(clock.look(now), Look::Never);
    }
}
