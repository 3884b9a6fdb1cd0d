//! Texts in the columns of a terminal: what of them is shown, and how much of that fits; not where
//! it is printed.

use std::{borrow::Cow, fmt::Write as _};

use unicode_width::UnicodeWidthChar as _;

use crate::palette::{Palette, Part};

/// Stands for what did not fit.
const CUT: char = '…';

/// Columns from one tab stop to the next.
const TAB: usize = 8;

/// Marks without a width that a character may carry: more than any script needs, and few enough
/// that a line stays a line.
const MARKS: usize = 8;

/// Columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// The text in at most so many columns of a terminal; one that is wider ends in `…`.
pub(crate) fn cut(text: &str, room: Option<usize>) -> Cow<'_, str> {
    let Some(room) = room.filter(|room| width(text) > *room) else { return Cow::Borrowed(text) };
    let Some(mut left) = room.checked_sub(columns(CUT)) else { return Cow::Borrowed("") };
    let mut end = 0;
    for c in text.chars() {
        let Some(rest) = left.checked_sub(columns(c)) else { break };
        (left, end) = (rest, end + c.len_utf8());
    }
    Cow::Owned(format!("{}{CUT}", &text[..end]))
}

/// The same for a path, whose end says more than its beginning: a wider one begins with `…`.
pub(crate) fn cut_front(text: &str, room: usize) -> Cow<'_, str> {
    if width(text) <= room {
        return Cow::Borrowed(text);
    }
    let Some(mut left) = room.checked_sub(columns(CUT)) else { return Cow::Borrowed("") };
    let mut start = text.len();
    for (at, c) in text.char_indices().rev() {
        let Some(rest) = left.checked_sub(columns(c)) else { break };
        (left, start) = (rest, at);
    }
    Cow::Owned(format!("{CUT}{}", &text[start..]))
}

/// A name for a terminal: what could move the cursor, change colors or reorder the text is `?`, and
/// what only changes how characters join is left out.
pub(crate) fn plain(name: &str) -> String {
    name.chars().filter_map(|c| if c.is_control() { Some('?') } else { visible(c) }).collect()
}

/// A line of a file for a terminal: as [`plain`], with tabs as they are and control characters as
/// `^M`, since there they are a difference that can be looked for.
pub(crate) fn plain_line(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    for c in line.chars() {
        match (c, caret(c)) {
            ('\t', _) => shown.push('\t'),
            (_, Some(letter)) => shown.extend(['^', letter]),
            (c, None) if c.is_control() => shown.push('?'),
            (c, None) => shown.extend(visible(c)),
        }
    }
    shown
}

/// The letter that names a control character of ASCII behind `^`.
fn caret(c: char) -> Option<char> {
    let code = u8::try_from(c).ok().filter(u8::is_ascii_control)?;
    Some(char::from(code ^ 0x40))
}

/// Characters nobody sees. Those of joining, and of emoji, are dropped, so that the width of a text
/// is that of its characters; those that reorder or hide text are shown as such.
fn visible(c: char) -> Option<char> {
    match c {
        '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' => None,
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => Some('?'),
        c => Some(c),
    }
}

fn columns(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// A line of a screen: texts with their parts, never wider than the screen, never with a control
/// character.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    room: usize,
    used: usize,
    cells: Vec<(Option<Part>, char)>,
    is_cut: bool,
}

impl Line {
    /// An empty line of so many columns.
    pub(crate) fn new(room: usize) -> Self {
        Self { room, used: 0, cells: Vec::new(), is_cut: false }
    }

    /// A line that is one text.
    pub(crate) fn of(room: usize, part: Option<Part>, text: &str) -> Self {
        let mut line = Self::new(room);
        line.push(part, text);
        line
    }

    /// Adds a text; what does not fit is replaced by `…`, also what follows it.
    pub(crate) fn push(&mut self, part: Option<Part>, text: &str) {
        for c in plain_line(text).chars() {
            if c == '\t' {
                for _ in 0..TAB - self.used % TAB {
                    self.put(part, ' ');
                }
            } else {
                self.put(part, c);
            }
        }
    }

    /// Columns that are left.
    pub(crate) fn left(&self) -> usize {
        self.room.saturating_sub(self.used)
    }

    /// The line with colors, or without.
    pub(crate) fn paint(&self, palette: Palette) -> String {
        let mut text = String::new();
        for run in self.cells.chunk_by(|a, b| a.0 == b.0) {
            let characters: String = run.iter().map(|cell| cell.1).collect();
            match run[0].0 {
                Some(part) => write!(text, "{}", palette.paint(part, characters)),
                None => write!(text, "{characters}"),
            }
            .expect("a string takes every text");
        }
        text
    }

    fn put(&mut self, part: Option<Part>, c: char) {
        if self.is_cut {
            return;
        }
        if columns(c) == 0 {
            let marks = self.cells.iter().rev().take_while(|cell| columns(cell.1) == 0).count();
            // A mark in front of everything would join what is left of the line.
            if marks < MARKS && marks < self.cells.len() {
                self.cells.push((part, c));
            }
            return;
        }
        if self.used + columns(c) <= self.room {
            self.used += columns(c);
            self.cells.push((part, c));
            return;
        }
        self.is_cut = true;
        while self.used + columns(CUT) > self.room {
            let Some((_, last)) = self.cells.pop() else { return };
            self.used -= columns(last);
        }
        self.used += columns(CUT);
        self.cells.push((part, CUT));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr as _;

    use super::*;

    #[test]
    fn a_wide_character_takes_two_columns() {
        for (text, room, expected) in [
            ("漢字", 4, "漢字"),
            ("漢字", 3, "漢…"),
            ("漢字", 2, "…"),
            ("a漢字", 4, "a漢…"),
            ("e\u{301}tude", 5, "e\u{301}tude"),
            ("e\u{301}tude", 4, "e\u{301}tu…"),
            ("ab", 1, "…"),
            ("ab", 0, ""),
        ] {
            assert_eq!(cut(text, Some(room)), expected, "{text} in {room}");
        }
    }

    #[test]
    fn a_path_keeps_its_end() {
        for (text, room, expected) in [
            ("src/main.rs", 11, "src/main.rs"),
            ("src/main.rs", 8, "…main.rs"),
            ("漢字", 3, "…字"),
            ("漢字", 2, "…"),
            ("ab", 0, ""),
        ] {
            assert_eq!(cut_front(text, room), expected, "{text} in {room}");
        }
    }

    #[test]
    fn what_is_no_picture_is_shown_as_such() {
        for (text, name, line) in [
            ("a\x1b[31m\r", "a?[31m?", "a^[[31m^M"),
            ("a\tb\x7f\u{9b}", "a?b??", "a\tb^??"),
            ("a\u{202e}b\u{feff}", "a?b?", "a?b?"),
            ("\u{2764}\u{fe0f} नि\u{200d}", "\u{2764} नि", "\u{2764} नि"),
        ] {
            assert_eq!((plain(text).as_str(), plain_line(text).as_str()), (name, line));
        }
    }

    #[test]
    fn a_line_has_tab_stops_and_an_end() {
        for (text, room, expected) in [
            ("a\tb", 20, "a       b"),
            ("12345678\tb", 20, "12345678        b"),
            ("a\tb", 4, "a  …"),
            ("漢字", 3, "漢…"),
            ("漢", 1, "…"),
            ("a", 0, ""),
            ("\u{301}a", 3, "a"),
        ] {
            let line = Line::of(room, None, text);
            assert_eq!(line.paint(Palette::new(false)), expected, "{text:?} in {room}");
        }
    }

    #[test]
    fn parts_of_a_line_have_colors() {
        let mut line = Line::of(6, Some(Part::Added), "+1");
        line.push(None, " ");
        line.push(Some(Part::Removed), "-1234");
        assert_eq!(line.paint(Palette::new(true)), "\x1b[32m+1\x1b[0m \x1b[31m-1…\x1b[0m");
    }

    proptest! {
        #[test]
        fn a_line_is_never_too_wide_and_has_no_control_character(
            texts in proptest::collection::vec("(?s).{0,20}", 0..4),
            room in 0_usize..30,
        ) {
            let mut line = Line::new(room);
            texts.iter().for_each(|text| line.push(None, text));
            let text = line.paint(Palette::new(false));
            prop_assert!(width(&text) <= room && text.width() <= room, "{text:?} in {room}");
            prop_assert!(!text.chars().any(char::is_control));
            prop_assert_eq!(line.left() + width(&text), room);
        }
    }
}
