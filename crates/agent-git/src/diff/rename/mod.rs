//! Renames: which deleted file an added one was, found the way git finds them.
//!
//! First files with the same contents are paired, then files that alone have their name, then the
//! most similar ones. How similar two files are is asked; nothing is read here.

mod fingerprint;
mod memory;

use std::collections::HashMap;

pub(super) use self::memory::Memory;
use crate::model::{Mode, ObjectId};

/// Score of equal contents.
pub(super) const MAX_SCORE: u16 = 60_000;
/// Least score of a rename: half.
const MIN_SCORE: u16 = MAX_SCORE / 2;
/// Least score of files that are paired because they alone have their name.
const MIN_NAMED_SCORE: u16 = MAX_SCORE / 4 * 3;
/// Sources kept for each destination until the best pairs are chosen.
const CANDIDATES: usize = 4;
/// Sources with the same contents that are looked at for a destination.
const MAX_EQUAL: usize = 100;
/// `diff.renameLimit`: similarities are looked for while there are at most its square of pairs.
const LIMIT: usize = 1000;

/// One side of a possible rename.
#[derive(Clone, Copy, Debug)]
pub(super) struct File<'a> {
    pub(super) path: &'a [u8],
    pub(super) mode: Mode,
    /// `None` where it is not known; such a file equals none.
    pub(super) id: Option<ObjectId>,
}

/// A source and a destination, as indices, and their score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rename {
    pub(super) source: usize,
    pub(super) destination: usize,
    /// Of [`MAX_SCORE`].
    pub(super) score: u16,
}

/// Estimates how similar two files are; 0 where it would be less than the least score given.
pub(super) trait Estimate<E> {
    fn score(&mut self, source: usize, destination: usize, least: u16) -> Result<u16, E>;
}

impl<E, F: FnMut(usize, usize, u16) -> Result<u16, E>> Estimate<E> for F {
    fn score(&mut self, source: usize, destination: usize, least: u16) -> Result<u16, E> {
        self(source, destination, least)
    }
}

/// The search, as far as it is.
struct Search<'a> {
    sources: &'a [File<'a>],
    destinations: &'a [File<'a>],
    is_used: Vec<bool>,
    is_renamed: Vec<bool>,
    found: Vec<Rename>,
}

/// Pairs sources with destinations, both ordered by path; each is in one pair at most.
pub(super) fn detect<E>(
    sources: &[File<'_>],
    destinations: &[File<'_>],
    estimate: &mut impl Estimate<E>,
) -> Result<Vec<Rename>, E> {
    let mut search = Search {
        sources,
        destinations,
        is_used: vec![false; sources.len()],
        is_renamed: vec![false; destinations.len()],
        found: Vec::new(),
    };
    search.equal();
    search.named(estimate)?;
    search.similar(estimate)?;
    Ok(search.found)
}

impl Search<'_> {
    fn record(&mut self, source: usize, destination: usize, score: u16) {
        self.is_used[source] = true;
        self.is_renamed[destination] = true;
        self.found.push(Rename { source, destination, score });
    }

    /// Pairs each destination with a source of the same contents, one of the same name if there is.
    fn equal(&mut self) {
        let mut by_id: HashMap<ObjectId, Vec<usize>> = HashMap::new();
        for (index, source) in self.sources.iter().enumerate() {
            if let Some(id) = source.id {
                by_id.entry(id).or_default().push(index);
            }
        }
        for (index, destination) in self.destinations.iter().enumerate() {
            let equal = destination.id.and_then(|id| by_id.get(&id));
            let fits = |&&source: &&usize| {
                !self.is_used[source] && self.sources[source].mode.is_same_kind(destination.mode)
            };
            let mut candidates = equal.into_iter().flatten().filter(fits).take(MAX_EQUAL);
            let has_the_name = |source: &usize| {
                file_name(self.sources[*source].path) == file_name(destination.path)
            };
            let first = candidates.next();
            let best = match first {
                Some(source) if !has_the_name(source) => {
                    candidates.find(|source| has_the_name(source)).or(first)
                }
                _ => first,
            };
            if let Some(&source) = best {
                self.record(source, index, MAX_SCORE);
            }
        }
    }

    /// Pairs a source and a destination that alone have their name, if they are similar enough.
    fn named<E>(&mut self, estimate: &mut impl Estimate<E>) -> Result<(), E> {
        let by_name = |files: &[File<'_>], is_done: &[bool]| {
            let mut by_name: HashMap<Vec<u8>, Option<usize>> = HashMap::new();
            for (index, file) in files.iter().enumerate().filter(|(index, _)| !is_done[*index]) {
                let name = file_name(file.path).to_vec();
                by_name.entry(name).and_modify(|only| *only = None).or_insert(Some(index));
            }
            by_name
        };
        let sources = by_name(self.sources, &self.is_used);
        let destinations = by_name(self.destinations, &self.is_renamed);
        for source in 0..self.sources.len() {
            let name = file_name(self.sources[source].path);
            if sources.get(name) != Some(&Some(source)) {
                continue;
            }
            let Some(&Some(destination)) = destinations.get(name) else { continue };
            let score = self.estimate(estimate, source, destination, MIN_NAMED_SCORE)?;
            if score >= MIN_NAMED_SCORE {
                self.record(source, destination, score);
            }
        }
        Ok(())
    }

    /// Compares what is left, each with each, and pairs the most similar ones first.
    fn similar<E>(&mut self, estimate: &mut impl Estimate<E>) -> Result<(), E> {
        let left = |is_done: &[bool]| -> Vec<usize> {
            (0..is_done.len()).filter(|&index| !is_done[index]).collect()
        };
        let (sources, destinations) = (left(&self.is_used), left(&self.is_renamed));
        if sources.len().saturating_mul(destinations.len()) > LIMIT * LIMIT {
            return Ok(());
        }
        let mut matrix: Vec<Candidate> = Vec::new();
        for &destination in &destinations {
            let mut best = Best::default();
            for &source in &sources {
                let score = self.estimate(estimate, source, destination, MIN_SCORE)?;
                let has_the_name = file_name(self.sources[source].path)
                    == file_name(self.destinations[destination].path);
                best.offer(Candidate { score, has_the_name, source, destination });
            }
            matrix.extend(best.kept);
        }
        matrix.sort_by_key(|candidate| std::cmp::Reverse(candidate.rank()));
        for candidate in matrix {
            if candidate.score >= MIN_SCORE
                && !self.is_renamed[candidate.destination]
                && !self.is_used[candidate.source]
            {
                self.record(candidate.source, candidate.destination, candidate.score);
            }
        }
        Ok(())
    }

    fn estimate<E>(
        &self,
        estimate: &mut impl Estimate<E>,
        source: usize,
        destination: usize,
        least: u16,
    ) -> Result<u16, E> {
        let is_file = |mode| matches!(mode, Mode::File | Mode::Executable);
        // Links and submodules are renamed only as they are.
        if !is_file(self.sources[source].mode) || !is_file(self.destinations[destination].mode) {
            return Ok(0);
        }
        estimate.score(source, destination, least)
    }
}

/// A possible pair.
#[derive(Clone, Copy)]
struct Candidate {
    score: u16,
    has_the_name: bool,
    source: usize,
    destination: usize,
}

impl Candidate {
    fn rank(&self) -> (u16, bool) {
        (self.score, self.has_the_name)
    }
}

/// The best candidates for one destination.
#[derive(Default)]
struct Best {
    kept: Vec<Candidate>,
}

impl Best {
    /// Keeps a candidate that is better than the worst one kept, in its place: the places decide
    /// between equal ones later.
    fn offer(&mut self, candidate: Candidate) {
        if self.kept.len() < CANDIDATES {
            self.kept.push(candidate);
            return;
        }
        let first_worst = self
            .kept
            .iter_mut()
            .reduce(|worst, other| if other.rank() < worst.rank() { other } else { worst });
        if let Some(worst) = first_worst
            && worst.rank() < candidate.rank()
        {
            *worst = candidate;
        }
    }
}

fn file_name(path: &[u8]) -> &[u8] {
    memchr::memrchr(b'/', path).map_or(path, |slash| &path[slash + 1..])
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn file(path: &str, contents: u8) -> File<'_> {
        let id = ObjectId::from_bytes(&[contents; 20]);
        File { path: path.as_bytes(), mode: Mode::File, id }
    }

    /// Pairs files whose similarities a table has, and answers them as `source>destination`.
    fn check(
        sources: &[File<'_>],
        destinations: &[File<'_>],
        scores: &[(usize, usize, u16)],
        expected: &[&str],
    ) {
        let mut estimate = |source, destination, _| {
            let of_pair =
                |&&(from, to, _): &&(usize, usize, u16)| (from, to) == (source, destination);
            Ok::<_, Infallible>(scores.iter().find(of_pair).map_or(0, |&(.., score)| score))
        };
        let Ok(mut found) = detect(sources, destinations, &mut estimate);
        found.sort_by_key(|rename| rename.destination);
        let text = |path| str::from_utf8(path).unwrap();
        let named = |rename: &Rename| {
            let source = text(sources[rename.source].path);
            format!("{source}>{}", text(destinations[rename.destination].path))
        };
        assert_eq!(found.iter().map(named).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn equal_contents_are_paired_first_and_by_name() {
        let sources = [file("a", 1), file("b", 1), file("c", 1)];
        check(&sources, &[file("d/b", 1), file("d/x", 1)], &[], &["b>d/b", "a>d/x"]);
        check(&sources[..1], &[file("x", 1), file("y", 1)], &[], &["a>x"]);
        let link = File { mode: Mode::Link, ..file("l", 1) };
        check(&[link], &[file("x", 1)], &[(0, 0, MAX_SCORE)], &[]);
    }

    #[test]
    fn a_name_that_only_one_has_counts_more_than_similarity() {
        let sources = [file("a/n", 1), file("a/m", 2)];
        let destinations = [file("b/n", 3)];
        check(&sources, &destinations, &[(0, 0, 45_000), (1, 0, 59_000)], &["a/n>b/n"]);
        check(&sources, &destinations, &[(0, 0, 44_999), (1, 0, 59_000)], &["a/m>b/n"]);
        let two = [file("a/n", 1), file("c/n", 2)];
        check(&two, &destinations, &[(0, 0, 45_000), (1, 0, 59_000)], &["c/n>b/n"]);
    }

    #[test]
    fn the_most_similar_are_paired_first_and_from_half_on() {
        let (sources, destinations) = ([file("a", 1), file("b", 2)], [file("x", 3), file("y", 4)]);
        let scores = [(0, 0, 50_000), (0, 1, 55_000), (1, 0, 30_000), (1, 1, 54_000)];
        check(&sources, &destinations, &scores, &["b>x", "a>y"]);
        check(&sources, &destinations, &[(0, 0, 29_999)], &[]);
    }

    #[test]
    fn beyond_the_limit_only_equal_contents_are_paired() {
        let names: Vec<String> = (0..=LIMIT).map(|n| format!("{n:04}")).collect();
        let old: Vec<_> = names.iter().map(|name| file(name, 1)).collect();
        let news: Vec<String> = (0..=LIMIT).map(|n| format!("x{n:04}")).collect();
        let new: Vec<_> = news.iter().map(|name| file(name, 2)).collect();
        let scores = [(0, 0, 50_000)];
        check(&old[..LIMIT], &new[..LIMIT], &scores, &["0000>x0000"]);
        check(&old, &new[..LIMIT], &scores, &[]);
        let equal = File { path: b"y", ..old[7] };
        let mixed = [&new[..LIMIT], &[equal]].concat();
        check(&old, &mixed, &[], &["0000>y"]);
    }
}
