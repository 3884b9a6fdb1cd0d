//! The hunks between two texts, as git prints them.

use git2::{DiffOptions, Patch};
use memchr::memchr;

use super::effort::{is_affordable, shared_ends};

/// Lines of context around a change; git's default.
const CONTEXT: u32 = 3;

/// Longest heading of a hunk in bytes.
///
/// Source: git cuts the line that it found there.
const MAX_HEADING: usize = 80;

const NO_NEWLINE: &[u8] = b"\n\\ No newline at end of file\n";

/// Hunks as text, and how many lines they add and delete.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hunks {
    pub(super) text: Vec<u8>,
    pub(super) additions: u64,
    pub(super) deletions: u64,
}

impl Hunks {
    /// Compares two texts; no hunks when they are equal.
    ///
    /// Where git would compute for seconds, which takes more than 100 000 lines, everything between
    /// what both begin and end with is replaced. Such hunks are too long to be shown; only the
    /// counts are other ones than git's.
    ///
    /// # Errors
    ///
    /// When libgit2 has no memory.
    pub(super) fn between(old: &[u8], new: &[u8]) -> Result<Self, git2::Error> {
        if old.is_empty() || new.is_empty() {
            return Ok(Self::of_one_side(old, new));
        }
        if !is_affordable(old, new) {
            return Ok(Self::replacing(old, new));
        }
        let mut options = DiffOptions::new();
        options.context_lines(CONTEXT).interhunk_lines(0).indent_heuristic(true).force_text(true);
        let patch = Patch::from_buffers(old, None, new, None, Some(&mut options))?;
        let mut hunks = Self::default();
        let mut headings = Headings::new(old);
        for index in 0..patch.num_hunks() {
            let (hunk, lines) = patch.hunk(index)?;
            let heading = headings.before(hunk.old_start().saturating_sub(1));
            hunks.header(
                (hunk.old_start(), hunk.old_lines()),
                (hunk.new_start(), hunk.new_lines()),
                heading,
            );
            for line in 0..lines {
                let line = patch.line_in_hunk(index, line)?;
                hunks.line(line.origin(), line.content());
            }
        }
        Ok(hunks)
    }

    /// One hunk with all lines of the side that has any.
    fn of_one_side(old: &[u8], new: &[u8]) -> Self {
        let mut hunks = Self::default();
        let (origin, contents) = if old.is_empty() { ('+', new) } else { ('-', old) };
        if contents.is_empty() {
            return hunks;
        }
        let lines = count_lines(contents);
        hunks.text.reserve(contents.len() + lines as usize + 64);
        match origin {
            '+' => hunks.header((0, 0), (1, lines), &[]),
            _ => hunks.header((1, lines), (0, 0), &[]),
        }
        for line in Lines(contents) {
            hunks.line(origin, line);
        }
        hunks
    }

    /// One hunk that replaces everything between what both begin and end with.
    fn replacing(old: &[u8], new: &[u8]) -> Self {
        let (old_lines, new_lines): (Vec<_>, Vec<_>) = (Lines(old).collect(), Lines(new).collect());
        let (start, end) = shared_ends(&old_lines, &new_lines);
        let context = CONTEXT as usize;
        let (before, after) = (start.saturating_sub(context), end.saturating_sub(context));
        let (old_end, new_end) = (old_lines.len() - end, new_lines.len() - end);
        let range = |end: usize| {
            let lines = end + (old_lines.len() - old_end) - after - before;
            (before as u32 + u32::from(lines > 0), lines as u32)
        };
        let mut hunks = Self::default();
        let heading = Headings::new(old).before(before as u32);
        hunks.header(range(old_end), range(new_end), heading);
        let parts = [
            (' ', &old_lines[before..start]),
            ('-', &old_lines[start..old_end]),
            ('+', &new_lines[start..new_end]),
            (' ', &old_lines[old_end..old_lines.len() - after]),
        ];
        for (origin, lines) in parts {
            lines.iter().for_each(|line| hunks.line(origin, line));
        }
        hunks
    }

    fn header(&mut self, old: (u32, u32), new: (u32, u32), heading: &[u8]) {
        let range = |(start, lines): (u32, u32)| match lines {
            1 => start.to_string(),
            _ => format!("{start},{lines}"),
        };
        let positions = format!("@@ -{} +{} @@", range(old), range(new));
        self.text.extend_from_slice(positions.as_bytes());
        if !heading.is_empty() {
            self.text.push(b' ');
            self.text.extend_from_slice(heading);
        }
        self.text.push(b'\n');
    }

    fn line(&mut self, origin: char, content: &[u8]) {
        match origin {
            '+' => self.additions += 1,
            '-' => self.deletions += 1,
            ' ' => {}
            // libgit2 tells of missing line ends as lines of their own; the content shows them.
            _ => return,
        }
        self.text.push(origin as u8);
        self.text.extend_from_slice(content);
        if content.last() != Some(&b'\n') {
            self.text.extend_from_slice(NO_NEWLINE);
        }
    }
}

/// Lines of a text with their ends; an incomplete last line counts.
fn count_lines(text: &[u8]) -> u32 {
    Lines(text).count() as u32
}

pub(super) struct Lines<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = memchr(b'\n', self.0).map_or(self.0.len(), |newline| newline + 1);
        let (line, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(line)
    }
}

/// Finds the headings of hunks: the last line before a hunk that begins with a letter, `_` or `$`.
///
/// libgit2 finds them too, but cuts them at other places.
struct Headings<'a> {
    rest: Lines<'a>,
    passed: u32,
    last: &'a [u8],
}

impl<'a> Headings<'a> {
    fn new(old: &'a [u8]) -> Self {
        Self { rest: Lines(old), passed: 0, last: &[] }
    }

    /// The heading of a hunk that begins after so many lines; asked in ascending order.
    fn before(&mut self, lines: u32) -> &'a [u8] {
        while self.passed < lines
            && let Some(line) = self.rest.next()
        {
            self.passed += 1;
            if matches!(line[0], b'_' | b'$') || line[0].is_ascii_alphabetic() {
                self.last = line;
            }
        }
        let cut = &self.last[..self.last.len().min(MAX_HEADING)];
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let end = cut.iter().rposition(|byte| !is_space(byte)).map_or(0, |last| last + 1);
        let chunk = cut[..end].utf8_chunks().next().map_or("", |chunk| chunk.valid());
        // Git ends headings where UTF-8 ends, and takes these two for no characters.
        chunk.split(['\u{fffe}', '\u{ffff}']).next().unwrap_or_default().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: &str, new: &str, text: &str, counts: (u64, u64)) {
        let hunks = Hunks::between(old.as_bytes(), new.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(hunks.text).unwrap(), text);
        assert_eq!((hunks.additions, hunks.deletions), counts);
    }

    #[test]
    fn one_side_is_one_hunk() {
        check("", "", "", (0, 0));
        check("", "a\n", "@@ -0,0 +1 @@\n+a\n", (1, 0));
        check("a\n\nb", "", "@@ -1,3 +0,0 @@\n-a\n-\n-b\n\\ No newline at end of file\n", (0, 3));
    }

    #[test]
    fn a_line_end_that_came_or_went_is_said() {
        check("a", "a\n", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n", (1, 1));
        check(
            "a\nb",
            "c\nb",
            "@@ -1,2 +1,2 @@\n-a\n+c\n b\n\\ No newline at end of file\n",
            (1, 1),
        );
        check("a\n", "a\r\n", "@@ -1 +1 @@\n-a\n+a\r\n", (1, 1));
    }

    #[test]
    fn a_replacement_keeps_both_ends() {
        let check = |old: &[u8], new: &[u8]| {
            let replaced = Hunks::replacing(old, new);
            assert_eq!(replaced, Hunks::between(old, new).unwrap());
        };
        check(b"f\n1\n2\n3\na\nb\n4\n5\n6\n7", b"f\n1\n2\n3\nc\n4\n5\n6\n7");
        check(b"a\n1", b"b\n1");
        check(b"1\na\n", b"1\n");
        check(b"1\n", b"a\n1\n");
        check(b"a", b"b\n");
    }

    #[test]
    fn what_would_take_long_is_replaced() {
        let text = |mut state: u32| -> Vec<u8> {
            let lines = (0..120_000).flat_map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                [b'a' + (state >> 24) as u8 % 26, b'\n']
            });
            lines.collect()
        };
        let (old, new) = (text(1), text(2));
        assert!(Hunks::between(&old, &new).unwrap().deletions > 119_900);
        let edited = [&old[..100_000], b"x\ny\n", &old[100_004..]].concat();
        assert!(Hunks::between(&old, &edited).unwrap().deletions <= 2);
    }

    #[test]
    fn a_heading_is_the_last_name_before_the_hunk() {
        let old = "int main() \t\n{\n 1\n 2\n 3\n 4\n";
        let new = "int main() \t\n{\n 1\n 2\n 3\n 5\n";
        check(old, new, "@@ -3,4 +3,4 @@ int main()\n  1\n  2\n  3\n- 4\n+ 5\n", (1, 1));
    }
}
