//! One line of a screen, and what is done to it in place. The rules for halves of wide characters are here.

use super::cell::{Cell, Flags, Style};

/// Cells are kept in steps of this many.
const STEP: usize = 32;

/// The cells of a line, as many as the screen has columns; those at its end that were never used take no memory.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    cells: Vec<Cell>,
    /// Cells from here on are as in a new terminal. Most lines are short, and most is done to them often.
    used: u16,
    cols: u16,
    /// The text of the line before goes on here: the border is where it was too long.
    pub(crate) is_wrapped: bool,
}

/// Which cells erasing spares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Erase {
    All,
    /// Cells that DECSCA protects stay.
    Unprotected,
}

impl Row {
    pub(crate) fn blank(cols: usize, style: Style) -> Self {
        let mut row = Self { cells: Vec::new(), used: 0, cols: narrow(cols), is_wrapped: false };
        row.clear(style, false);
        row
    }

    /// Makes a row of these cells.
    pub(crate) fn new(cells: Vec<Cell>, is_wrapped: bool) -> Self {
        let cols = narrow(cells.len());
        Self { used: cols, cells, cols, is_wrapped }
    }

    pub(crate) fn cols(&self) -> usize {
        self.cols.into()
    }

    /// The cell of a column.
    pub(crate) fn cell(&self, column: usize) -> Cell {
        self.cells.get(column).copied().unwrap_or_default()
    }

    /// The cells that are kept; those behind them are as in a new terminal.
    pub(crate) fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The cells, at least those before `end`, to change them.
    pub(crate) fn cells_mut(&mut self, end: usize) -> &mut [Cell] {
        self.used = self.used.max(narrow(end));
        self.keep(end)
    }

    /// All cells. What is changed is to be told by [`Self::cells_mut`].
    pub(crate) fn all_mut(&mut self) -> &mut [Cell] {
        self.keep(self.cols())
    }

    /// Keeps the cells before `end`, if not more.
    fn keep(&mut self, end: usize) -> &mut [Cell] {
        if self.cells.len() < end {
            let length = end.next_multiple_of(STEP).min(self.cols().max(end));
            self.cells.reserve_exact(length - self.cells.len());
            self.cells.resize(length, Cell::default());
        }
        &mut self.cells
    }

    /// Bytes of memory behind this.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.cells.capacity() * size_of::<Cell>()
    }

    /// Makes this a new line.
    pub(crate) fn clear(&mut self, style: Style, is_wrapped: bool) {
        if style == Style::default() {
            let used = self.used();
            self.cells[..used].fill(Cell::default());
            self.used = 0;
        } else {
            self.all_mut().fill(Cell::blank(style));
            self.used = self.cols;
        }
        self.is_wrapped = is_wrapped;
    }

    fn used(&self) -> usize {
        self.used.into()
    }

    /// Returns where the text ends: behind the last cell with content.
    pub(crate) fn text_length(&self) -> usize {
        let last = self.cells[..self.used()].iter().rposition(|cell| cell.has_content());
        last.map_or(0, |last| (last + usize::from(self.cells[last].width())).min(self.cols()))
    }

    /// Returns where everything ends: behind the last cell that is not as in a new terminal.
    pub(crate) fn length(&self) -> usize {
        let last = self.cells[..self.used()].iter().rposition(|cell| !cell.is_plain_blank());
        last.map_or(0, |last| last + 1)
    }

    /// Makes the row that wide. A wide character that is cut goes.
    pub(crate) fn resize(&mut self, cols: usize) {
        self.cells.truncate(cols);
        self.cells.shrink_to(cols);
        self.cols = narrow(cols);
        self.used = self.used.min(self.cols);
        if let Some(last) = self.cells.get_mut(cols - 1).filter(|last| last.width() == 2) {
            *last = Cell::blank(last.style);
        }
    }

    /// Shifts the cells from `position` to the right by `count`.
    pub(crate) fn insert(&mut self, position: usize, count: usize, fill: Style) {
        let length = self.all_mut().len();
        let blank = Cell::blank(fill);
        self.split(position, fill);
        let count = count.min(length - position);
        self.cells.copy_within(position..length - count, position + count);
        self.cells[position..position + count].fill(blank);
        if self.cells[length - 1].width() == 2 {
            self.cells[length - 1] = blank;
        }
        self.used = narrow(length.min(self.used().max(position) + count));
    }

    /// Shifts the cells behind `count` cells from `position` to the left, over them.
    pub(crate) fn delete(&mut self, position: usize, count: usize, fill: Style) {
        let length = self.all_mut().len();
        let blank = Cell::blank(fill);
        let count = count.min(length - position);
        self.cells.copy_within(position + count..length, position);
        self.cells[length - count..].fill(blank);
        if position > 0 && self.cells[position - 1].width() == 2 {
            self.cells[position - 1] = blank;
        }
        if self.cells[position].is_spacer() {
            self.cells[position] = blank;
        }
        if fill != Style::default() {
            self.used = self.cols;
        }
    }

    /// Erases the cells of a range, which may reach beyond the row.
    pub(crate) fn erase(&mut self, start: usize, end: usize, fill: Style, which: Erase) {
        let is_plain = fill == Style::default();
        // What is not kept is erased already, unless to another background.
        let length = if is_plain { self.cells.len() } else { self.all_mut().len() };
        let (start, end) = (start.min(length), end.min(length));
        if start >= end {
            return;
        }
        let blank = Cell::blank(fill);
        let stays =
            |cell: &Cell| which == Erase::Unprotected && cell.style.flags.has(Flags::PROTECTED);
        if start > 0 && self.cells[start - 1].width() == 2 && !stays(&self.cells[start - 1]) {
            self.cells[start - 1] = blank;
        }
        if end < length && self.cells[end - 1].width() == 2 && !stays(&self.cells[end]) {
            self.cells[end] = blank;
        }
        let end = if is_plain { end.min(self.used()) } else { end };
        if which == Erase::All {
            if start < end {
                self.cells[start..end].fill(blank);
            }
            if is_plain && end == self.used() {
                self.used = self.used.min(narrow(start));
            }
        } else {
            for cell in self.cells[..end].iter_mut().skip(start).filter(|cell| !stays(cell)) {
                *cell = blank;
            }
        }
        if !is_plain {
            self.used = self.used.max(narrow(end));
        }
    }

    /// Makes sure that no wide character spans the border before `position`.
    fn split(&mut self, position: usize, fill: Style) {
        if position > 0 && self.cells[position - 1].width() == 2 {
            self.cells[position - 1] = Cell::blank(fill);
            if self.cells[position].is_spacer() {
                self.cells[position] = Cell::blank(fill);
            }
        }
    }
}

/// A number of columns.
fn narrow(cols: usize) -> u16 {
    u16::try_from(cols).expect("a screen has at most 1,000 columns")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row from its text: a space is a blank cell.
    fn row(text: &str) -> Row {
        let mut cells = Vec::new();
        for character in text.chars() {
            match character {
                ' ' => cells.push(Cell::default()),
                '漢' => {
                    cells.push(Cell::character('漢', 2, Style::default()));
                    cells.push(Cell::spacer(Style::default()));
                }
                _ => cells.push(Cell::character(character, 1, Style::default())),
            }
        }
        Row::new(cells, false)
    }

    #[track_caller]
    fn check(start: &str, change: impl FnOnce(&mut Row), expected: &str) {
        let mut changed = row(start);
        change(&mut changed);
        let cells = |row: &Row| (0..row.cols()).map(|x| row.cell(x)).collect::<Vec<_>>();
        assert_eq!(cells(&changed), cells(&row(expected)));
        let used = changed.used();
        assert!(changed.cells[used..].iter().all(|cell| cell.is_plain_blank()));
    }

    const PLAIN: Style = Style {
        foreground: super::super::cell::Color::DEFAULT,
        background: super::super::cell::Color::DEFAULT,
        flags: Flags(0),
        extra: 0,
    };

    #[test]
    fn inserting_shifts_and_cuts() {
        check("abcde", |row| row.insert(1, 2, PLAIN), "a  bc");
        check("abcde", |row| row.insert(1, 9, PLAIN), "a    ");
        check("abc漢", |row| row.insert(0, 1, PLAIN), " abc ");
        check("漢abc", |row| row.insert(1, 1, PLAIN), "   ab");
    }

    #[test]
    fn deleting_shifts_and_fills() {
        check("abcde", |row| row.delete(1, 2, PLAIN), "ade  ");
        check("abcde", |row| row.delete(3, 9, PLAIN), "abc  ");
        check("漢abc", |row| row.delete(1, 1, PLAIN), " abc ");
        check("a漢bc", |row| row.delete(0, 2, PLAIN), " bc  ");
    }

    #[test]
    fn erasing_takes_both_halves_of_a_wide_character() {
        check("a漢漢b", |row| row.erase(2, 4, PLAIN, Erase::All), "a    b");
        check("abcde", |row| row.erase(3, 99, PLAIN, Erase::All), "abc  ");
        check("abcde", |row| row.erase(5, 99, PLAIN, Erase::All), "abcde");
    }

    #[test]
    fn protected_cells_survive_selective_erasure() {
        let mut changed = row("abc");
        changed.cells[1].style.flags.set(Flags::PROTECTED, true);
        let protected = changed.cells[1];
        changed.erase(0, 3, PLAIN, Erase::Unprotected);
        assert_eq!(changed.cells, [Cell::default(), protected, Cell::default()]);
        changed.erase(0, 3, PLAIN, Erase::All);
        assert_eq!(changed.cells, row("   ").cells);
    }

    #[test]
    fn cutting_a_wide_character_leaves_none() {
        check("ab漢", |row| row.resize(3), "ab ");
        check("ab", |row| row.resize(4), "ab  ");
    }

    #[test]
    fn lengths_end_behind_text_and_behind_everything() {
        let mut colored = row("ab漢   ");
        assert_eq!((colored.text_length(), colored.length()), (4, 4));
        colored.cells[5] = Cell::blank(Style { extra: 1, ..PLAIN });
        assert_eq!((colored.text_length(), colored.length()), (4, 6));
    }

    #[test]
    fn cells_that_were_never_used_take_no_memory() {
        let mut long = Row::blank(1000, PLAIN);
        assert_eq!(long.memory_bytes(), 0);
        long.cells_mut(3)[2] = Cell::character('a', 1, PLAIN);
        long.erase(10, 1000, PLAIN, Erase::All);
        assert_eq!((long.memory_bytes(), long.length(), long.cols()), (32 * 16, 3, 1000));
        assert_eq!((long.cell(2).has_content(), long.cell(999)), (true, Cell::default()));
        long.erase(999, 1000, Style { extra: 1, ..PLAIN }, Erase::All);
        assert_eq!((long.memory_bytes(), long.length()), (1000 * 16, 1000));
    }
}
