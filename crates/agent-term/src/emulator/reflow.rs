//! Another size: lines that were wrapped softly wrap anew, and the cursor stays with its text.

use std::collections::VecDeque;

use super::cell::{Cell, Style};
use super::line::Line;
use super::row::Row;
use super::split::{Place, split};
use super::terminal::Terminal;

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
    ///
    /// Begins with the newest text, so that what would be dropped is not wrapped.
    fn rewrap(&mut self, rows: usize, cols: usize) {
        let (old_rows, old_cols) = (self.rows, self.cols);
        let mut packing = Vec::new();
        let mut old = self.history.take();
        let top = old.len();
        for row in &self.main.rows {
            old.push_back(Line::pack(row, &self.extras, &mut packing));
        }
        let saved = (top as isize + self.main.saved.y).max(0) as usize;
        let places = [
            Place { line: top, x: 0 },
            Place { line: top + self.main.y, x: self.main.x },
            Place { line: saved.min(old.len() - 1), x: self.main.saved.x },
        ];
        let mut wrapper = Wrapper {
            cols: (old_cols, cols),
            // The screen may begin up to its height before its first line does now.
            most_above: self.history.limit() + rows,
            packing,
            places: [None; 3],
            lines: VecDeque::new(),
            bytes: 0,
        };
        while !wrapper.is_enough(self.max_memory_bytes)
            && let Some(text) = last_text(&mut old)
        {
            let here = places.map(|place| {
                let line = place.line.checked_sub(old.len()).filter(|line| *line < text.len())?;
                Some(Place { line, ..place })
            });
            wrapper.wrap(text, here);
        }
        drop(old);
        let [top, cursor, saved] = wrapper.places();
        let mut lines = wrapper.lines;

        // Both are on the screen or were, so that they are not among what was left out.
        let (top, cursor) = (top.unwrap_or_default(), cursor.unwrap_or_default());
        let (top_line, cursor_line) = (top.line.max(0) as usize, cursor.line.max(0) as usize);
        let text_end = lines.iter().rposition(|line| line.length() > 0).map_or(0, |last| last + 1);
        let mut end = text_end.max(cursor_line + 1);
        let was_at_end = self.main.y + 1 == old_rows;
        let mut start = top_line.max(end.saturating_sub(rows)).min(cursor_line);
        if was_at_end {
            start = start.min(end.saturating_sub(rows));
        }
        end = end.min(start + rows);
        lines.truncate(end);
        let shown = lines.split_off(start);
        self.main.rows = shown.iter().map(|line| line.unpack(cols, &mut self.extras)).collect();
        self.main.rows.resize_with(rows, || Row::blank(cols, Style::default()));
        self.history.restore(lines);
        self.main.y = cursor_line - start;
        let saved = saved.unwrap_or(Found { line: -1, x: self.main.saved.x });
        self.main.saved.y = saved.line - start as isize;
        self.main.saved.x = saved.x;
        self.main.after_resize(cols);
        let is_full = self.main.row().cell(cols - 1) != Cell::default();
        self.main.x = cursor.x.min(if is_full { cols } else { cols - 1 });
    }
}

/// Takes the lines of the last text off.
fn last_text(lines: &mut VecDeque<Line>) -> Option<Vec<Line>> {
    let mut text = vec![lines.pop_back()?];
    while text.last().is_some_and(|first| first.is_wrapped)
        && let Some(line) = lines.pop_back()
    {
        text.push(line);
    }
    text.reverse();
    Some(text)
}

/// Texts of more cells are wrapped twice, first only to count their lines.
const MANY_CELLS: usize = 64 * 1024;

/// A place in the new lines; it may be before the first that is kept.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    line: isize,
    x: usize,
}

/// Wraps texts for another number of columns, the last one first.
#[derive(Debug)]
struct Wrapper {
    /// Before and after.
    cols: (usize, usize),
    /// How many lines are of use before the one that was the first of the screen.
    most_above: usize,
    packing: Vec<u8>,
    /// The top of the screen, the cursor, and the saved place, each with its line counted from the end: 1 is the last.
    places: [Option<Place>; 3],
    /// The new lines.
    lines: VecDeque<Line>,
    /// Bytes behind the new lines before the screen.
    bytes: usize,
}

impl Wrapper {
    /// Tells whether nothing before what there is will be kept.
    fn is_enough(&self, max_bytes: usize) -> bool {
        self.places[0].is_some_and(|top| {
            self.lines.len() >= top.line + self.most_above || self.bytes > max_bytes
        })
    }

    fn places(&self) -> [Option<Found>; 3] {
        let found = |place: Place| Found {
            line: self.lines.len() as isize - place.line as isize,
            x: place.x,
        };
        self.places.map(|place| place.map(found))
    }

    /// Adds the lines of a text before those there are. Some of the places may be in it.
    fn wrap(&mut self, text: Vec<Line>, here: [Option<Place>; 3]) {
        let (old_cols, cols) = self.cols;
        if let [line] = &text[..]
            && line.length() <= cols
        {
            self.find(here, 1);
            return self.add(text);
        }
        let mut skip = 0;
        if text.len() * old_cols > MANY_CELLS {
            let all = split(&text, here, self.cols, usize::MAX, &mut self.packing);
            let top = all.places[0].map(|top| self.lines.len() + all.count - top.line);
            if let Some(top) = top.or(self.places[0].map(|top| top.line)) {
                let wanted = (top + self.most_above).saturating_sub(self.lines.len());
                skip = all.count.saturating_sub(wanted);
            }
        }
        let split = split(&text, here, self.cols, skip, &mut self.packing);
        self.find(split.places, split.count);
        self.add(split.lines);
    }

    /// Notes places in a text of so many lines that goes before the lines there are.
    fn find(&mut self, places: [Option<Place>; 3], count: usize) {
        let after = self.lines.len();
        for (found, place) in self.places.iter_mut().zip(places) {
            if let Some(Place { line, x }) = place {
                *found = Some(Place { line: after + count - line, x });
            }
        }
    }

    fn add(&mut self, lines: Vec<Line>) {
        let is_above = self.places[0].is_some();
        for line in lines.into_iter().rev() {
            if is_above {
                self.bytes += line.memory_bytes() + size_of::<Line>();
            }
            self.lines.push_front(line);
        }
    }
}
