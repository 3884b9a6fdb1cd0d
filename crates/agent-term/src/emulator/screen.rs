//! One of the two screens: its lines, its cursor, its scroll region and its tab stops.

use std::collections::VecDeque;

use super::cell::{Content, Style};
use super::charset::Charset;
use super::extras::Used;
use super::row::Row;
use super::tabs::Tabs;

/// What saving the cursor saves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Saved {
    pub(crate) x: usize,
    /// The line on the screen. It follows the text that scrolls away, so that it may lie above the screen.
    pub(crate) y: isize,
    pub(crate) style: Style,
    pub(crate) charset: Charset,
}

/// A screen. The main screen's scrollback is in [`super::history::History`].
#[derive(Debug)]
pub(crate) struct Screen {
    pub(crate) rows: VecDeque<Row>,
    pub(crate) cols: usize,
    /// The cursor's column; the number of columns when the last one has been written and the next wraps.
    pub(crate) x: usize,
    pub(crate) y: usize,
    /// First line of the scroll region.
    pub(crate) top: usize,
    /// Last line of the scroll region.
    pub(crate) bottom: usize,
    pub(crate) tabs: Tabs,
    pub(crate) saved: Saved,
}

impl Screen {
    /// Makes an empty screen, filled with a style.
    pub(crate) fn new(rows: usize, cols: usize, fill: Style) -> Self {
        Self {
            rows: (0..rows).map(|_| Row::blank(cols, fill)).collect(),
            cols,
            x: 0,
            y: 0,
            top: 0,
            bottom: rows - 1,
            tabs: Tabs::new(cols),
            saved: Saved::default(),
        }
    }

    pub(crate) fn height(&self) -> usize {
        self.rows.len()
    }

    /// The cursor's line.
    pub(crate) fn row(&mut self) -> &mut Row {
        let y = self.y;
        &mut self.rows[y]
    }

    pub(crate) fn has_full_region(&self) -> bool {
        self.top == 0 && self.bottom == self.height() - 1
    }

    /// Keeps the cursor on the screen, with `origin` in the scroll region, and not behind column `last`.
    pub(crate) fn restrict(&mut self, last: usize, origin: bool) {
        self.x = self.x.min(last);
        self.y = if origin {
            self.y.clamp(self.top, self.bottom)
        } else {
            self.y.min(self.height() - 1)
        };
    }

    /// Moves the first line of the region away and a new one in at its end. Returns what left.
    pub(crate) fn scroll_up(&mut self, fill: Style, is_wrapped: bool, keep: impl FnOnce(&Row)) {
        let Some(mut row) = self.rows.remove(self.top) else { return };
        keep(&row);
        row.clear(fill, is_wrapped);
        self.rows.insert(self.bottom, row);
    }

    /// Moves the last line of the region away and a new one in at the line `at`.
    pub(crate) fn scroll_down(&mut self, at: usize, fill: Style) {
        let Some(mut row) = self.rows.remove(self.bottom) else { return };
        row.clear(fill, false);
        self.rows.insert(at, row);
    }

    /// Moves the line `at` away and a new one in at the end of the region.
    pub(crate) fn delete_line(&mut self, at: usize, fill: Style) {
        let Some(mut row) = self.rows.remove(at) else { return };
        row.clear(fill, false);
        self.rows.insert(self.bottom, row);
    }

    /// Cuts or pads the screen: below the cursor first, then at the top.
    pub(crate) fn resize(&mut self, rows: usize, cols: usize) {
        while self.height() > rows {
            if self.height() > self.y + 1 {
                self.rows.pop_back();
            } else {
                self.rows.pop_front();
                self.y -= 1;
                self.saved.y -= 1;
            }
        }
        self.rows.iter_mut().for_each(|row| row.resize(cols));
        self.rows.resize_with(rows, || Row::blank(cols, Style::default()));
        self.rows.shrink_to(rows);
        self.after_resize(cols);
    }

    /// Brings what is not text to the new size, which the lines have already.
    pub(crate) fn after_resize(&mut self, cols: usize) {
        self.x = self.x.min(cols - 1);
        self.saved.x = self.saved.x.min(cols - 1);
        self.y = self.y.min(self.height() - 1);
        (self.top, self.bottom) = (0, self.height() - 1);
        if self.cols != cols {
            self.cols = cols;
        }
        self.tabs.resize(cols);
    }

    /// Bytes of memory behind this.
    pub(crate) fn memory_bytes(&self) -> usize {
        let cells: usize = self.rows.iter().map(Row::memory_bytes).sum();
        cells + self.rows.capacity() * size_of::<Row>()
    }

    /// Notes the numbers that the cells hold.
    pub(crate) fn note_used(&self, used: &mut Used) {
        self.rows.iter().for_each(|row| used.extra(row.rest().extra));
        for cell in self.rows.iter().flat_map(|row| row.cells()) {
            used.extra(cell.style.extra);
            if let Content::Cluster(number) = cell.content() {
                used.cluster(number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::cell::Cell;

    fn screen(rows: usize) -> Screen {
        let mut screen = Screen::new(rows, 4, Style::default());
        for (row, character) in screen.rows.iter_mut().zip('a'..) {
            row.cells_mut(1)[0] = Cell::character(character, 1, Style::default());
        }
        screen
    }

    fn text(screen: &Screen) -> String {
        let first = |row: &Row| match row.cell(0).content() {
            Content::Char(character) => character,
            _ => ' ',
        };
        screen.rows.iter().map(first).collect()
    }

    #[test]
    fn lines_scroll_within_the_region() {
        let mut screen = screen(5);
        (screen.top, screen.bottom) = (1, 3);
        screen.scroll_up(Style::default(), true, |row| assert_eq!(row.length(), 1));
        assert_eq!(text(&screen), "acd e");
        assert!(screen.rows[3].is_wrapped);
        screen.scroll_down(2, Style::default());
        assert_eq!(text(&screen), "ac de");
        screen.delete_line(1, Style::default());
        assert_eq!(text(&screen), "a d e");
    }

    #[test]
    fn a_smaller_screen_keeps_the_cursors_line() {
        let mut small = screen(5);
        small.y = 2;
        small.resize(2, 4);
        assert_eq!((text(&small).as_str(), small.y), ("bc", 1));
        small.resize(3, 9);
        assert_eq!((text(&small).as_str(), small.y, small.rows[2].cols()), ("bc ", 1, 9));
    }
}
