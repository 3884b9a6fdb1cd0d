//! Another size: lines that were wrapped softly wrap anew, and the cursor stays with its text.

use std::collections::VecDeque;

use super::cell::{Cell, Style};
use super::extras::Extras;
use super::line::Line;
use super::row::Row;
use super::terminal::Terminal;

/// A place in the text, which keeps to it: a line of all of scrollback and screen, and a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    line: usize,
    x: usize,
}

impl Terminal {
    /// Changes the size of both screens.
    pub(crate) fn resize(&mut self, rows: usize, cols: usize) {
        if (rows, cols) == (self.rows, self.cols) {
            return;
        }
        if let Some(alternate) = &mut self.alternate {
            alternate.resize(rows, cols);
        }
        if cols == self.cols {
            self.resize_lines(rows);
            self.main.after_resize(cols);
        } else {
            self.rewrap(rows, cols);
        }
        (self.rows, self.cols) = (rows, cols);
        self.note_screens();
        self.collect_extras();
    }

    /// Changes the number of lines of the main screen only.
    fn resize_lines(&mut self, rows: usize) {
        let (main, mut packing) = (&mut self.main, Vec::new());
        while main.height() > rows {
            let is_cut = main.y == 0
                || main.height() > main.y + 1
                    && main.rows.back().is_some_and(|row| row.length() == 0);
            if is_cut {
                main.rows.pop_back();
            } else if let Some(row) = main.rows.pop_front() {
                self.history.push(Line::pack(&row, &self.extras, &mut packing));
                main.y -= 1;
                main.saved.y -= 1;
            }
        }
        while main.height() < rows {
            // A screen whose end is in use goes on upwards, another one downwards.
            let is_at_end = main.y + 1 == main.height();
            match if is_at_end { self.history.lines.pop_back() } else { None } {
                Some(line) => {
                    main.rows.push_front(line.unpack(main.cols, &mut self.extras));
                    main.y += 1;
                    main.saved.y += 1;
                }
                None => main.rows.push_back(Row::blank(main.cols, Style::default())),
            }
        }
        let lines = self.history.take();
        self.history.restore(lines);
        main.rows.shrink_to(rows);
    }

    /// Changes the number of columns of the main screen, and maybe of its lines.
    fn rewrap(&mut self, rows: usize, cols: usize) {
        let (old_rows, old_cols) = (self.rows, self.cols);
        let mut packing = Vec::new();
        let mut lines = self.history.take();
        let top = lines.len();
        for row in &self.main.rows {
            lines.push_back(Line::pack(row, &self.extras, &mut packing));
        }
        let saved = (top as isize + self.main.saved.y).max(0) as usize;
        let places = [
            Place { line: top, x: 0 },
            Place { line: top + self.main.y, x: self.main.x },
            Place { line: saved.min(lines.len() - 1), x: self.main.saved.x },
        ];
        let mut wrapper = Wrapper {
            old_cols,
            cols,
            extras: &mut self.extras,
            packing,
            places,
            lines: VecDeque::new(),
        };
        wrapper.run(lines);
        let Wrapper { places: [top, cursor, saved], mut lines, .. } = wrapper;

        let text_end = lines.iter().rposition(|line| line.length() > 0).map_or(0, |last| last + 1);
        let mut end = text_end.max(cursor.line + 1);
        let was_at_end = self.main.y + 1 == old_rows;
        let mut start = top.line.max(end.saturating_sub(rows)).min(cursor.line);
        if was_at_end {
            start = start.min(end.saturating_sub(rows));
        }
        end = end.min(start + rows);
        lines.truncate(end);
        let shown = lines.split_off(start);
        self.main.rows = shown.iter().map(|line| line.unpack(cols, &mut self.extras)).collect();
        self.main.rows.resize_with(rows, || Row::blank(cols, Style::default()));
        self.history.restore(lines);
        self.main.y = cursor.line - start;
        self.main.saved.y = saved.line as isize - start as isize;
        self.main.saved.x = saved.x;
        self.main.after_resize(cols);
        let is_full = self.main.row().cell(cols - 1) != Cell::default();
        self.main.x = cursor.x.min(if is_full { cols } else { cols - 1 });
    }
}

/// Wraps lines for another number of columns.
#[derive(Debug)]
struct Wrapper<'a> {
    old_cols: usize,
    cols: usize,
    extras: &'a mut Extras,
    packing: Vec<u8>,
    /// At first in the old lines, in the end in the new ones.
    places: [Place; 3],
    /// The new lines.
    lines: VecDeque<Line>,
}

impl Wrapper<'_> {
    fn run(&mut self, lines: VecDeque<Line>) {
        let mut index = 0;
        let old_places = self.places;
        let mut lines = lines.into_iter().peekable();
        while let Some(first) = lines.next() {
            let mut group = vec![first];
            while let Some(line) = lines.next_if(|line| line.is_wrapped) {
                group.push(line);
            }
            let old = index..index + group.len();
            let here = old_places.map(|place| {
                old.contains(&place.line).then(|| Place { line: place.line - index, ..place })
            });
            index = old.end;
            self.wrap(group, here);
        }
    }

    /// Wraps the lines of one text, in which some of the places may be.
    fn wrap(&mut self, group: Vec<Line>, here: [Option<Place>; 3]) {
        let start = self.lines.len();
        if let [line] = &group[..]
            && line.length() <= self.cols
        {
            self.set_places(here, |place| Place { line: start, x: place.x });
            self.lines.extend(group);
            return;
        }
        let rows: Vec<_> =
            group.iter().map(|line| line.unpack(self.old_cols, self.extras)).collect();
        if let [row] = &rows[..]
            && row.text_length() <= self.cols
        {
            let mut row = row.clone();
            row.resize(self.cols);
            self.set_places(here, |place| Place { line: start, x: place.x });
            return self.push(&row);
        }
        let (cells, offsets) = join(&rows);
        let borders = borders(&cells, self.cols);
        for (index, border) in borders.windows(2).enumerate() {
            let cells = cells[border[0]..border[1]].to_vec();
            let mut row = Row::new(cells, index > 0 || rows[0].is_wrapped);
            row.resize(self.cols);
            self.push(&row);
        }
        let cols = self.cols;
        self.set_places(here, |place| {
            let offset = offsets[place.line] + place.x;
            let last = borders.len() - 2;
            let index = borders[1..=last].iter().take_while(|border| **border <= offset).count();
            Place { line: start + index, x: (offset - borders[index]).min(cols) }
        });
    }

    fn set_places(&mut self, here: [Option<Place>; 3], new: impl Fn(Place) -> Place) {
        for (place, here) in self.places.iter_mut().zip(here) {
            if let Some(here) = here {
                *place = new(here);
            }
        }
    }

    fn push(&mut self, row: &Row) {
        let line = Line::pack(row, self.extras, &mut self.packing);
        self.lines.push_back(line);
    }
}

/// Joins the rows of one text. Returns with its cells at which of them each row begins.
fn join(rows: &[Row]) -> (Vec<Cell>, Vec<usize>) {
    let mut cells = Vec::new();
    let mut offsets = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        offsets.push(cells.len());
        let length = match rows.get(index + 1) {
            None => row.text_length(),
            // The last column stayed empty because a wide character had no place in it.
            Some(next) if is_early(row, next) => row.cols() - 1,
            Some(_) => row.cols(),
        };
        cells.extend((0..length).map(|column| row.cell(column)));
    }
    (cells, offsets)
}

fn is_early(row: &Row, next: &Row) -> bool {
    let last = row.cell(row.cols() - 1);
    last.width() == 1 && !last.has_content() && next.cell(0).width() == 2
}

/// Returns where a text is cut for so many columns, with its beginning and its end. There is at least one line.
fn borders(cells: &[Cell], cols: usize) -> Vec<usize> {
    let mut borders = vec![0];
    let mut start = 0;
    while cells.len() - start > cols {
        let is_halved = cells[start + cols - 1].width() == 2;
        start += cols - usize::from(is_halved);
        borders.push(start);
    }
    borders.push(cells.len());
    borders
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Vec<Cell> {
        let style = Style::default();
        let cell = |character| match character {
            '漢' => vec![Cell::character('漢', 2, style), Cell::spacer(style)],
            _ => vec![Cell::character(character, 1, style)],
        };
        text.chars().flat_map(cell).collect()
    }

    #[test]
    fn texts_are_cut_at_the_last_column_and_never_in_a_character() {
        let check =
            |text, cols, expected: &[usize]| assert_eq!(borders(&cells(text), cols), expected);
        check("", 3, &[0, 0]);
        check("abc", 3, &[0, 3]);
        check("abcd", 3, &[0, 3, 4]);
        check("ab漢d", 3, &[0, 2, 5]);
        check("漢漢", 3, &[0, 2, 4]);
    }
}
