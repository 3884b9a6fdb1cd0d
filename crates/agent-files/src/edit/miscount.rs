//! Lines that differ from the file's in how often one character is repeated; not other typing slips.

use std::collections::BTreeMap;
use std::fmt;

use super::lines::{file_lines, lines};
use super::refusal::listing;

/// Most file lines named for one line of `old_text` and one character.
const MAX_PLACES: usize = 5;
/// Most pairs of an old line and a character that are named.
const MAX_GROUPS: usize = 3;

/// Old lines that equal no line of the file, with the file lines that one count sets apart.
///
/// In the order of the old lines, then of the file; the first three, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Miscounts {
    named: Vec<Group>,
    total: usize,
}

/// The file lines that differ from one old line in one character's count.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    /// Number of the line in `old_text`, counted from 1.
    old_line: usize,
    character: char,
    old_count: usize,
    /// The first few.
    places: Vec<Place>,
    total: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    count: usize,
    /// Number of the line in the file, counted from 1.
    line: usize,
}

impl Miscounts {
    /// Compares each line of `old_text` with each of the file, trimmed; empty ones take no part.
    pub(super) fn find(content: &[u8], old_text: &str) -> Option<Self> {
        let mut old = unmatched(old_text);
        for (number, line) in (1..).zip(file_lines(content)) {
            let text = String::from_utf8_lossy(line.trimmed());
            if !text.is_empty() {
                compare(&mut old, number, &text);
            }
        }
        let mut named: Vec<Group> = old.into_iter().flat_map(|old| old.groups).collect();
        let total = named.len();
        named.truncate(MAX_GROUPS);
        (total > 0).then_some(Self { named, total })
    }
}

/// A line of `old_text` that no line of the file has equaled so far.
struct Old {
    line: usize,
    text: String,
    tally: Tally,
    counts: Counts,
    /// In the order of their first file lines.
    groups: Vec<Group>,
    /// Indices of the groups by character; there may be as many as the file has lines.
    index: BTreeMap<char, usize>,
}

fn unmatched(old_text: &str) -> Vec<Old> {
    let texts = lines(old_text).map(|line| String::from_utf8_lossy(line.trimmed()).into_owned());
    let numbered = (1..).zip(texts).filter(|(_, text)| !text.is_empty());
    let old = numbered.map(|(line, text)| {
        let (tally, counts) = (Tally::of(&text), Counts::of(&text));
        Old { line, text, tally, counts, groups: Vec::new(), index: BTreeMap::new() }
    });
    old.collect()
}

/// Drops the old lines that equal a file line and adds the line to the groups of the others.
fn compare(old: &mut Vec<Old>, number: usize, text: &str) {
    let tally = Tally::of(text);
    old.retain(|old| old.tally != tally || old.text != text);
    let mut counts = None;
    for old in old.iter_mut().filter(|old| tally.may_differ_in_one(old.tally)) {
        let counts = counts.get_or_insert_with(|| Counts::of(text));
        let Some((character, old_count, count)) = old.counts.only_difference(counts) else {
            continue;
        };
        if old_count.max(count) >= 2 {
            old.group(character, old_count).add(Place { count, line: number });
        }
    }
}

impl Old {
    fn group(&mut self, character: char, old_count: usize) -> &mut Group {
        let slot = *self.index.entry(character).or_insert(self.groups.len());
        if slot == self.groups.len() {
            let (places, total) = (Vec::new(), 0);
            self.groups.push(Group { old_line: self.line, character, old_count, places, total });
        }
        &mut self.groups[slot]
    }
}

impl Group {
    fn add(&mut self, place: Place) {
        self.total += 1;
        if self.places.len() < MAX_PLACES {
            self.places.push(place);
        }
    }
}

/// Power sums of a text's characters, which rule out nearly every pair of lines at once.
///
/// With `d` more of the character `c` the sums grow by `d`, `d * c` and `d * c * c`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Tally {
    length: u64,
    sum: u64,
    squares: u64,
}

impl Tally {
    fn of(text: &str) -> Self {
        let mut tally = Self { length: 0, sum: 0, squares: 0 };
        for character in text.chars().map(|character| u64::from(u32::from(character))) {
            tally.length += 1;
            tally.sum = tally.sum.wrapping_add(character);
            tally.squares = tally.squares.wrapping_add(character * character);
        }
        tally
    }

    /// False only when the texts differ in no character's count, or in more than one.
    fn may_differ_in_one(self, other: Self) -> bool {
        let length = self.length.wrapping_sub(other.length);
        let sum = self.sum.wrapping_sub(other.sum);
        let squares = self.squares.wrapping_sub(other.squares);
        length != 0 && length.wrapping_mul(squares) == sum.wrapping_mul(sum)
    }
}

/// How often each character occurs, in the order of the characters.
struct Counts(Vec<(char, usize)>);

impl Counts {
    fn of(text: &str) -> Self {
        let mut characters: Vec<char> = text.chars().collect();
        characters.sort_unstable();
        let runs = characters.chunk_by(|a, b| a == b);
        Self(runs.map(|run| (run[0], run.len())).collect())
    }

    /// The one character with another count, that count, and the other's; none unless exactly one.
    fn only_difference(&self, other: &Self) -> Option<(char, usize, usize)> {
        let same = self.0.iter().zip(&other.0).take_while(|(a, b)| a == b).count();
        let (mine, theirs) = (&self.0[same..], &other.0[same..]);
        let (difference, mine, theirs) = match (mine, theirs) {
            ([], []) => return None,
            ([(a, m), mine @ ..], [(b, t), theirs @ ..]) if a == b => ((*a, *m, *t), mine, theirs),
            ([(a, m), mine @ ..], [(b, _), ..]) if a < b => ((*a, *m, 0), mine, theirs),
            ([(a, m), mine @ ..], []) => ((*a, *m, 0), mine, theirs),
            (_, [(b, t), theirs @ ..]) => ((*b, 0, *t), mine, theirs),
        };
        (mine == theirs).then_some(difference)
    }
}

impl fmt::Display for Miscounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups: Vec<String> = self.named.iter().map(ToString::to_string).collect();
        f.write_str(&groups.join(". "))?;
        match self.total - self.named.len() {
            0 => Ok(()),
            more => write!(f, ". and {more} more"),
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { old_line, character, old_count, places, total } = self;
        let code = u32::from(*character);
        write!(
            f,
            "line {old_line} of old_text has {old_count} \"{character}\" (U+{code:04X}); \
             the file has {}",
            listing(places, *total)
        )
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {}", self.count, self.line)
    }
}
