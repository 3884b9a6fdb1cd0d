//! Writes a [`Line`], cell by cell or in larger parts. How it is read is in [`super::line`].

use super::cell::Style;
use super::line::{ALONE, BLANKS, FOREGROUND, Line, PLAIN, STYLE};

/// A line that is being written.
#[derive(Debug)]
pub(super) struct Packer<'a> {
    data: &'a mut Vec<u8>,
    /// The style of what is in `data` last.
    style: Style,
    /// Cells, those that wait included.
    length: usize,
    /// Blank cells that are not in `data` yet, since those at the end of the line are left out.
    blanks: usize,
    blank_style: Style,
    has_extras: bool,
}

impl<'a> Packer<'a> {
    /// Begins a line. `data` only saves allocations.
    pub(super) fn new(data: &'a mut Vec<u8>) -> Self {
        data.clear();
        let (style, blank_style) = (Style::default(), Style::default());
        Self { data, style, length: 0, blanks: 0, blank_style, has_extras: false }
    }

    /// Adds blank cells.
    pub(super) fn blanks(&mut self, count: usize, style: Style) {
        if count > 0 && self.blank_style != style {
            self.end_blanks();
            self.blank_style = style;
        }
        self.blanks += count;
        self.length += count;
    }

    /// Adds a character of ASCII.
    pub(super) fn ascii(&mut self, byte: u8, style: Style) {
        if self.blanks > 0 {
            self.end_blanks();
        }
        if self.style != style {
            self.set_style(style);
        }
        self.data.push(byte);
        self.length += 1;
    }

    /// Adds characters with their combining marks, and how many cells they have.
    pub(super) fn text(&mut self, text: &str, columns: usize, style: Style) {
        self.end_blanks();
        self.set_style(style);
        self.data.extend_from_slice(text.as_bytes());
        self.length += columns;
    }

    /// Adds a combining mark in a cell of its own.
    pub(super) fn alone(&mut self, mark: char, style: Style) {
        self.end_blanks();
        self.set_style(style);
        self.data.push(ALONE);
        self.data.extend_from_slice(mark.encode_utf8(&mut [0; 4]).as_bytes());
        self.length += 1;
    }

    /// How many cells there are.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Ends the line, and begins another one.
    pub(super) fn finish(&mut self, is_wrapped: bool) -> Line {
        if self.blank_style == Style::default() {
            self.length -= self.blanks;
        } else {
            self.end_blanks();
        }
        let line = Line {
            data: self.data.as_slice().into(),
            length: self.length as u16,
            is_wrapped,
            has_extras: self.has_extras,
        };
        self.discard();
        line
    }

    /// Begins another line, and forgets this one.
    pub(super) fn discard(&mut self) {
        self.data.clear();
        (self.style, self.blank_style) = (Style::default(), Style::default());
        (self.length, self.blanks, self.has_extras) = (0, 0, false);
    }

    fn end_blanks(&mut self) {
        if self.blanks > 0 {
            self.set_style(self.blank_style);
            self.data.push(BLANKS);
            self.data.extend_from_slice(&(self.blanks as u16).to_le_bytes());
            self.blanks = 0;
        }
    }

    fn set_style(&mut self, style: Style) {
        if style == self.style {
            return;
        }
        self.style = style;
        self.has_extras |= style.extra != 0;
        if style == Style::default() {
            self.data.push(PLAIN);
        } else if style == (Style { foreground: style.foreground, ..Style::default() }) {
            self.data.push(FOREGROUND);
            self.data.extend_from_slice(&style.foreground.0.to_le_bytes());
        } else {
            self.data.push(STYLE);
            self.data.extend_from_slice(&style.foreground.0.to_le_bytes());
            self.data.extend_from_slice(&style.background.0.to_le_bytes());
            self.data.extend_from_slice(&style.flags.0.to_le_bytes());
            self.data.extend_from_slice(&style.extra.to_le_bytes());
        }
    }
}
