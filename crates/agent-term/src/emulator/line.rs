//! A line at rest: the bytes of its text with marks where the look changes. Scrollback is made of these.
//!
//! A line of plain text takes its UTF-8 and 40 bytes, where cells would take 16 bytes for each column.

use super::cell::{Cell, Color, Content, Flags, Style};
use super::extras::{Extras, Used, allocated};
use super::packer::Packer;
use super::row::Row;
use super::width::{is_contested, width};

/// Blank cells; two bytes of count follow.
pub(super) const BLANKS: u8 = 0;
/// The style without anything.
pub(super) const PLAIN: u8 = 1;
/// A style with nothing but a foreground, which follows in four bytes.
pub(super) const FOREGROUND: u8 = 2;
/// Any style; twelve bytes follow.
pub(super) const STYLE: u8 = 3;
/// The next character is a combining mark in a cell of its own.
pub(super) const ALONE: u8 = 4;
/// Bytes from here on are text.
const TEXT: u8 = 0x20;

/// A line of scrollback, without the blank cells at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(super) data: Box<[u8]>,
    pub(super) length: u16,
    /// As of [`Row::is_wrapped`].
    pub(crate) is_wrapped: bool,
    /// Some style has a number in [`Extras`].
    pub(super) has_extras: bool,
}

/// A part of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// The look of what follows. A line begins with the plain one.
    Style(Style),
    /// So many blank cells.
    Blanks(usize),
    /// Characters with their combining marks.
    Text(&'a str),
    /// A combining mark in a cell of its own.
    Alone(char),
}

impl Line {
    /// Packs a row. `buffer` only saves allocations.
    pub(crate) fn pack(row: &Row, extras: &Extras, buffer: &mut Vec<u8>) -> Self {
        let length = row.length();
        let mut packer = Packer::new(buffer);
        let kept = length.min(row.cells().len());
        let mut cells = row.cells()[..kept].iter().peekable();
        while let Some(cell) = cells.next() {
            if let Some(byte) = cell.ascii() {
                packer.ascii(byte, cell.style);
                continue;
            }
            // Halves of wide characters come in pairs; one that is alone shows nothing.
            let is_half = match cell.width() {
                2 => cells.next_if(|next| next.is_spacer()).is_none(),
                _ => cell.is_spacer(),
            };
            let columns = usize::from(cell.width()).max(1);
            match cell.content() {
                Content::Char(mark) if columns == 1 && cell.width() == 0 => {
                    packer.alone(mark, cell.style);
                }
                Content::Char(character) if !is_half => {
                    packer.text(character.encode_utf8(&mut [0; 4]), columns, cell.style);
                }
                Content::Cluster(number) if !is_half => {
                    packer.text(extras.cluster(number), columns, cell.style);
                }
                _ => packer.blanks(1, cell.style),
            }
        }
        packer.blanks(length - kept, row.rest());
        packer.finish(row.is_wrapped)
    }

    /// How many cells the line has until the last that is not blank.
    pub(crate) fn length(&self) -> usize {
        usize::from(self.length)
    }

    /// Bytes of memory behind this.
    pub(crate) fn memory_bytes(&self) -> usize {
        allocated(self.data.len())
    }

    pub(crate) fn parts(&self) -> Parts<'_> {
        Parts(&self.data)
    }

    /// Returns where the text ends: behind the last cell with content, or before it if that has no width.
    pub(crate) fn text_length(&self) -> usize {
        let blanks = self.parts().fold(0, |blanks, part| match part {
            Part::Style(_) => blanks,
            Part::Blanks(count) => blanks + count,
            Part::Text(_) => 0,
            // It has no width.
            Part::Alone(_) => 1,
        });
        self.length() - blanks
    }

    /// Unpacks the line to a row of at least its length.
    pub(crate) fn unpack(&self, cols: usize, extras: &mut Extras) -> Row {
        let mut cells = Vec::with_capacity(cols.max(self.length()));
        let mut style = Style::default();
        for part in self.parts() {
            match part {
                Part::Style(next) => style = next,
                Part::Blanks(count) => cells.resize(cells.len() + count, Cell::blank(style)),
                Part::Alone(mark) => cells.push(Cell::character(mark, 0, style)),
                Part::Text(text) => unpack_text(text, style, &mut cells, extras),
            }
        }
        cells.resize(cols.max(cells.len()), Cell::default());
        Row::new(cells, self.is_wrapped)
    }

    /// Notes the numbers that the line holds.
    pub(crate) fn note_used(&self, used: &mut Used) {
        if self.has_extras {
            for part in self.parts() {
                if let Part::Style(style) = part {
                    used.extra(style.extra);
                }
            }
        }
    }
}

fn unpack_text(text: &str, style: Style, cells: &mut Vec<Cell>, extras: &mut Extras) {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let marks: usize = rest[first.len_utf8()..]
            .chars()
            .take_while(|next| width(*next) == 0)
            .map(char::len_utf8)
            .sum();
        let (cell, after) = rest.split_at(first.len_utf8() + marks);
        let columns = width(first);
        let number = (marks > 0).then(|| extras.text_number(cell.to_owned())).flatten();
        cells.push(match number {
            Some(number) => Cell::cluster(number, columns, style),
            None => Cell::character(first, columns, style),
        });
        if columns == 2 {
            cells.push(Cell::spacer(style));
        }
        rest = after;
    }
}

/// Tells whether clients may find other widths in a text.
pub(crate) fn has_contested(text: &str) -> bool {
    !text.is_ascii() && text.chars().any(is_contested)
}

/// The parts of a line in order.
#[derive(Debug)]
pub(crate) struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn text(&mut self, length: usize) -> Option<&'a str> {
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let first = *self.0.first()?;
        if first >= TEXT {
            let length = self.0.iter().position(|byte| *byte < TEXT).unwrap_or(self.0.len());
            return self.text(length).map(Part::Text);
        }
        self.0 = &self.0[1..];
        match first {
            BLANKS => self.take().map(|bytes| Part::Blanks(u16::from_le_bytes(bytes).into())),
            PLAIN => Some(Part::Style(Style::default())),
            FOREGROUND => self.take().map(|bytes| {
                let foreground = Color(u32::from_le_bytes(bytes));
                Part::Style(Style { foreground, ..Style::default() })
            }),
            STYLE => Some(Part::Style(Style {
                foreground: Color(u32::from_le_bytes(self.take()?)),
                background: Color(u32::from_le_bytes(self.take()?)),
                flags: Flags(u16::from_le_bytes(self.take()?)),
                extra: u16::from_le_bytes(self.take()?),
            })),
            _ => {
                let length = self.0.iter().skip(1).take_while(|byte| **byte & 0xc0 == 0x80).count();
                self.text(length + 1)?.chars().next().map(Part::Alone)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_small() {
        assert_eq!(size_of::<Line>(), 24);
    }

    #[test]
    fn packing_loses_nothing() {
        let mut extras = Extras::new(1 << 20);
        let cluster = extras.cluster_number("e", '\u{301}').unwrap();
        let red = Style { foreground: Color::ansi(1), ..Style::default() };
        let mut odd = red;
        odd.background = Color::rgb(1, 2, 3);
        odd.flags.set_underline(5);
        odd.extra = 7;
        let cells = vec![
            Cell::character('a', 1, red),
            Cell::cluster(cluster, 1, red),
            Cell::blank(odd),
            Cell::blank(odd),
            Cell::default(),
            Cell::character('漢', 2, odd),
            Cell::spacer(odd),
            Cell::character('\u{302}', 0, Style::default()),
            Cell::character('z', 1, Style::default()),
            Cell::default(),
        ];
        let row = Row::new(cells, true);
        let line = Line::pack(&row, &extras, &mut Vec::new());
        assert_eq!(line.length(), 9);
        let unpacked = line.unpack(10, &mut extras);
        assert_eq!((unpacked.cells(), unpacked.is_wrapped), (row.cells(), true));
        assert!(line.has_extras);
    }

    #[test]
    fn plain_text_is_stored_as_it_is() {
        let mut row = Row::blank(80, Style::default());
        for (cell, character) in row.cells_mut(5).iter_mut().zip("hello".chars()) {
            *cell = Cell::character(character, 1, Style::default());
        }
        let line = Line::pack(&row, &Extras::new(0), &mut Vec::new());
        assert_eq!(&*line.data, b"hello");
        assert_eq!(line.parts().collect::<Vec<_>>(), [Part::Text("hello")]);
    }
}
