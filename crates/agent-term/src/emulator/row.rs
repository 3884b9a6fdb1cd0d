//! One line of a screen, and what is done to it in place. The rules for halves of wide characters are here.

use super::cell::{Cell, Flags, Style};

/// Cells are kept in steps of this many.
const STEP: usize = 32;

/// A line as wide as its screen. What is behind the cells that are kept is blank and of one look, so that a line
/// without text takes no memory and is made by setting that look.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    cells: Vec<Cell>,
    /// The look of the blank cells behind `cells`.
    rest: Style,
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
        Self { cells: Vec::new(), rest: style, cols: narrow(cols), is_wrapped: false }
    }

    /// Makes a row of these cells.
    pub(crate) fn new(cells: Vec<Cell>, is_wrapped: bool) -> Self {
        let cols = narrow(cells.len());
        Self { cells, rest: Style::default(), cols, is_wrapped }
    }

    pub(crate) fn cols(&self) -> usize {
        self.cols.into()
    }

    /// The cell of a column.
    pub(crate) fn cell(&self, column: usize) -> Cell {
        self.cells.get(column).copied().unwrap_or(Cell::blank(self.rest))
    }

    /// The cells that are kept. Those behind them are blank, and look as [`Self::rest`] says.
    pub(crate) fn cells(&self) -> &[Cell] {
        &self.cells
    }

    pub(crate) fn rest(&self) -> Style {
        self.rest
    }

    /// The cells, at least those before `end`, to change them.
    pub(crate) fn cells_mut(&mut self, end: usize) -> &mut [Cell] {
        if self.cells.len() < end {
            let length = end.next_multiple_of(STEP).min(self.cols().max(end));
            self.cells.reserve_exact(length - self.cells.len());
            self.cells.resize(end, Cell::blank(self.rest));
        }
        &mut self.cells
    }

    /// Bytes of memory behind this.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.cells.capacity() * size_of::<Cell>()
    }

    /// Makes this a new line. It keeps its memory, since lines that were written are written again.
    pub(crate) fn clear(&mut self, style: Style, is_wrapped: bool) {
        self.cells.clear();
        self.rest = style;
        self.is_wrapped = is_wrapped;
    }

    /// Returns where everything ends: behind the last cell that is not as in a new terminal.
    pub(crate) fn length(&self) -> usize {
        if self.rest != Style::default() && self.cells.len() < self.cols() {
            return self.cols();
        }
        let last = self.cells.iter().rposition(|cell| !cell.is_plain_blank());
        last.map_or(0, |last| last + 1)
    }

    /// Makes the row that wide. A wide character that is cut goes.
    pub(crate) fn resize(&mut self, cols: usize) {
        if cols > self.cols() && self.rest != Style::default() {
            self.cells_mut(self.cols());
            self.rest = Style::default();
        }
        self.cells.truncate(cols);
        self.cells.shrink_to(cols);
        self.cols = narrow(cols);
        if let Some(last) = self.cells.get_mut(cols - 1).filter(|last| last.width() == 2) {
            *last = Cell::blank(last.style);
        }
    }

    /// Shifts the cells from `position` to the right by `count`.
    pub(crate) fn insert(&mut self, position: usize, count: usize, fill: Style) {
        let cols = self.cols();
        let count = count.min(cols - position);
        let end = cols.min(self.cells.len().max(position + 1) + count);
        self.cells_mut(end);
        self.split(position, fill);
        self.cells.copy_within(position..end - count, position + count);
        self.cells[position..position + count].fill(Cell::blank(fill));
        if let Some(last) = self.cells.get_mut(cols - 1).filter(|last| last.width() == 2) {
            *last = Cell::blank(fill);
        }
    }

    /// Shifts the cells behind `count` cells from `position` to the left, over them.
    pub(crate) fn delete(&mut self, position: usize, count: usize, fill: Style) {
        let cols = self.cols();
        let count = count.min(cols - position);
        let blank = Cell::blank(fill);
        if fill != self.rest {
            self.cells_mut(cols);
            self.rest = fill;
        }
        let length = self.cells.len();
        self.cells.drain(position.min(length)..(position + count).min(length));
        if position > 0 && self.cell(position - 1).width() == 2 {
            self.cells[position - 1] = blank;
        }
        if self.cell(position).is_spacer() {
            self.cells[position] = blank;
        }
    }

    /// Erases the cells of a range, which may reach beyond the row.
    pub(crate) fn erase(&mut self, start: usize, end: usize, fill: Style, which: Erase) {
        let cols = self.cols();
        let (start, end) = (start.min(cols), end.min(cols));
        if start >= end {
            return;
        }
        let blank = Cell::blank(fill);
        let stays =
            |cell: &Cell| which == Erase::Unprotected && cell.style.flags.has(Flags::PROTECTED);
        if start > 0 && self.cell(start - 1).width() == 2 && !stays(&self.cell(start - 1)) {
            self.cells[start - 1] = blank;
        }
        if end < cols && self.cell(end - 1).width() == 2 && !stays(&self.cell(end)) {
            self.cells_mut(end + 1)[end] = blank;
        }
        if fill != self.rest {
            // Cells that are not kept would look otherwise, within the range or before it.
            let is_tail = end == cols && which == Erase::All;
            self.cells_mut(if is_tail { start } else { end });
        }
        let kept = self.cells.len();
        if which == Erase::Unprotected {
            let range = start.min(kept)..end.min(kept);
            self.cells[range].iter_mut().filter(|cell| !stays(cell)).for_each(|cell| *cell = blank);
        } else if end == cols {
            self.cells.truncate(start);
            self.rest = fill;
        } else {
            self.cells[start.min(kept)..end.min(kept)].fill(blank);
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
    use super::super::cell::Color;
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

    fn cells(row: &Row) -> Vec<Cell> {
        assert!(row.cells.len() <= row.cols());
        (0..row.cols()).map(|x| row.cell(x)).collect()
    }

    #[track_caller]
    fn check(start: &str, change: impl FnOnce(&mut Row), expected: &str) {
        let mut changed = row(start);
        change(&mut changed);
        assert_eq!(cells(&changed), cells(&row(expected)));
    }

    const PLAIN: Style =
        Style { foreground: Color::DEFAULT, background: Color::DEFAULT, flags: Flags(0), extra: 0 };

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
        assert_eq!(cells(&changed), [Cell::default(), protected, Cell::default()]);
        changed.erase(0, 3, PLAIN, Erase::All);
        assert_eq!(cells(&changed), cells(&row("   ")));
    }

    #[test]
    fn cutting_a_wide_character_leaves_none() {
        check("ab漢", |row| row.resize(3), "ab ");
        check("ab", |row| row.resize(4), "ab  ");
    }

    #[test]
    fn the_length_ends_behind_everything() {
        let mut colored = row("ab漢   ");
        assert_eq!(colored.length(), 4);
        colored.cells[5] = Cell::blank(Style { extra: 1, ..PLAIN });
        assert_eq!(colored.length(), 6);
    }

    #[test]
    fn cells_that_were_never_used_take_no_memory() {
        let mut long = Row::blank(1000, PLAIN);
        assert_eq!(long.memory_bytes(), 0);
        long.cells_mut(3)[2] = Cell::character('a', 1, PLAIN);
        long.erase(10, 1000, PLAIN, Erase::All);
        assert_eq!((long.memory_bytes(), long.length(), long.cols()), (32 * 16, 3, 1000));
        assert_eq!((long.cell(2).has_content(), long.cell(999)), (true, Cell::default()));
        let red = Style { background: Color::ansi(1), ..PLAIN };
        long.erase(10, 1000, red, Erase::All);
        assert_eq!(
            (long.memory_bytes(), long.length(), long.cell(9)),
            (512, 1000, Cell::default())
        );
        long.clear(red, false);
        assert_eq!(
            (long.memory_bytes(), long.length(), long.cell(0)),
            (512, 1000, Cell::blank(red))
        );
    }

    /// What each change does to a line of which only the beginning is kept is what it does to one of which all is.
    #[test]
    fn lines_behave_alike_however_much_of_them_is_kept() {
        let red = Style { background: Color::ansi(1), ..PLAIN };
        let changes: [fn(&mut Row, usize, usize, Style); 6] = [
            |row, x, count, fill| row.insert(x, count, fill),
            |row, x, count, fill| row.delete(x, count, fill),
            |row, x, count, fill| row.erase(x, x + count, fill, Erase::All),
            |row, x, count, fill| row.erase(x, x + count, fill, Erase::Unprotected),
            |row, x, count, _| row.resize(1 + x.max(count)),
            |row, _, _, fill| row.clear(fill, false),
        ];
        for (rest, fill, x, count) in (0..4 * 8 * 9).map(|case| {
            ([PLAIN, red][case % 2], [PLAIN, red][case / 2 % 2], case / 4 % 8, case / 32)
        }) {
            for (number, change) in changes.iter().enumerate() {
                let mut short = Row::blank(8, rest);
                for (cell, from) in short.cells_mut(4).iter_mut().zip(row("a漢b").cells) {
                    *cell = from;
                }
                let mut long = short.clone();
                long.cells_mut(8);
                long.rest = PLAIN;
                change(&mut short, x, count, fill);
                change(&mut long, x, count, fill);
                assert_eq!(cells(&short), cells(&long), "{number} {rest:?} {fill:?} {x} {count}");
                assert_eq!(short.length(), long.length());
            }
        }
    }
}
