//! How much a peer may send on a channel, and when it is given more.
//!
//! The window is given back as the program takes data, never on receipt, so a program that does
//! not read stops its sender. A peer that waits for window although the program keeps up lets the
//! window grow, so that a long way does not limit the speed. On a short way it does not grow: a
//! client with a large window reads ahead by all of it, and its caches hold less than that.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// What a peer takes at least to hear of more window before that may grow: within this time
/// 2 MiB are 500 MB/s.
const LONG_WAY: Duration = Duration::from_millis(4);
/// How often that was measured before it is believed; one measurement may be the scheduler's.
const MIN_MEASURED: u32 = 4;
/// The share of the time that the peer has to wait for window, as a divisor.
const HELD_SHARE: u32 = 4;

/// When bytes arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) at: Instant,
    /// From when on nothing came, if they had to be waited for.
    pub(super) awaited: Option<Instant>,
}

/// The window of one channel, for what the peer sends.
#[derive(Debug)]
pub(super) struct Window {
    /// What the peer may have on the way and in the queue together.
    size: u32,
    /// What the peer has sent, and may send in all, in bytes since the channel opened.
    received: u64,
    limit: u64,
    /// Earlier limits that the peer has not passed, and when it was given more: a handful,
    /// because each gave a good part of the window.
    limits: VecDeque<(u64, Instant)>,
    /// The shortest time in which it made use of more, and how often that was measured. It takes
    /// no less than the way there and back.
    way: Duration,
    measured: u32,
    /// What was taken from the queue and not yet given back.
    taken: u32,
    /// The most that was in the queue since the window was last given back.
    peak: usize,
    /// When the window was last given back, and how long the peer has stood at a limit since.
    refilled: Instant,
    held: Duration,
    initial: u32,
    max: u32,
}

/// The peer sent more than it may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overrun;

impl Window {
    /// Opens with `initial` bytes, and grows to at most `max`.
    pub(super) fn new(initial: u32, max: u32) -> Self {
        Self {
            size: initial,
            received: 0,
            limit: u64::from(initial),
            limits: VecDeque::new(),
            way: Duration::MAX,
            measured: 0,
            taken: 0,
            peak: 0,
            refilled: Instant::now(),
            held: Duration::ZERO,
            initial,
            max,
        }
    }

    /// Returns what the peer is told when the channel opens.
    pub(super) const fn initial(&self) -> u32 {
        self.initial
    }

    /// Counts data of the peer, with `queued` bytes in the queue once it is there.
    pub(super) fn receive(
        &mut self,
        len: usize,
        queued: usize,
        arrival: Arrival,
    ) -> Result<(), Overrun> {
        // It stopped where it had to until it heard of more.
        if let Some(since) = arrival.awaited
            && self.limits.front().is_some_and(|(limit, _)| *limit == self.received)
        {
            self.held += arrival.at.saturating_duration_since(since.max(self.refilled));
        }
        self.received += len as u64;
        while let Some(&(limit, given)) = self.limits.front()
            && limit < self.received
        {
            self.way = self.way.min(arrival.at.saturating_duration_since(given));
            self.measured = self.measured.saturating_add(1);
            self.limits.pop_front();
        }
        self.peak = self.peak.max(queued);
        if self.received > self.limit { Err(Overrun) } else { Ok(()) }
    }

    /// Counts data the program took; tells whether enough was taken to say so to the peer.
    pub(super) const fn take(&mut self, len: usize) -> bool {
        // The queue never holds more than the window, which fits.
        self.taken += len as u32;
        // Often enough that the peer never waits for it, seldom enough to cost nothing.
        self.taken > 0 && self.taken >= self.size / 4
    }

    /// Gives back what was taken, and more when the peer waited for it; returns what to tell it.
    ///
    /// `budget` is what the windows of the connection may still grow by.
    pub(super) fn refill(&mut self, queued: usize, budget: &mut u32, now: Instant) -> u32 {
        let kept_up = self.peak <= self.size as usize / 2;
        let elapsed = now.saturating_duration_since(self.refilled);
        let is_far = self.measured >= MIN_MEASURED && self.way >= LONG_WAY;
        let is_held = is_far && self.held * HELD_SHARE >= elapsed;
        let grown = self.size.saturating_mul(2).min(self.max).max(self.size);
        let more = if kept_up && is_held { (grown - self.size).min(*budget) } else { 0 };
        *budget -= more;
        self.size += more;
        let bytes = self.taken + more;
        self.limits.push_back((self.limit, now));
        self.limit += u64::from(bytes);
        self.taken = 0;
        self.peak = queued;
        self.refilled = now;
        self.held = Duration::ZERO;
        bytes
    }

    /// Returns by how much the window has grown.
    pub(super) const fn growth(&self) -> u32 {
        self.size - self.initial
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_window_is_given_back_when_a_quarter_was_taken() {
        let mut window = Window::new(100, 100);
        let now = Instant::now();
        let arrival = Arrival { at: now, awaited: None };
        assert_eq!(window.receive(60, 60, arrival), Ok(()));
        assert!(!window.take(24));
        assert!(window.take(1));
        assert_eq!(window.refill(35, &mut 0, now), 25);
        assert_eq!(window.receive(65, 100, arrival), Ok(()));
        assert_eq!(window.receive(1, 101, arrival), Err(Overrun));
    }

    /// Lets a peer send all that it may at once, and again when it hears of more, `way` later
    /// each time; returns what the window has become.
    fn grown(window: &mut Window, rounds: usize, way: Duration, queued: usize) -> u32 {
        let mut budget = 1000;
        let mut now = window.refilled;
        let mut credit = window.size as usize;
        for _ in 0..rounds {
            let (mut left, before) = (std::mem::take(&mut credit), now);
            now += way;
            let mut awaited = Some(before);
            while left > 0 {
                let piece = left.min(10);
                left -= piece;
                let arrival = Arrival { at: now, awaited: awaited.take() };
                window.receive(piece, queued.max(piece), arrival).unwrap();
                if window.take(piece) {
                    credit += window.refill(queued, &mut budget, now) as usize;
                }
            }
        }
        assert_eq!(budget, 1000 - window.growth());
        window.size
    }

    #[test]
    fn a_window_grows_while_the_peer_waits_for_it() {
        assert_eq!(grown(&mut Window::new(80, 640), 4, 40 * MS, 0), 640);
        assert_eq!(grown(&mut Window::new(80, 200), 4, 40 * MS, 0), 200);
        assert_eq!(grown(&mut Window::new(800, 9000), 4, 40 * MS, 0), 1800);
    }

    #[test]
    fn a_window_does_not_grow_on_a_short_way_or_for_a_program_that_does_not_keep_up() {
        assert_eq!(grown(&mut Window::new(80, 640), 20, MS / 10, 0), 80);
        assert_eq!(grown(&mut Window::new(80, 640), 4, 40 * MS, 41), 80);
    }

    #[test]
    fn a_window_does_not_grow_for_a_peer_that_has_nothing_to_send() {
        let mut window = Window::new(80, 640);
        let mut now = window.refilled;
        for _ in 0..40 {
            let awaited = Some(now);
            now += 40 * MS;
            window.receive(7, 7, Arrival { at: now, awaited }).unwrap();
            if window.take(7) {
                window.refill(0, &mut 1000, now);
            }
        }
        assert_eq!(window.growth(), 0);
    }
}
