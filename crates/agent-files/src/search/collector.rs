//! Finds the matching lines of one file in the regions that are read of it, with the lines around
//! them. It holds no more than the hits, the lines that a hit may still want before it, and
//! nothing of the disk.
//!
//! ```text
//!          ┌ counted: `line` lines end here
//!          │        ┌ fed: lines up to here were offered to open hits
//! region ──┴────────┴──────┬─ at: matched up to here ──────────────►
//!                          └ next line
//! ```

use std::collections::VecDeque;

use agent_api::{ETag, SearchMatch, Submatch};
use memchr::{memchr, memchr_iter, memrchr};

use super::{
    cut::{around, head, without_ending},
    pattern::Matcher,
};
use crate::walk::{Clock, Resume};

/// Most submatches of a line; further ones are left out.
const MAX_LINE_SUBMATCHES: usize = 10_000;
/// Searches in one line between two looks at the clock.
const SEARCHES_PER_LOOK: usize = 64;

/// How lines are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// Lines before and after a hit.
    pub(super) context_lines: usize,
    /// Most bytes of a line.
    pub(super) max_line_bytes: usize,
}

/// How much more an answer can take. A file is left when it has more than that.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowance {
    /// Matching lines.
    pub(super) matches: usize,
    /// Bytes of text.
    pub(super) bytes: usize,
    /// Submatches.
    pub(super) submatches: usize,
}

/// A matching line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// What is answered; the path is left empty here.
    pub(super) found: SearchMatch,
    /// The place before the line.
    pub(super) at: Resume,
}

/// Why a file was left before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It has more hits than are allowed.
    Full,
    /// The time is over; everything before the place is done.
    TimedOut(Resume),
}

/// The search of one file.
#[derive(Debug)]
pub(super) struct Collector<'m, 'p> {
    matcher: &'m mut Matcher<'p>,
    style: Style,
    allowance: Allowance,
    clock: Clock<'m>,
    version: Option<ETag>,
    /// Lines that end before [`Self::counted`].
    line: u64,
    counted: usize,
    /// Place in the file where the region begins.
    base: u64,
    /// Lines at the beginning that are not searched.
    unsearched: u64,
    fed: usize,
    /// Index of the first hit that wants more lines after it.
    open: usize,
    /// The last lines before the region.
    history: VecDeque<String>,
    bytes: usize,
    submatches: usize,
    /// Set when the search of the file is over, although hits may still want lines after them.
    left: Option<Left>,
    /// The hits so far; the last one is beyond the allowance when the file was left as full.
    pub(super) hits: Vec<Hit>,
    /// The first line of which only a part was matched.
    pub(super) long_line: Option<u64>,
}

impl Hit {
    /// Bytes of all its texts.
    pub(super) fn text_bytes(&self) -> usize {
        let around = self.found.before.iter().chain(&self.found.after);
        self.found.text.len() + around.map(String::len).sum::<usize>()
    }
}

impl Allowance {
    /// What is left of it after some hits.
    pub(super) fn less(self, hits: &[Hit]) -> Self {
        let bytes: usize = hits.iter().map(Hit::text_bytes).sum();
        let submatches: usize = hits.iter().map(|hit| hit.found.submatches.len()).sum();
        Self {
            matches: self.matches.saturating_sub(hits.len()),
            bytes: self.bytes.saturating_sub(bytes),
            submatches: self.submatches.saturating_sub(submatches),
        }
    }
}

impl<'m, 'p> Collector<'m, 'p> {
    /// Begins at a place whose lines are numbered from `start.line` + 1, and searches from the
    /// line `from` + 1 on.
    pub(super) fn new(
        matcher: &'m mut Matcher<'p>,
        style: Style,
        allowance: Allowance,
        (start, from): (Resume, u64),
        clock: Clock<'m>,
    ) -> Self {
        Self {
            matcher,
            style,
            allowance,
            clock,
            version: start.version,
            line: start.line,
            counted: 0,
            base: start.offset,
            unsearched: from,
            fed: 0,
            open: 0,
            history: VecDeque::new(),
            bytes: 0,
            submatches: 0,
            left: None,
            hits: Vec::new(),
            long_line: None,
        }
    }

    /// Searches the next bytes of the file: whole lines, the last one of which may lack its ending
    /// at the end of the file.
    pub(super) fn add(&mut self, region: &[u8]) -> Option<Left> {
        let mut at = self.skip(region);
        self.fed = at;
        while at < region.len() && self.left.is_none() {
            if self.clock.is_over() {
                self.left = Some(Left::TimedOut(self.place(region, at)));
                break;
            }
            let slice = self.slice(region, at);
            at = match self.matcher.sift(region, at..slice.matched) {
                Some(near) => self.look_at(region, at, near).unwrap_or(slice.end),
                None => slice.end,
            };
        }
        self.feed(region, region.len());
        if self.left.is_some() && self.is_settled() {
            return self.left;
        }
        self.pass(region);
        None
    }

    /// Says that the last line of the last region goes on for `bytes`, which nobody looks at.
    pub(super) fn line_goes_on(&mut self, bytes: u64) {
        self.line += 1;
        self.base += bytes;
        self.long_line.get_or_insert(self.line);
    }

    /// Ends the search in the rest of a line that is passed, since the time is over.
    pub(super) fn give_up(&mut self) -> Left {
        self.line_goes_on(0);
        // Where the next line begins is not known, so the line alone counts.
        Left::TimedOut(Resume { line: self.line, ..Resume::default() })
    }

    /// Bytes of a line that are matched.
    pub(super) fn longest_line(&self) -> usize {
        self.matcher.pattern.line_bytes
    }

    /// Why the file was left, although its end came before a hit had its lines after it.
    pub(super) fn finish(&self) -> Option<Left> {
        self.left
    }

    /// Passes the lines that are not searched.
    fn skip(&mut self, region: &[u8]) -> usize {
        if self.line >= self.unsearched {
            return 0;
        }
        let mut at = 0;
        let missing = usize::try_from(self.unsearched - self.line).unwrap_or(usize::MAX);
        for end in memchr_iter(b'\n', region).take(missing) {
            at = end + 1;
            self.line += 1;
        }
        self.counted = at;
        if self.line < self.unsearched { region.len() } else { at }
    }

    /// The lines to give to the matcher at once.
    fn slice(&mut self, region: &[u8], at: usize) -> Slice {
        let most = at + self.matcher.pattern.slice_bytes;
        if most >= region.len() {
            return Slice { matched: region.len(), end: region.len() };
        }
        if let Some(lf) = memrchr(b'\n', &region[at..most]) {
            return Slice { matched: at + lf + 1, end: at + lf + 1 };
        }
        let end = memchr(b'\n', &region[most..]).map_or(region.len(), |lf| most + lf + 1);
        let matched = end.min(at + self.matcher.pattern.line_bytes);
        if matched < end {
            let line = self.place(region, at).line + 1;
            self.long_line.get_or_insert(line);
        }
        Slice { matched, end }
    }

    /// Decides about the line at `near`, which is a hit or not, and answers where it ends; `None`
    /// when there is no line, because the place is behind the last one of the slice.
    fn look_at(&mut self, region: &[u8], at: usize, near: usize) -> Option<usize> {
        let start = memrchr(b'\n', &region[at..near]).map_or(at, |lf| at + lf + 1);
        if start == region.len() {
            return None;
        }
        let end = memchr(b'\n', &region[near..]).map_or(region.len(), |lf| near + lf + 1);
        let line = without_ending(&region[start..end]);
        let matched = &line[..line.len().min(self.matcher.pattern.line_bytes)];
        if let Some((first, submatches)) = self.submatches_of(matched) {
            self.hit(region, start..end, first, submatches);
        }
        Some(end)
    }

    /// The matches in a line and where the first of them begins; `None` when there is none.
    ///
    /// Empty matches do not count beside others.
    fn submatches_of(&mut self, line: &[u8]) -> Option<(usize, Vec<Submatch>)> {
        let mut found = self.matcher.find(line, 0)?;
        let mut first = found.start();
        let mut submatches = Vec::new();
        for searches in 1_usize.. {
            let next = if found.is_empty() {
                found.end() + 1
            } else {
                if submatches.is_empty() {
                    first = found.start();
                }
                let (start, end) = (found.start() as u64, found.end() as u64);
                submatches.push(Submatch { start, end });
                found.end()
            };
            // Each search may run to the end of a long line, so there could be no end to them.
            let is_late = searches.is_multiple_of(SEARCHES_PER_LOOK) && self.clock.is_over();
            if next > line.len() || submatches.len() == MAX_LINE_SUBMATCHES || is_late {
                break;
            }
            match self.matcher.find(line, next) {
                Some(another) => found = another,
                None => break,
            }
        }
        Some((first, submatches))
    }

    fn hit(
        &mut self,
        region: &[u8],
        span: std::ops::Range<usize>,
        first: usize,
        submatches: Vec<Submatch>,
    ) {
        let at = self.place(region, span.start);
        self.feed(region, span.end);
        let piece = around(without_ending(&region[span.clone()]), first, self.style.max_line_bytes);
        let hit = Hit {
            found: SearchMatch {
                path: String::new(),
                line: at.line + 1,
                column: first as u64 + 1,
                text: piece.text,
                text_start: piece.start as u64,
                cut: piece.cut,
                submatches,
                before: self.before(region, span.start),
                after: Vec::new(),
            },
            at,
        };
        self.bytes += hit.text_bytes();
        self.submatches += hit.found.submatches.len();
        self.hits.push(hit);
        let allowed = self.allowance;
        let over = self.bytes > allowed.bytes || self.submatches > allowed.submatches;
        // A single hit is never too much for an empty answer.
        if self.hits.len() > allowed.matches || over && self.hits.len() > 1 {
            self.left = Some(Left::Full);
        }
    }

    /// Lines before one, the nearest last.
    fn before(&self, region: &[u8], start: usize) -> Vec<String> {
        let wanted = self.style.context_lines;
        let mut lines = self.last_lines(region, start);
        let missing = wanted - lines.len();
        lines.extend(self.history.iter().rev().take(missing).cloned());
        lines.reverse();
        lines
    }

    /// Lines of the region before a place, the nearest first.
    fn last_lines(&self, region: &[u8], mut end: usize) -> Vec<String> {
        let mut lines = Vec::with_capacity(self.style.context_lines);
        while end > 0 && lines.len() < self.style.context_lines {
            let start = memrchr(b'\n', &region[..end - 1]).map_or(0, |lf| lf + 1);
            lines.push(head(without_ending(&region[start..end]), self.style.max_line_bytes));
            end = start;
        }
        lines
    }

    /// Offers the lines up to a place to the hits that want lines after them.
    fn feed(&mut self, region: &[u8], to: usize) {
        while self.fed < to && !self.is_settled() {
            let end =
                memchr(b'\n', &region[self.fed..]).map_or(region.len(), |lf| self.fed + lf + 1);
            let text = head(without_ending(&region[self.fed..end]), self.style.max_line_bytes);
            let wanting = self.wanting();
            for hit in &mut self.hits[self.open..wanting] {
                self.bytes += text.len();
                hit.found.after.push(text.clone());
            }
            let wanted = self.style.context_lines;
            let open = &self.hits[self.open..wanting];
            self.open += open.iter().take_while(|hit| hit.found.after.len() == wanted).count();
            self.fed = end;
        }
        self.fed = self.fed.max(to);
    }

    /// Whether no hit wants more lines after it.
    fn is_settled(&self) -> bool {
        self.style.context_lines == 0 || self.open >= self.wanting()
    }

    /// How many hits can be answered: the last one cannot when the file is full.
    fn wanting(&self) -> usize {
        self.hits.len() - usize::from(self.left == Some(Left::Full))
    }

    /// The place in the file of the beginning of a line.
    fn place(&mut self, region: &[u8], at: usize) -> Resume {
        self.line += memchr_iter(b'\n', &region[self.counted..at]).count() as u64;
        self.counted = at;
        Resume { line: self.line, offset: self.base + at as u64, version: self.version }
    }

    /// Leaves a region for the next one.
    fn pass(&mut self, region: &[u8]) {
        let place = self.place(region, region.len());
        if self.style.context_lines > 0 {
            let lines = self.last_lines(region, region.len());
            self.history.extend(lines.into_iter().rev());
            let surplus = self.history.len().saturating_sub(self.style.context_lines);
            self.history.drain(..surplus);
        }
        self.base = place.offset;
        self.counted = 0;
        self.fed = 0;
    }
}

/// A part of a region that ends with a line.
struct Slice {
    /// End of what is matched.
    matched: usize,
    /// End of the part.
    end: usize,
}
