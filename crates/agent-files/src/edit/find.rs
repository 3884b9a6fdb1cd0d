//! The search for windows of whole lines, in time linear in the file; not what replaces them.

use memchr::{memchr, memchr_iter, memmem, memrchr};

use super::lines::{Line, file_lines, trim, trim_blanks_end};

/// What of a line is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tolerance {
    /// Trailing spaces and tabs are ignored (pass 2).
    Trail,
    /// White space at both ends is ignored (pass 3).
    WhiteSpace,
}

impl Tolerance {
    /// The passes after the exact one, in their order.
    pub(super) const PASSES: [Self; 2] = [Self::Trail, Self::WhiteSpace];

    fn key<'a>(self, line: &Line<'a>) -> &'a [u8] {
        match self {
            Self::Trail => trim_blanks_end(line.text),
            Self::WhiteSpace => trim(line.text),
        }
    }
}

/// Knuth, Morris and Pratt's automaton: the state is the number of items that match so far.
///
/// Chosen because repetitive texts (rulers, tables, braces) make the plain search quadratic.
#[derive(Debug)]
pub(super) struct Automaton<T> {
    pattern: Vec<T>,
    /// For each length of a match, the longest shorter one that it ends in.
    fallback: Vec<usize>,
}

impl<T: PartialEq> Automaton<T> {
    pub(super) fn new(pattern: Vec<T>) -> Self {
        let mut automaton = Self { fallback: Vec::with_capacity(pattern.len() + 1), pattern };
        automaton.fallback.extend([0, 0]);
        for length in 1..automaton.pattern.len() {
            let state = automaton.fallback[length];
            let next = automaton.advance(state, &automaton.pattern[length]);
            automaton.fallback.push(next);
        }
        automaton
    }

    pub(super) fn len(&self) -> usize {
        self.pattern.len()
    }

    /// The state from which a match that overlaps the one just completed can grow.
    pub(super) fn overlapping(&self) -> usize {
        self.fallback[self.len()]
    }

    /// The state after one more item; a state of [`Self::len`] is a match and must not be advanced.
    pub(super) fn advance(&self, mut state: usize, item: &T) -> usize {
        while self.pattern[state] != *item {
            if state == 0 {
                return 0;
            }
            state = self.fallback[state];
        }
        state + 1
    }
}

/// Lines to look for in a file.
#[derive(Debug)]
pub(super) struct Pattern<'p> {
    tolerance: Tolerance,
    automaton: Automaton<&'p [u8]>,
    /// Finds the longest line, which is rare in most files, before any line is compared.
    probe: memmem::Finder<'p>,
    probe_line: usize,
}

impl<'p> Pattern<'p> {
    /// Takes lines of which at least one has more than white space.
    pub(super) fn new(lines: &[Line<'p>], tolerance: Tolerance) -> Self {
        let keys: Vec<&[u8]> = lines.iter().map(|line| tolerance.key(line)).collect();
        let (probe_line, probe) = (keys.iter().copied().enumerate())
            .max_by_key(|(_, key)| key.len())
            .expect("a pattern has lines");
        let probe = memmem::Finder::new(probe);
        Self { tolerance, automaton: Automaton::new(keys), probe, probe_line }
    }

    /// The windows of a file that equal the lines, from the top, none overlapping another.
    pub(super) fn windows<'a>(&'a self, content: &'a [u8]) -> Windows<'a> {
        let top = Position { offset: 0, line: 0 };
        Windows { pattern: self, content, feed: Some(top), feed_to: 0, search: Some(top), state: 0 }
    }
}

/// The start of a line.
#[derive(Clone, Copy, Debug)]
struct Position {
    offset: usize,
    /// Counted from 0.
    line: usize,
}

/// Whole lines of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// First byte.
    pub(super) start: usize,
    /// Past the last byte, its ending included.
    pub(super) end: usize,
    /// Number of the first line, counted from 1.
    pub(super) line: usize,
}

/// Iterator over the windows of a pattern.
///
/// Only lines around an occurrence of the probe are fed to the automaton:
///
/// ```text
///            search ─── probe found in line p ───► search goes on in line p + 1
///   feed ──► line p - probe_line  …  line p  …  feed_to
/// ```
///
/// Neither `feed` nor `search` ever moves back, so each byte is looked at a fixed number of times.
#[derive(Debug)]
pub(super) struct Windows<'a> {
    pattern: &'a Pattern<'a>,
    content: &'a [u8],
    /// Next line for the automaton; none after the last line.
    feed: Option<Position>,
    /// The first line that needs no feeding, counted from 0.
    feed_to: usize,
    /// Line from which the probe is looked for; none after the last line.
    search: Option<Position>,
    state: usize,
}

impl Windows<'_> {
    /// The start of the line `count` lines above the one that starts at `offset`.
    fn above(&self, mut offset: usize, count: usize) -> usize {
        for _ in 0..count {
            let before = &self.content[..offset.saturating_sub(1)];
            offset = memrchr(b'\n', before).map_or(0, |at| at + 1);
        }
        offset
    }

    /// Feeds the automaton up to `feed_to` or the end of a match.
    fn feed(&mut self) -> Option<Window> {
        while let Some(at) = self.feed.filter(|at| at.line < self.feed_to) {
            let rest = &self.content[at.offset..];
            let line = file_lines(rest).next().expect("a file has a line at each line start");
            self.feed = line.ending.map(|ending| Position {
                offset: at.offset + line.text.len() + ending.bytes().len(),
                line: at.line + 1,
            });
            let key = self.pattern.tolerance.key(&line);
            self.state = self.pattern.automaton.advance(self.state, &key);
            let count = self.pattern.automaton.len();
            if self.state == count {
                self.state = 0;
                return Some(Window {
                    start: self.above(at.offset, count - 1),
                    end: self.feed.map_or(self.content.len(), |next| next.offset),
                    line: at.line + 2 - count,
                });
            }
        }
        None
    }

    /// Moves to the lines around the next occurrence of the probe; false when there is none.
    fn seek(&mut self) -> bool {
        let Some(from) = self.search else { return false };
        let rest = &self.content[from.offset..];
        let Some(found) = self.pattern.probe.find(rest) else { return false };
        let line = from.line + memchr_iter(b'\n', &rest[..found]).count();
        let offset = from.offset + memrchr(b'\n', &rest[..found]).map_or(0, |at| at + 1);
        let hit = Position { offset, line };
        self.search = memchr(b'\n', &rest[found..])
            .map(|at| Position { offset: from.offset + found + at + 1, line: line + 1 });
        let first = hit.line.saturating_sub(self.pattern.probe_line);
        self.feed_to = first + self.pattern.automaton.len();
        if let Some(next) = self.feed.filter(|next| next.line < first) {
            debug_assert!(next.offset <= hit.offset);
            let offset = self.above(hit.offset, hit.line - first);
            self.feed = Some(Position { offset, line: first });
            self.state = 0;
        }
        true
    }
}

impl Iterator for Windows<'_> {
    type Item = Window;

    fn next(&mut self) -> Option<Window> {
        loop {
            if let Some(window) = self.feed() {
                return Some(window);
            }
            if !self.seek() {
                return None;
            }
        }
    }
}

/// Turns rising offsets of a file into line numbers, counted from 1.
#[derive(Debug)]
pub(super) struct LineNumbers<'a> {
    content: &'a [u8],
    offset: usize,
    line: usize,
}

impl<'a> LineNumbers<'a> {
    pub(super) fn new(content: &'a [u8]) -> Self {
        Self { content, offset: 0, line: 1 }
    }

    /// The number of the line that holds the byte at `offset`, which is not below an earlier one.
    pub(super) fn at(&mut self, offset: usize) -> usize {
        self.line += memchr_iter(b'\n', &self.content[self.offset..offset]).count();
        self.offset = offset;
        self.line
    }
}
