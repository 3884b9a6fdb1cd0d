//! Puts an answer together from what comes of each file, in the order of results, until a budget
//! is reached. Pure; the time is told to it.

use agent_api::{SearchFilesResponse, SkippedPath, TruncatedBy};

use super::collector::{Allowance, Hit};
use crate::walk::Position;

/// Most bytes of all texts.
const MAX_TEXT_BYTES: usize = 2 * 1024 * 1024;
/// Most submatches; a short pattern finds many in a single line, and each costs more than a byte.
const MAX_SUBMATCHES: usize = 200_000;
/// Most skipped paths that are named.
const MAX_SKIPPED: usize = 20;

/// What came of a step of the search, in the order of the walk.
#[derive(Debug)]
pub(super) enum Outcome {
    /// This many files were searched without a hit.
    Searched(u64),
    /// A file has hits.
    Hits(FileHits),
    /// Something could not be read.
    Skipped(SkippedPath),
    /// The time was over; everything before the place is done.
    TimedOut(Position),
}

/// The hits of a file.
#[derive(Debug)]
pub(super) struct FileHits {
    /// Index of its root.
    pub(super) root: usize,
    /// Its path below the root.
    pub(super) path: Vec<u8>,
    /// Its path as it is shown.
    pub(super) shown: String,
    /// In the order of lines; at least one.
    pub(super) hits: Vec<Hit>,
}

/// An answer in the making.
#[derive(Debug)]
pub(super) struct Answer {
    max_matches: usize,
    response: SearchFilesResponse,
    bytes: usize,
    submatches: usize,
    end: Option<Position>,
}

impl Outcome {
    /// About what it occupies.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Hits(file) => {
                let hit = |hit: &Hit| {
                    let submatches = size_of_val(&*hit.found.submatches);
                    size_of::<Hit>() + hit.text_bytes() + submatches
                };
                file.hits.iter().map(hit).sum()
            }
            Self::Searched(_) | Self::Skipped(_) | Self::TimedOut(_) => size_of::<Self>(),
        }
    }
}

impl Answer {
    /// An empty one.
    pub(super) fn new(max_matches: usize) -> Self {
        let response = SearchFilesResponse::default();
        Self { max_matches, response, bytes: 0, submatches: 0, end: None }
    }

    /// Adds the next outcome; nothing is added any more once a budget was reached.
    pub(super) fn add(&mut self, outcome: Outcome) {
        if self.is_complete() {
            return;
        }
        match outcome {
            Outcome::Searched(count) => self.response.files_searched += count,
            Outcome::Hits(file) => self.add_hits(file),
            Outcome::Skipped(path) => {
                self.response.skipped_total += 1;
                if self.response.skipped.len() < MAX_SKIPPED {
                    self.response.skipped.push(path);
                }
            }
            Outcome::TimedOut(position) => self.cut(TruncatedBy::Time, position),
        }
    }

    /// Whether a budget was reached.
    pub(super) fn is_complete(&self) -> bool {
        self.end.is_some()
    }

    /// How much more there is room for.
    pub(super) fn allowance(&self) -> Allowance {
        Allowance {
            matches: self.max_matches - self.response.matches.len(),
            bytes: MAX_TEXT_BYTES.saturating_sub(self.bytes),
            submatches: MAX_SUBMATCHES.saturating_sub(self.submatches),
        }
    }

    /// The response, and where the next one begins if it is truncated.
    pub(super) fn finish(self) -> (SearchFilesResponse, Option<Position>) {
        (self.response, self.end)
    }

    fn add_hits(&mut self, file: FileHits) {
        self.response.files_searched += 1;
        for hit in file.hits {
            let bytes = self.bytes + hit.text_bytes();
            let submatches = self.submatches + hit.found.submatches.len();
            let by = if self.response.matches.len() == self.max_matches {
                Some(TruncatedBy::Matches)
            } else if self.response.matches.is_empty() {
                // However long it is, a page without anything would lead nowhere.
                None
            } else if bytes > MAX_TEXT_BYTES || submatches > MAX_SUBMATCHES {
                Some(TruncatedBy::Bytes)
            } else {
                None
            };
            if let Some(by) = by {
                let position = Position { root: file.root, path: file.path, resume: Some(hit.at) };
                self.cut(by, position);
                return;
            }
            self.bytes = bytes;
            self.submatches = submatches;
            let mut found = hit.found;
            found.path.clone_from(&file.shown);
            self.response.matches.push(found);
        }
    }

    fn cut(&mut self, by: TruncatedBy, position: Position) {
        self.response.truncated = true;
        self.response.truncated_by = Some(by);
        self.end = Some(position);
    }
}

#[cfg(test)]
mod tests {
    use agent_api::{SearchMatch, Submatch};

    use super::*;
    use crate::walk::Resume;

    fn file(path: &str, lines: std::ops::Range<u64>, text: &str) -> Outcome {
        let hit = |line: u64| Hit {
            found: SearchMatch {
                line: line + 1,
                text: text.to_owned(),
                submatches: vec![Submatch { start: 0, end: 1 }],
                ..SearchMatch::default()
            },
            at: Resume { line, offset: line * 10, version: None },
        };
        Outcome::Hits(FileHits {
            root: 0,
            path: path.into(),
            shown: format!("/r/{path}"),
            hits: lines.map(hit).collect(),
        })
    }

    fn check(
        outcomes: Vec<Outcome>,
        max_matches: usize,
        expected: (usize, Option<TruncatedBy>, Option<(&str, u64)>),
    ) -> SearchFilesResponse {
        let mut answer = Answer::new(max_matches);
        outcomes.into_iter().for_each(|outcome| answer.add(outcome));
        let (response, end) = answer.finish();
        let end = end.map(|end| (end.path, end.resume.map_or(0, |resume| resume.line)));
        let expected_end = expected.2.map(|(path, line)| (path.as_bytes().to_vec(), line));
        assert_eq!(
            (response.matches.len(), response.truncated_by, end),
            (expected.0, expected.1, expected_end)
        );
        assert_eq!(response.truncated, response.truncated_by.is_some());
        response
    }

    #[test]
    fn an_answer_is_truncated_only_when_something_is_left() {
        let files = || vec![file("a", 0..3, "x"), file("b", 5..7, "x")];
        check(files(), 5, (5, None, None));
        check(files(), 4, (4, Some(TruncatedBy::Matches), Some(("b", 6))));
        check(files(), 3, (3, Some(TruncatedBy::Matches), Some(("b", 5))));
        check(files(), 2, (2, Some(TruncatedBy::Matches), Some(("a", 2))));
    }

    #[test]
    fn texts_have_a_budget_that_a_single_one_may_exceed() {
        let mebibyte = "x".repeat(1 << 20);
        let files = || vec![file("a", 0..3, &mebibyte)];
        check(files(), 9, (2, Some(TruncatedBy::Bytes), Some(("a", 2))));
        let huge = "x".repeat(3 << 20);
        check(vec![file("a", 0..2, &huge)], 9, (1, Some(TruncatedBy::Bytes), Some(("a", 1))));
    }

    #[test]
    fn nothing_is_added_after_the_end() {
        let position = Position { root: 1, path: b"c".to_vec(), resume: None };
        let skipped = || SkippedPath { path: "/r/x".into(), reason: "why".into() };
        let outcomes = vec![
            Outcome::Searched(3),
            file("a", 0..1, "x"),
            Outcome::Skipped(skipped()),
            Outcome::TimedOut(position),
            file("d", 0..1, "x"),
            Outcome::Searched(9),
            Outcome::Skipped(skipped()),
        ];
        let response = check(outcomes, 9, (1, Some(TruncatedBy::Time), Some(("c", 0))));
        assert_eq!((response.files_searched, response.skipped_total), (4, 1));
    }

    #[test]
    fn the_first_skipped_paths_are_named_and_all_are_counted() {
        let outcomes = (0..25)
            .map(|i| Outcome::Skipped(SkippedPath { path: format!("/{i}"), reason: "why".into() }));
        let response = check(outcomes.collect(), 9, (0, None, None));
        assert_eq!((response.skipped.len(), response.skipped_total), (20, 25));
        assert_eq!(response.skipped[19].path, "/19");
    }
}
