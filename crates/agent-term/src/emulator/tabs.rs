//! Tab stops. Pure; where the cursor goes is asked here and done elsewhere.

/// More than the widest screen has.
const WORDS: usize = 16;
const EVERY: usize = 8;

/// Which columns have a tab stop. Stops beyond the screen come back when it grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tabs([u64; WORDS]);

impl Tabs {
    /// Stops at every eighth column of a screen.
    pub(crate) fn new(cols: usize) -> Self {
        let mut tabs = Self([0; WORDS]);
        tabs.every(0, cols);
        tabs
    }

    fn every(&mut self, from: usize, cols: usize) {
        (from..cols).step_by(EVERY).for_each(|column| self.set(column, true));
    }

    pub(crate) fn has(&self, column: usize) -> bool {
        self.0.get(column / 64).is_some_and(|bits| bits >> (column % 64) & 1 == 1)
    }

    pub(crate) fn set(&mut self, column: usize, on: bool) {
        if let Some(bits) = self.0.get_mut(column / 64) {
            *bits = *bits & !(1 << (column % 64)) | u64::from(on) << (column % 64);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0 = [0; WORDS];
    }

    /// The next stop to the right, at most the last column.
    pub(crate) fn next(&self, column: usize, cols: usize) -> usize {
        (column + 1..cols).find(|column| self.has(*column)).unwrap_or(cols - 1)
    }

    /// The next stop to the left, at least the first column.
    pub(crate) fn previous(&self, column: usize, cols: usize) -> usize {
        (0..column).rev().find(|column| self.has(*column)).unwrap_or(0).min(cols - 1)
    }

    /// Goes on with stops at every eighth column from the last one before the border of a resized screen.
    pub(crate) fn resize(&mut self, cols: usize) {
        let from = if self.has(cols) {
            cols
        } else {
            (0..cols).rev().find(|column| self.has(*column)).unwrap_or(0)
        };
        self.every(from, cols);
    }

    /// The columns of the screen that have a stop.
    pub(crate) fn columns(&self, cols: usize) -> impl Iterator<Item = usize> {
        (0..cols).filter(|column| self.has(*column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_are_found_on_both_sides() {
        let mut tabs = Tabs::new(20);
        assert_eq!((tabs.next(0, 20), tabs.next(16, 20), tabs.previous(8, 20)), (8, 19, 0));
        tabs.set(3, true);
        tabs.set(8, false);
        assert_eq!((tabs.next(0, 20), tabs.next(3, 20), tabs.previous(9, 20)), (3, 16, 3));
        tabs.clear();
        assert_eq!((tabs.next(0, 20), tabs.previous(9, 20)), (19, 0));
    }

    #[test]
    fn a_wider_screen_has_more_stops() {
        let mut tabs = Tabs::new(20);
        tabs.resize(40);
        assert_eq!(tabs, Tabs::new(40));
        tabs.set(2000, true);
        assert!(!tabs.has(2000));
    }
}
