//! Sizes as clients ask for them, and when a change of one is applied (pure).

use std::time::Duration;

use agent_api::limits::{
    DEFAULT_TERMINAL_COLS, DEFAULT_TERMINAL_ROWS, MAX_TERMINAL_COLS, MAX_TERMINAL_ROWS,
};
use agent_exec::Size;
use tokio::time::Instant;

/// Least time between two changes of a terminal's size.
const INTERVAL: Duration = Duration::from_millis(50);

/// The size that was asked for, within the limits; `None` when either side is 0.
pub(crate) fn requested(rows: u64, cols: u64) -> Option<Size> {
    let side = |wanted: u64, max: u16| u16::try_from(wanted).map_or(max, |side| side.min(max));
    let size = Size::new(side(rows, MAX_TERMINAL_ROWS), side(cols, MAX_TERMINAL_COLS));
    (rows != 0 && cols != 0).then_some(size)
}

/// The size of a terminal of which none was asked for.
pub(crate) fn default() -> Size {
    Size::new(DEFAULT_TERMINAL_ROWS, DEFAULT_TERMINAL_COLS)
}

/// Changes of one terminal's size: one at once, and then the newest every 50 ms.
///
/// `T` is who asked.
#[derive(Debug)]
pub(crate) struct Resizes<T> {
    /// When the next change may be.
    free_at: Option<Instant>,
    waiting: Option<(Size, T)>,
}

impl<T> Default for Resizes<T> {
    fn default() -> Self {
        Self { free_at: None, waiting: None }
    }
}

impl<T> Resizes<T> {
    /// Takes a wish, in place of one that waits.
    pub(crate) fn ask(&mut self, size: Size, by: T) {
        self.waiting = Some((size, by));
    }

    /// When [`Resizes::take`] has something next; a moment in the past is now.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        self.waiting.as_ref().map(|_| self.free_at.unwrap_or(now))
    }

    /// The change that is due.
    pub(crate) fn take(&mut self, now: Instant) -> Option<(Size, T)> {
        if self.due(now)? > now {
            return None;
        }
        self.waiting.take()
    }

    /// Notes that a size was applied, which makes what waits obsolete.
    pub(crate) fn applied(&mut self, now: Instant) {
        self.waiting = None;
        self.free_at = Some(now + INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_bounded_and_whole() {
        let cases = [
            ((24, 80), Some((24, 80))),
            ((0, 80), None),
            ((24, 0), None),
            ((0, 0), None),
            ((1, 1), Some((1, 1))),
            ((501, 1001), Some((500, 1000))),
            ((u64::MAX, 70_000), Some((500, 1000))),
        ];
        for ((rows, cols), expected) in cases {
            let size = requested(rows, cols).map(|size| (size.rows, size.cols));
            assert_eq!(size, expected, "{rows}x{cols}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_change_is_at_once_and_of_the_others_the_newest_after_50_ms() {
        let start = Instant::now();
        let mut resizes = Resizes::default();
        assert_eq!(resizes.due(start), None);
        resizes.ask(Size::new(1, 1), 'a');
        assert_eq!(resizes.due(start), Some(start));
        assert_eq!(resizes.take(start), Some((Size::new(1, 1), 'a')));
        resizes.applied(start);
        assert_eq!(resizes.take(start), None);
        for (rows, by) in [(2, 'b'), (3, 'c'), (4, 'b')] {
            resizes.ask(Size::new(rows, 1), by);
        }
        let due = resizes.due(start).unwrap();
        assert_eq!(due, start + INTERVAL);
        assert_eq!(resizes.take(due - Duration::from_millis(1)), None);
        assert_eq!(resizes.take(due), Some((Size::new(4, 1), 'b')));
        resizes.applied(due);
        assert_eq!(resizes.due(due), None);
        // After a pause the next one is at once again.
        let later = due + Duration::from_secs(1);
        resizes.ask(Size::new(5, 1), 'a');
        assert_eq!(resizes.take(later), Some((Size::new(5, 1), 'a')));
    }
}
