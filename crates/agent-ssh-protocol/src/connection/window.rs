//! How much a peer may send on a channel, and when it is given more.
//!
//! The window is given back as the program takes data, never on receipt, so a program that does
//! not read stops its sender. A program that keeps up lets the window grow, so that a long way
//! does not limit the speed.

/// The window of one channel, for what the peer sends.
#[derive(Debug)]
pub(super) struct Window {
    /// What the peer may have on the way and in the queue together.
    size: u32,
    /// What it may still send.
    credit: u32,
    /// What was taken from the queue and not yet given back.
    taken: u32,
    /// The most that was in the queue since the window was last given back.
    peak: usize,
    initial: u32,
    max: u32,
}

/// The peer sent more than it may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overrun;

impl Window {
    /// Opens with `initial` bytes, and grows to at most `max`.
    pub(super) const fn new(initial: u32, max: u32) -> Self {
        Self { size: initial, credit: initial, taken: 0, peak: 0, initial, max }
    }

    /// Returns what the peer is told when the channel opens.
    pub(super) const fn initial(&self) -> u32 {
        self.initial
    }

    /// Counts data of the peer, with `queued` bytes in the queue once it is there.
    pub(super) fn receive(&mut self, len: usize, queued: usize) -> Result<(), Overrun> {
        let len = u32::try_from(len).map_err(|_| Overrun)?;
        self.credit = self.credit.checked_sub(len).ok_or(Overrun)?;
        self.peak = self.peak.max(queued);
        Ok(())
    }

    /// Counts data the program took; tells whether enough was taken to say so to the peer.
    pub(super) const fn take(&mut self, len: usize) -> bool {
        // The queue never holds more than the window, which fits.
        self.taken += len as u32;
        // Often enough that the peer never waits for it, seldom enough to cost nothing.
        self.taken > 0 && self.taken >= self.size / 4
    }

    /// Gives back what was taken, and more when the program kept up; returns what to tell the peer.
    ///
    /// `budget` is what the windows of the connection may still grow by.
    pub(super) fn refill(&mut self, queued: usize, budget: &mut u32) -> u32 {
        let kept_up = self.peak <= self.size as usize / 2;
        let grown = self.size.saturating_mul(2).min(self.max).max(self.size);
        let more = if kept_up { (grown - self.size).min(*budget) } else { 0 };
        *budget -= more;
        self.size += more;
        let bytes = self.taken + more;
        self.credit += bytes;
        self.taken = 0;
        self.peak = queued;
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

    #[test]
    fn a_window_is_given_back_when_a_quarter_was_taken() {
        let mut window = Window::new(100, 100);
        assert_eq!(window.receive(60, 60), Ok(()));
        assert!(!window.take(24));
        assert!(window.take(1));
        assert_eq!(window.refill(35, &mut 0), 25);
        assert_eq!(window.receive(65, 100), Ok(()));
        assert_eq!(window.receive(1, 101), Err(Overrun));
    }

    #[test]
    fn a_window_grows_while_the_queue_stays_under_half() {
        let mut budget = 1000;
        let mut window = Window::new(100, 350);
        for (expected, size) in [(125, 200), (200, 350), (87, 350)] {
            let quarter = window.size as usize / 4;
            window.receive(quarter, quarter).unwrap();
            assert!(window.take(quarter));
            assert_eq!((window.refill(0, &mut budget), window.size), (expected, size));
        }
        assert_eq!((budget, window.growth()), (750, 250));
    }

    #[test]
    fn a_window_does_not_grow_when_the_queue_was_over_half_or_the_budget_is_used() {
        let mut window = Window::new(100, 400);
        window.receive(51, 51).unwrap();
        window.take(51);
        assert_eq!(window.refill(0, &mut 1000), 51);
        window.receive(25, 25).unwrap();
        window.take(25);
        assert_eq!(window.refill(0, &mut 7), 32);
    }
}
