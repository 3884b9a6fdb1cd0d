//! Lines as bytes, one below the other, with everything that a client does by itself taken into account.
//!
//! A line that was wrapped is sent unbroken, so that the client wraps it and knows it as one. Cells that were
//! never written or were erased are erased and not written, since clients tell them from spaces.

use super::pen;
use crate::emulator::cell::{Color, Style};
use crate::emulator::extras::Extras;
use crate::emulator::line::{Line, Part, has_contested};
use crate::emulator::width::{is_contested, width};

/// Writes bytes and knows what they have done to the client.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    pub(super) out: Vec<u8>,
    pub(super) extras: &'a Extras,
    rows: usize,
    cols: usize,
    /// The client's pen.
    pub(super) pen: Style,
    /// The client's cursor; `x` is the number of columns when the next character wraps.
    x: usize,
    y: usize,
    /// Blank cells at the cursor that are as they should be, which it has not passed yet.
    skipped: usize,
    /// The background that blank cells of this line have.
    fill: Color,
    /// The last column of this line is as it should be already.
    is_prepared: bool,
}

/// How a line goes over to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passage {
    /// The last one.
    None,
    Newline,
    /// The client wraps by itself before the next line's first character, which looks like this.
    Wrap(Style),
    /// As `Wrap`, with a last column left empty because that character is wide.
    EarlyWrap(Style),
    /// The last column is a blank cell that a wide character has left, which it has to do again.
    OddWrap(Style),
    /// The client has to be made to wrap.
    ForcedWrap,
}

impl<'a> Writer<'a> {
    pub(super) fn new(extras: &'a Extras, rows: usize, cols: usize) -> Self {
        Self {
            out: Vec::new(),
            extras,
            rows,
            cols,
            pen: Style::default(),
            x: 0,
            y: 0,
            skipped: 0,
            fill: Color::DEFAULT,
            is_prepared: false,
        }
    }

    /// Writes bytes that move no cursor and change no pen.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Writes a control sequence of numbers.
    pub(super) fn sequence(&mut self, values: &[usize], last: u8) {
        self.raw(b"\x1b[");
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.out.push(b';');
            }
            pen::number(&mut self.out, *value);
        }
        self.out.push(last);
    }

    pub(super) fn set_pen(&mut self, style: Style) {
        pen::change(&mut self.out, self.extras, self.pen, style);
        self.pen = style;
    }

    /// Writes lines from the first line of an empty screen on.
    pub(super) fn lines(&mut self, lines: &[&Line]) {
        (self.x, self.y, self.skipped, self.fill) = (0, 0, 0, Color::DEFAULT);
        for (index, line) in lines.iter().enumerate() {
            let rest = &lines[index + 1..];
            let style = self.needs_preparation(line, rest);
            self.is_prepared = style.is_some();
            if let Some(style) = style {
                self.prepare_last(style);
            }
            self.line(line, self.passage(line, rest));
        }
    }

    /// Makes the first line of an empty screen one that goes on, though nothing is before it.
    ///
    /// It matters where the line is moved down again. A line is wrapped at the end of the screen, then moved up.
    pub(super) fn wrap_first(&mut self) {
        self.set_pen(Style::default());
        self.sequence(&[self.rows, 1], b'H');
        self.out.resize(self.out.len() + self.cols + 1, b' ');
        self.out.resize(self.out.len() + self.rows - 1, b'\n');
        self.raw(b"\x1b[H\x1b[X");
    }

    fn passage(&self, line: &Line, rest: &[&Line]) -> Passage {
        let Some((next, rest)) = rest.split_first() else { return Passage::None };
        if !next.is_wrapped {
            return Passage::Newline;
        }
        // To prepare the next line, the cursor has to be on it.
        let first = first_text(next).filter(|_| self.needs_preparation(next, rest).is_none());
        match (last_blank(line, self.cols), first) {
            (Some(blank), Some((style, true))) if blank == style => Passage::EarlyWrap(style),
            (Some(blank), _) if !blank.is_background() => Passage::OddWrap(blank),
            (None, Some((style, _))) => Passage::Wrap(style),
            _ => Passage::ForcedWrap,
        }
    }

    /// Tells whether the last column has to be written before the others, and how it looks.
    fn needs_preparation(&self, line: &Line, rest: &[&Line]) -> Option<Style> {
        let goes_on = rest.first().is_some_and(|next| next.is_wrapped);
        last_blank(line, self.cols).filter(|blank| !blank.is_background() && !goes_on)
    }

    /// Makes the last column of an empty line a blank cell that erasing cannot make.
    ///
    /// It is the second half of a wide character of which the first half is overwritten.
    fn prepare_last(&mut self, style: Style) {
        self.sequence(&[self.cols - 1], b'G');
        self.raw("\u{3000}".as_bytes());
        self.sequence(&[self.cols - 1], b'G');
        self.set_pen(style);
        self.raw(b" ");
        self.sequence(&[self.cols - 1], b'G');
        self.erase(1, Style { background: self.fill, ..Style::default() });
        self.raw(b"\r");
    }

    fn line(&mut self, line: &Line, passage: Passage) {
        let mut style = Style::default();
        // An early wrap leaves the last column to the client, and another may have been prepared.
        let is_left = last_blank(line, self.cols).is_some_and(|blank| !blank.is_background());
        let end = self.cols - usize::from(is_left || matches!(passage, Passage::EarlyWrap(_)));
        for part in line.parts() {
            match part {
                Part::Style(next) => style = next,
                Part::Text(text) => self.text(text, style),
                Part::Alone(mark) => self.alone(mark, style),
                Part::Blanks(count) => {
                    let room = end.saturating_sub(self.x + self.skipped);
                    self.blanks(count.min(room), style);
                }
            }
        }
        let rest = end.saturating_sub(self.x + self.skipped);
        if rest > 0 && self.fill != Color::DEFAULT {
            self.blanks(rest, Style::default());
        }
        let text_end = self.x;
        match passage {
            Passage::None => {}
            Passage::Newline => self.newline(),
            Passage::Wrap(style) => self.wrapped(style.background),
            Passage::EarlyWrap(style) => {
                self.skipped = end - self.x;
                self.pass_skipped();
                self.wrapped(style.background);
            }
            Passage::OddWrap(style) => {
                self.skipped = end - self.x;
                self.pass_skipped();
                self.set_pen(style);
                self.raw("\u{3000}\r".as_bytes());
                self.wrapped(style.background);
                self.erase(2, Style { background: self.fill, ..Style::default() });
            }
            Passage::ForcedWrap => self.force_wrap(line, text_end),
        }
    }

    fn text(&mut self, text: &str, style: Style) {
        self.pass_skipped();
        self.set_pen(style);
        if text.is_ascii() {
            self.x += text.len();
            return self.raw(text.as_bytes());
        }
        if !has_contested(text) {
            self.x += text.chars().map(|character| usize::from(width(character))).sum::<usize>();
            return self.raw(text.as_bytes());
        }
        let mut is_unsure = false;
        for character in text.chars() {
            let columns = width(character);
            if is_unsure && columns > 0 {
                self.place_column();
                is_unsure = false;
            }
            self.raw(character.encode_utf8(&mut [0; 4]).as_bytes());
            self.x += usize::from(columns);
            is_unsure |= is_contested(character);
        }
        if is_unsure {
            self.place_column();
        }
    }

    /// Brings the cursor to its column in clients to which a character is not as wide as here.
    fn place_column(&mut self) {
        if self.x < self.cols {
            self.sequence(&[self.x + 1], b'G');
        }
    }

    /// A mark in a cell of its own: it must not join the character before, so a sequence comes between.
    fn alone(&mut self, mark: char, style: Style) {
        self.pass_skipped();
        self.set_pen(style);
        if self.x < self.cols {
            self.place_column();
            self.raw(mark.encode_utf8(&mut [0; 4]).as_bytes());
            self.x += 1;
        }
    }

    fn blanks(&mut self, count: usize, style: Style) {
        if count == 0 {
            return;
        }
        let is_there = style == Style { background: self.fill, ..Style::default() };
        if !is_there && style.is_background() {
            self.erase(count, style);
        } else if !is_there {
            return (0..count).for_each(|_| self.odd_blank(style));
        }
        self.skipped += count;
    }

    /// Erases cells after the skipped ones, and does not move.
    fn erase(&mut self, count: usize, style: Style) {
        self.pass_skipped();
        if self.pen.background != style.background {
            self.set_pen(style);
        }
        self.sequence(&[count], b'X');
    }

    /// A blank cell that erasing cannot make: it was half of a wide character that has been overwritten.
    fn odd_blank(&mut self, style: Style) {
        let column = self.x + self.skipped;
        if self.is_prepared && column + 2 == self.cols {
            // Making one here would undo the one in the last column.
            return self.text(" ", style);
        }
        self.text("\u{3000}", style);
        self.sequence(&[column + 2], b'G');
        self.raw(b" ");
        self.sequence(&[column + 2], b'G');
        self.x = column + 1;
        self.erase(1, Style { background: self.fill, ..Style::default() });
    }

    fn pass_skipped(&mut self) {
        if self.skipped > 0 {
            let skipped = std::mem::take(&mut self.skipped);
            self.sequence(&[skipped], b'C');
            self.x += skipped;
        }
    }

    fn newline(&mut self) {
        if self.y == self.rows - 1 && self.pen.background != Color::DEFAULT {
            // Scrolling fills the new line with the pen's background.
            self.set_pen(Style::default());
        }
        self.raw(b"\r\n");
        self.wrapped(Color::DEFAULT);
    }

    /// Notes that the cursor is, or will be with the next character, at the beginning of the next line.
    fn wrapped(&mut self, background: Color) {
        self.fill = if self.y == self.rows - 1 { background } else { Color::DEFAULT };
        self.y = (self.y + 1).min(self.rows - 1);
        (self.x, self.skipped) = (0, 0);
    }

    /// Fills the line with spaces so that it wraps, and then erases them. `text_end` is where its text ends.
    fn force_wrap(&mut self, line: &Line, text_end: usize) {
        let spaces = self.cols - text_end;
        self.set_pen(Style::default());
        // Blanks have been erased in place; the cursor is where the text ends.
        self.out.resize(self.out.len() + spaces + 1, b' ');
        self.wrapped(Color::DEFAULT);
        if spaces > 0 && self.rows > 1 {
            self.raw(b"\x1b[A");
            self.sequence(&[text_end + 1], b'G');
            self.sequence(&[spaces], b'X');
            self.colored_blanks(line, text_end);
            self.set_pen(Style::default());
            self.raw(b"\x1b[B");
        }
        self.raw(b"\r\x1b[X");
    }

    /// Erases the blanks behind the text again where they have a background.
    fn colored_blanks(&mut self, line: &Line, text_end: usize) {
        let (mut style, mut column) = (Style::default(), 0);
        for part in line.parts() {
            match part {
                Part::Style(next) => style = next,
                Part::Text(text) => {
                    column +=
                        text.chars().map(|character| usize::from(width(character))).sum::<usize>();
                }
                Part::Alone(_) => column += 1,
                Part::Blanks(count) => {
                    if column >= text_end && style.background != Color::DEFAULT {
                        self.sequence(&[column + 1], b'G');
                        self.set_pen(style.erased());
                        self.sequence(&[count], b'X');
                    }
                    column += count;
                }
            }
        }
    }
}

/// Returns the look of the first character of a line that begins with one, and whether it is wide.
fn first_text(line: &Line) -> Option<(Style, bool)> {
    let mut style = Style::default();
    for part in line.parts() {
        match part {
            Part::Style(next) => style = next,
            Part::Text(text) => {
                return text.chars().next().map(|first| (style, width(first) == 2));
            }
            Part::Blanks(_) | Part::Alone(_) => return None,
        }
    }
    None
}

/// Returns the look of the last column when it is blank.
fn last_blank(line: &Line, cols: usize) -> Option<Style> {
    if line.length() < cols {
        return Some(Style::default());
    }
    let (mut style, mut blank) = (Style::default(), None);
    for part in line.parts() {
        match part {
            Part::Style(next) => style = next,
            Part::Blanks(_) => blank = Some(style),
            Part::Text(_) | Part::Alone(_) => blank = None,
        }
    }
    blank
}
