//! One text that was wrapped softly, wrapped for another number of columns. It stays packed, so that it takes no
//! more memory than before, and what is not kept of it takes none.

use super::cell::Style;
use super::line::{Line, Part};
use super::packer::Packer;
use super::width::width;

/// A place in the text, which keeps to it: a line, and a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) x: usize,
}

/// The lines that a text has now.
#[derive(Debug)]
pub(super) struct Split {
    /// Without those that were skipped.
    pub(super) lines: Vec<Line>,
    /// With those that were skipped.
    pub(super) count: usize,
    /// Where the places are, counted from the first line, skipped or not.
    pub(super) places: [Option<Place>; 3],
}

/// Wraps the lines of one text, in which some places are, for `cols` columns; they had `old_cols`.
///
/// The first `skip` of the new lines are left out. `buffer` only saves allocations.
pub(super) fn split(
    text: &[Line],
    places: [Option<Place>; 3],
    (old_cols, cols): (usize, usize),
    skip: usize,
    buffer: &mut Vec<u8>,
) -> Split {
    let tracked = places.map(|place| place.map(|place| Tracked { place, ..Tracked::default() }));
    let mut splitter = Splitter {
        cols,
        skip,
        is_wrapped: text[0].is_wrapped,
        packer: Packer::new(buffer),
        start: 0,
        count: 0,
        lines: Vec::new(),
        tracked,
    };
    for (index, line) in text.iter().enumerate() {
        let length = match text.get(index + 1) {
            // Only blank cells are too much for the line, if anything is.
            None if text.len() == 1 && line.text_length() <= cols => line.length().min(cols),
            None => line.text_length(),
            // The last column stayed empty because a wide character had no place in it.
            Some(next) if is_early(line, next, old_cols) => old_cols - 1,
            Some(_) => old_cols.max(line.length()),
        };
        splitter.track(index);
        splitter.add(line, length);
    }
    splitter.end_line();
    let Splitter { lines, count, tracked, .. } = splitter;
    let place = |tracked: Tracked| Place {
        line: tracked.line,
        x: (tracked.offset.unwrap_or(0) - tracked.start).min(cols),
    };
    Split { lines, count, places: tracked.map(|tracked| tracked.map(place)) }
}

fn is_early(line: &Line, next: &Line, cols: usize) -> bool {
    let last = line.parts().filter(|part| !matches!(part, Part::Style(_))).last();
    let is_blank = line.length() < cols || matches!(last, Some(Part::Blanks(_)));
    let first = next.parts().find(|part| !matches!(part, Part::Style(_)));
    is_blank
        && matches!(first, Some(Part::Text(text)) if text.chars().next().is_some_and(|first| width(first) == 2))
}

/// A place on its way from the old lines to the new ones.
#[derive(Debug, Clone, Copy)]
struct Tracked {
    /// In the old lines.
    place: Place,
    /// Cells of the text before it, once they are known.
    offset: Option<usize>,
    /// The new line, and how many cells of the text are before that.
    line: usize,
    start: usize,
}

impl Default for Tracked {
    fn default() -> Self {
        Self { place: Place { line: 0, x: 0 }, offset: None, line: 0, start: 0 }
    }
}

#[derive(Debug)]
struct Splitter<'a> {
    cols: usize,
    skip: usize,
    /// Whether the first line goes on from one before the text.
    is_wrapped: bool,
    packer: Packer<'a>,
    /// Cells of the text before the line that is being written.
    start: usize,
    count: usize,
    lines: Vec<Line>,
    tracked: [Option<Tracked>; 3],
}

impl Splitter<'_> {
    /// Finds the places of an old line, which is the next.
    fn track(&mut self, index: usize) {
        let (line, start) = (self.count, self.start);
        let before = start + self.packer.length();
        for tracked in self.tracked.iter_mut().flatten() {
            if tracked.place.line == index {
                let offset = Some(before + tracked.place.x);
                *tracked = Tracked { offset, line, start, ..*tracked };
            }
        }
    }

    /// Adds an old line, filled up or cut to a length.
    fn add(&mut self, line: &Line, length: usize) {
        let (mut style, mut left) = (Style::default(), length);
        for part in line.parts() {
            match part {
                Part::Style(next) => style = next,
                Part::Blanks(count) => {
                    self.blanks(count.min(left), style);
                    left -= count.min(left);
                }
                Part::Text(text) => left -= self.text(text, style).min(left),
                Part::Alone(mark) if left > 0 => {
                    self.make_room(1);
                    self.packer.alone(mark, style);
                    left -= 1;
                }
                Part::Alone(_) => {}
            }
        }
        self.blanks(left, Style::default());
    }

    fn blanks(&mut self, count: usize, style: Style) {
        let mut left = count;
        while left > 0 {
            let now = left.min(self.make_room(1));
            self.packer.blanks(now, style);
            left -= now;
        }
    }

    /// Adds text, and returns how many cells it has.
    fn text(&mut self, text: &str, style: Style) -> usize {
        let mut added = 0;
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let (columns, room, bytes) = if first.is_ascii() {
                let room = self.make_room(1);
                let ascii = rest.bytes().take(room).take_while(u8::is_ascii).count();
                // A mark may follow the last of them, which then goes with it.
                let is_followed = rest.as_bytes().get(ascii).is_some_and(|next| !next.is_ascii());
                let bytes = if is_followed && ascii > 1 { ascii - 1 } else { ascii };
                (bytes, room, if bytes == 1 { 1 + marks(&rest[1..]) } else { bytes })
            } else {
                // Where there are no characters before a mark, it has a cell as well.
                let columns = usize::from(width(first)).max(1);
                let length = first.len_utf8();
                (columns, self.make_room(columns), length + marks(&rest[length..]))
            };
            debug_assert!(columns <= room);
            let (now, after) = rest.split_at(bytes);
            self.packer.text(now, columns, style);
            added += columns;
            rest = after;
        }
        added
    }

    /// Begins another line unless so many columns have room, and returns how many have.
    fn make_room(&mut self, columns: usize) -> usize {
        if self.packer.length() + columns > self.cols {
            let start = self.start + self.packer.length();
            self.end_line();
            self.start = start;
            let count = self.count;
            for tracked in self.tracked.iter_mut().flatten() {
                if tracked.offset.is_some_and(|offset| offset >= start) {
                    (tracked.line, tracked.start) = (count, start);
                }
            }
        }
        self.cols - self.packer.length()
    }

    fn end_line(&mut self) {
        if self.count < self.skip {
            self.packer.discard();
        } else {
            self.lines.push(self.packer.finish(self.count > 0 || self.is_wrapped));
        }
        self.count += 1;
    }
}

/// How many bytes of combining marks a text begins with.
fn marks(text: &str) -> usize {
    text.chars().take_while(|next| width(*next) == 0).map(char::len_utf8).sum()
}

#[cfg(test)]
mod tests {
    use super::super::cell::Cell;
    use super::super::extras::Extras;
    use super::super::row::Row;
    use super::*;

    /// Packed lines of these columns, each but the first going on from the one before.
    fn lines(texts: &[&str], cols: usize) -> Vec<Line> {
        let style = Style::default();
        let line = |(index, text): (usize, &&str)| {
            let mut row = Row::blank(cols, style);
            let mut x = 0;
            for character in text.chars() {
                let columns = width(character);
                row.cells_mut(x + 1)[x] = match character {
                    '.' => Cell::blank(style),
                    _ => Cell::character(character, columns, style),
                };
                if columns == 2 {
                    row.cells_mut(x + 2)[x + 1] = Cell::spacer(style);
                }
                x += usize::from(columns).max(1);
            }
            row.is_wrapped = index > 0;
            Line::pack(&row, &Extras::new(0), &mut Vec::new())
        };
        texts.iter().enumerate().map(line).collect()
    }

    #[track_caller]
    fn check(texts: &[&str], sizes: (usize, usize), expected: &[&str]) {
        let old = lines(texts, sizes.0);
        let new = split(&old, [None; 3], sizes, 0, &mut Vec::new());
        assert_eq!(new.lines, lines(expected, sizes.1));
        for skip in 0..=new.count {
            let rest = split(&old, [None; 3], sizes, skip, &mut Vec::new());
            assert_eq!((&rest.lines[..], rest.count), (&new.lines[skip..], new.count));
        }
    }

    #[test]
    fn texts_are_cut_at_the_last_column_and_never_in_a_character() {
        check(&["abcd"], (4, 3), &["abc", "d"]);
        check(&["abcd", "efgh", "ij"], (4, 3), &["abc", "def", "ghi", "j"]);
        check(&["abc", "def", "ghi", "j"], (3, 4), &["abcd", "efgh", "ij"]);
        check(&["ab漢d"], (5, 3), &["ab", "漢d"]);
        check(&["漢漢"], (4, 3), &["漢", "漢"]);
        check(&["漢", "漢"], (3, 4), &["漢漢"]);
        check(&["a.漢", "漢b"], (4, 2), &["a", "漢", "漢", "b"]);
    }

    #[test]
    fn blank_cells_count_within_a_text_and_not_at_its_end() {
        check(&["ab..", "cd"], (4, 3), &["ab.", ".cd"]);
        check(&["....", "cd"], (4, 2), &["", "", "cd"]);
        check(&["abc", "...."], (4, 2), &["ab", "c"]);
    }

    #[test]
    fn places_stay_with_their_text() {
        let old = lines(&["abcd", "efgh", "ij"], 4);
        let place = |line, x| Some(Place { line, x });
        let new = split(&old, [place(0, 0), place(1, 2), place(2, 4)], (4, 3), 2, &mut Vec::new());
        assert_eq!(new.places, [place(0, 0), place(2, 0), place(3, 3)]);
    }
}
