//! Characters on the screen: where they go, what they wrap, join and push away.

use super::cell::{Cell, Content, Style};
use super::charset::Charset;
use super::row::Row;
use super::terminal::Terminal;
use super::width::width;

/// A character is repeated over at most so many columns, or as many as the screen has if it has more: a few bytes
/// must not keep the terminal busy. What is left out would only be more of the same in the scrollback.
const MAX_REPEATED: usize = 64 * 1024;

impl Terminal {
    /// Prints ASCII. The common case writes whole parts of a line at once.
    pub(crate) fn print_bytes(&mut self, text: &[u8]) {
        if self.charsets.current != Charset::ASCII || self.modes.insert || !self.modes.autowrap {
            return text.iter().for_each(|byte| self.print_char(char::from(*byte)));
        }
        let (pen, cols) = (self.ink(), self.cols);
        let mut rest = text;
        while !rest.is_empty() {
            if self.screen().x >= cols {
                self.wrap();
            }
            let screen = self.screen();
            let x = screen.x;
            let (now, later) = rest.split_at(rest.len().min(cols - x));
            let end = x + now.len();
            let row = screen.row();
            free_left(row, x, pen);
            for (cell, byte) in row.cells_mut(end)[x..end].iter_mut().zip(now) {
                *cell = Cell::character(char::from(*byte), 1, pen);
            }
            free_right(row, end, pen);
            screen.x = end;
            rest = later;
        }
        self.joins = 1;
    }

    /// Prints characters beyond ASCII, which character sets leave alone.
    pub(crate) fn print_text(&mut self, text: &str) {
        if self.modes.insert || !self.modes.autowrap {
            return text.chars().for_each(|character| self.print_char(character));
        }
        let (pen, cols) = (self.ink(), self.cols);
        let mut characters = text.chars().peekable();
        while characters.peek().is_some() {
            let screen = self.screen();
            let mut x = screen.x;
            let mut columns = 0;
            let row = screen.row();
            free_left(row, x, pen);
            // As many as fit and join nothing.
            while let Some(character) = characters.peek() {
                let next = width(*character);
                if next == 0 || x + usize::from(next) > cols {
                    break;
                }
                columns = next;
                let end = x + usize::from(columns);
                let cells = row.cells_mut(end);
                cells[x] = Cell::character(*character, columns, pen);
                if columns == 2 {
                    cells[x + 1] = Cell::spacer(pen);
                }
                x = end;
                characters.next();
            }
            free_right(row, x, pen);
            screen.x = x;
            if columns > 0 {
                self.joins = columns;
            }
            if let Some(odd) = characters.next() {
                self.print_char(odd);
            }
        }
    }

    /// Prints one character, whatever it does.
    pub(crate) fn print_char(&mut self, character: char) {
        let character = self.charsets.current.map(character);
        let columns = width(character);
        if columns == 0 && self.joins > 0 {
            return self.join(character);
        }
        let wide = usize::from(columns);
        let (pen, cols, is_insert) = (self.ink(), self.cols, self.modes.insert);
        let screen = self.screen();
        let x = screen.x.min(cols);
        free_left(screen.row(), x, pen);
        if x + wide > cols {
            if self.modes.autowrap {
                self.leave_line(pen);
            } else {
                self.screen().x = cols - 1;
                if columns == 2 {
                    // Half of it has no place, and a mark that follows has nothing to join.
                    self.joins = 0;
                    return;
                }
                free_left(self.screen().row(), cols - 1, pen);
            }
        }
        self.joins = columns;
        let screen = self.screen();
        let x = screen.x;
        if x >= cols {
            // A lone mark behind the last column shows nowhere.
            return;
        }
        let row = screen.row();
        if is_insert && wide > 0 {
            row.insert(x, wide, pen);
            self.work += cols / 16;
        }
        let row = self.screen().row();
        let end = x + wide.max(1);
        let cells = row.cells_mut(end);
        cells[x] = Cell::character(character, columns, pen);
        if columns == 2 {
            cells[x + 1] = Cell::spacer(pen);
        }
        free_right(row, end, pen);
        self.screen().x = end;
    }

    /// The pen as cells keep it: the color of an underline is nothing without one.
    pub(crate) fn ink(&self) -> Style {
        let is_shown = self.pen.extra == 0
            || self.pen.flags.underline() > 0
            || self.extras.extra(self.pen.extra).link.is_some();
        if is_shown { self.pen } else { Style { extra: 0, ..self.pen } }
    }

    /// Goes on at the beginning of the next line.
    fn wrap(&mut self) {
        self.screen().x = 0;
        self.line_down(true);
    }

    /// Adds a mark to the character before the cursor.
    fn join(&mut self, mark: char) {
        let screen = self.alternate.as_mut().unwrap_or(&mut self.main);
        let Some(mut x) = screen.x.checked_sub(1) else { return };
        let row = screen.row();
        if row.cell(x).is_spacer() && x > 0 {
            x -= 1;
        }
        let cell = row.cell(x);
        let number = match cell.content() {
            Content::Char(base) => self.extras.cluster_number(base.encode_utf8(&mut [0; 4]), mark),
            Content::Cluster(number) => {
                let base = self.extras.cluster(number).to_owned();
                self.extras.cluster_number(&base, mark)
            }
            Content::Blank | Content::Spacer => return,
        };
        if let Some(number) = number {
            row.cells_mut(x + 1)[x] = Cell::cluster(number, cell.width(), cell.style);
        }
        self.collect_extras();
    }

    /// Repeats the character just printed (REP).
    pub(crate) fn repeat(&mut self, count: usize) {
        let (cols, joined) = (self.cols, usize::from(self.joined));
        let screen = self.alternate.as_mut().unwrap_or(&mut self.main);
        let Some(x) = screen.x.checked_sub(joined).filter(|x| joined > 0 && *x < cols) else {
            return;
        };
        let text = match screen.row().cell(x).content() {
            Content::Char(character) => character.to_string(),
            Content::Cluster(number) => self.extras.cluster(number).to_owned(),
            Content::Blank | Content::Spacer => return,
        };
        text.chars().for_each(|character| self.print_char(character));
        let screen = self.screen();
        let x = screen.x.saturating_sub(joined);
        let cell = screen.row().cell(x);
        // Where it cannot wrap and has no room, nothing changes from the second time on, and there is no such cell.
        if usize::from(cell.width()) == joined {
            self.print_cells(cell, self.bounded(count, joined) - 1);
        }
        self.joins = 0;
    }

    /// Returns a count that leaves the same screen and cursor as this many characters of that width.
    fn bounded(&self, count: usize, columns: usize) -> usize {
        let in_line = self.cols / columns;
        // One line more, since the first may be one that is partly written.
        let most = in_line * (MAX_REPEATED.div_ceil(self.cols).max(self.rows) + 1);
        if count > most { most + (count - most) % in_line } else { count }
    }

    /// Prints a cell that has just been printed so many times more.
    fn print_cells(&mut self, cell: Cell, count: usize) {
        let (cols, wide) = (self.cols, usize::from(cell.width()));
        let (is_insert, autowrap) = (self.modes.insert, self.modes.autowrap);
        let mut left = count;
        while left > 0 {
            let screen = self.screen();
            let now = left.min((cols - screen.x.min(cols)) / wide);
            if now == 0 {
                if !autowrap {
                    // One that is wide and has no room takes the cursor back.
                    screen.x = screen.x.min(cols + 1 - wide);
                    return;
                }
                self.leave_line(cell.style);
                continue;
            }
            let (x, end) = (screen.x, screen.x + now * wide);
            let row = screen.row();
            free_left(row, x, cell.style);
            if is_insert {
                row.insert(x, end - x, cell.style);
            }
            let cells = &mut row.cells_mut(end)[x..end];
            if wide == 2 {
                cells.fill(Cell::spacer(cell.style));
            }
            cells.iter_mut().step_by(wide).for_each(|place| *place = cell);
            free_right(row, end, cell.style);
            screen.x = end;
            left -= now;
            self.work += cols;
        }
    }

    /// Goes on at the beginning of the next line, with blank cells where a character had no room.
    fn leave_line(&mut self, pen: Style) {
        let cols = self.cols;
        let screen = self.screen();
        let x = screen.x.min(cols);
        screen.row().cells_mut(cols)[x..].fill(Cell::blank(pen));
        self.wrap();
    }
}

/// A wide character of which the cell at `x` is the second half goes when that cell is written.
fn free_left(row: &mut Row, x: usize, style: Style) {
    if x > 0 && row.cell(x - 1).width() == 2 {
        row.cells_mut(x)[x - 1] = Cell::blank(style);
    }
}

/// The second half of a wide character goes when its first half was written.
fn free_right(row: &mut Row, x: usize, style: Style) {
    if row.cells().get(x).is_some_and(|cell| cell.is_spacer()) {
        row.cells_mut(x + 1)[x] = Cell::blank(style);
    }
}
