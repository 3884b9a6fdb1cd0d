//! Matches as lines of text with their context, each line once; not where the matches come from.
//!
//! Contexts of neighboring matches overlap, so the lines after a match wait until the next match is
//! known.

use std::fmt::Write as _;

use agent_sdk::api::SearchMatch;

use crate::{
    format::without_controls,
    palette::{Palette, Part},
};

/// Turns matches, in the order of the answer, into text.
#[derive(Debug)]
pub(super) struct MatchLines {
    palette: Palette,
    to_terminal: bool,
    column: bool,
    context: bool,
    path: String,
    /// Number of the last line printed of `path`.
    last: Option<u64>,
    /// Whether anything was printed.
    begun: bool,
    /// Lines after the last match that were not printed yet.
    waiting: Vec<(u64, String)>,
    text: String,
}

impl MatchLines {
    /// Text for a terminal or not, with the column of matches or not, with groups of lines set
    /// apart when there is context.
    pub(super) fn new(palette: Palette, to_terminal: bool, column: bool, context: bool) -> Self {
        let (path, text) = (String::new(), String::new());
        let (last, begun, waiting) = (None, false, Vec::new());
        Self { palette, to_terminal, column, context, path, last, begun, waiting, text }
    }

    /// Takes one match and returns the text that is complete with it.
    pub(super) fn push(&mut self, found: SearchMatch) -> String {
        let same_file = found.path == self.path;
        self.print_waiting(if same_file { found.line } else { u64::MAX });
        if !same_file {
            self.path.clone_from(&found.path);
            self.last = None;
        }
        let printed = self.last.unwrap_or(0);
        let first = found.line.saturating_sub(found.before.len() as u64);
        for (number, line) in (first..).zip(&found.before) {
            if number > printed {
                self.print_context(number, line);
            }
        }
        self.print_match(&found);
        self.waiting = (found.line.saturating_add(1)..).zip(found.after).collect();
        std::mem::take(&mut self.text)
    }

    /// Returns what still waited for another match.
    pub(super) fn finish(&mut self) -> String {
        self.print_waiting(u64::MAX);
        std::mem::take(&mut self.text)
    }

    fn print_waiting(&mut self, before: u64) {
        for (number, line) in std::mem::take(&mut self.waiting) {
            if number < before {
                self.print_context(number, &line);
            }
        }
    }

    /// Sets a group of lines apart from the one before it.
    fn separate(&mut self, number: u64) {
        let follows = self.last.is_some_and(|last| last.checked_add(1) == Some(number));
        if self.context && self.begun && !follows {
            let mark = self.palette.paint(Part::Separator, "--");
            writeln!(self.text, "{mark}").expect("a string takes every text");
        }
        self.last = Some(number);
        self.begun = true;
    }

    fn print_context(&mut self, number: u64, line: &str) {
        self.print_head(number, None, '-');
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn print_match(&mut self, found: &SearchMatch) {
        self.print_head(found.line, self.column.then_some(found.column), ':');
        let mut rest = 0;
        for hit in &found.submatches {
            // A cut line shows a piece, and replaced bytes shift what follows them: an offset that
            // does not fit loses its color and nothing else.
            let offset = |at: u64| usize::try_from(at.saturating_sub(found.text_start)).ok();
            let (Some(start), Some(end)) = (offset(hit.start), offset(hit.end)) else { continue };
            let pieces = (found.text.get(rest..start), found.text.get(start..end));
            let (Some(between), Some(hit)) = pieces else { continue };
            let hit = self.palette.paint(Part::Match, hit);
            write!(self.text, "{between}{hit}").expect("a string takes every text");
            rest = end;
        }
        self.text.push_str(found.text.get(rest..).unwrap_or_default());
        self.text.push_str(if found.cut { " [cut]\n" } else { "\n" });
    }

    fn print_head(&mut self, number: u64, column: Option<u64>, mark: char) {
        self.separate(number);
        let path =
            if self.to_terminal { without_controls(&self.path) } else { (&self.path).into() };
        let mark = self.palette.paint(Part::Separator, mark);
        let path = self.palette.paint(Part::Path, path);
        let number = self.palette.paint(Part::Number, number);
        write!(self.text, "{path}{mark}{number}{mark}").expect("a string takes every text");
        if let Some(column) = column {
            write!(self.text, "{column}{mark}").expect("a string takes every text");
        }
    }
}

#[cfg(test)]
mod tests {
    use agent_sdk::api::Submatch;

    use super::*;

    fn found(path: &str, line: u64, before: &[&str], after: &[&str]) -> SearchMatch {
        let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        SearchMatch {
            path: path.to_owned(),
            line,
            column: 1,
            text: format!("match {line}"),
            submatches: vec![Submatch { start: 0, end: 5 }],
            before: owned(before),
            after: owned(after),
            ..SearchMatch::default()
        }
    }

    fn print(matches: Vec<SearchMatch>, context: bool) -> Vec<String> {
        let mut lines = MatchLines::new(Palette::new(false), false, false, context);
        let mut text: String = matches.into_iter().map(|found| lines.push(found)).collect();
        text.push_str(&lines.finish());
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_match_is_path_line_and_text() {
        let matches = vec![found("/a", 3, &[], &[]), found("/b", 1, &[], &[])];
        assert_eq!(print(matches, false), ["/a:3:match 3", "/b:1:match 1"]);
    }

    #[test]
    fn lines_of_overlapping_contexts_are_printed_once() {
        let matches = vec![
            found("/a", 3, &["1", "2"], &["match 4", "5"]),
            found("/a", 4, &["2", "match 3"], &["5", "6"]),
            found("/a", 7, &["5", "6"], &["8", "9"]),
        ];
        let expected = [
            "/a-1-1",
            "/a-2-2",
            "/a:3:match 3",
            "/a:4:match 4",
            "/a-5-5",
            "/a-6-6",
            "/a:7:match 7",
            "/a-8-8",
            "/a-9-9",
        ];
        assert_eq!(print(matches, true), expected);
    }

    #[test]
    fn groups_are_set_apart() {
        let matches = vec![
            found("/a", 2, &["1"], &["3"]),
            found("/a", 9, &["8"], &["10"]),
            found("/b", 1, &[], &["2"]),
        ];
        let expected = [
            "/a-1-1",
            "/a:2:match 2",
            "/a-3-3",
            "--",
            "/a-8-8",
            "/a:9:match 9",
            "/a-10-10",
            "--",
            "/b:1:match 1",
            "/b-2-2",
        ];
        assert_eq!(print(matches, true), expected);
    }

    fn in_color(found: SearchMatch) -> String {
        MatchLines::new(Palette::new(true), false, true, false).push(found)
    }

    #[test]
    fn what_matched_has_a_color() {
        let text = in_color(found("/a", 3, &[], &[]));
        assert!(text.ends_with("\x1b[1m\x1b[31mmatch\x1b[0m 3\n"), "{text:?}");
        assert!(text.contains("\x1b[32m3\x1b[0m\x1b[36m:\x1b[0m1\x1b[36m:"), "{text:?}");
    }

    #[test]
    fn offsets_of_a_cut_line_begin_where_its_text_begins() {
        let mut line = found("/a", 3, &[], &[]);
        line.submatches = vec![Submatch { start: 100, end: 105 }];
        (line.text_start, line.cut) = (100, true);
        assert!(in_color(line).ends_with("\x1b[31mmatch\x1b[0m 3 [cut]\n"));
    }

    #[test]
    fn offsets_outside_the_text_lose_their_color_only() {
        let offsets = [(3, 900), (900, 901), (2, 1), (u64::MAX, u64::MAX)];
        let mut line = found("/a", 3, &[], &[]);
        line.text = "\u{fffd}\u{fffd} match".to_owned();
        line.submatches = offsets.map(|(start, end)| Submatch { start, end }).to_vec();
        assert!(in_color(line).ends_with("\u{fffd}\u{fffd} match\n"));
    }
}
