//! Searches consecutive steps of a walk, one file after the other.

use std::os::fd::OwnedFd;

use agent_api::{SkippedPath, io_text};

use super::{
    answer::{FileHits, Outcome},
    collector::Allowance,
    plan::Plan,
    scan::{End, Scan, Scanner},
};
use crate::walk::{Clock, Entry, Position, Resume, Step};

/// Consecutive steps of a walk.
#[derive(Debug)]
pub(super) struct Batch {
    /// Place in the order of batches.
    pub(super) number: u64,
    /// The steps.
    pub(super) steps: Vec<Step>,
}

/// Searches batches in one thread.
#[derive(Debug)]
pub(super) struct Searcher<'a> {
    scanner: Scanner<'a>,
    clock: Clock<'a>,
    /// Whether the first file is searched whatever the time, as a call with a cursor promises.
    insist: bool,
    allowance: Allowance,
    outcomes: Vec<Outcome>,
}

/// Whether the files that follow can still be part of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    Stop,
}

impl<'a> Searcher<'a> {
    pub(super) fn new(plan: &'a Plan, clock: Clock<'a>) -> Self {
        Self {
            scanner: Scanner::new(&plan.pattern, plan.style),
            clock,
            insist: plan.start.is_some(),
            allowance: Allowance::default(),
            outcomes: Vec::new(),
        }
    }

    /// Searches a batch; what comes beyond the allowance is left out but for one hit.
    pub(super) fn search(&mut self, batch: Batch, allowance: Allowance) -> Vec<Outcome> {
        self.allowance = allowance;
        self.insist &= batch.number == 0;
        for step in batch.steps {
            let next = match step {
                Step::Entry(entry) => self.search_entry(&entry),
                Step::Skipped(path) => self.put(Outcome::Skipped(path), Next::GoOn),
                Step::Expired(position) => self.put(Outcome::TimedOut(position), Next::Stop),
                Step::Pause => Next::GoOn,
            };
            if next == Next::Stop {
                break;
            }
        }
        std::mem::take(&mut self.outcomes)
    }

    fn search_entry(&mut self, entry: &Entry) -> Next {
        let clock = if self.insist { self.clock.patient() } else { self.clock };
        if clock.is_over() {
            let start = entry.resume.unwrap_or_default();
            return self.put(timed_out(entry, start), Next::Stop);
        }
        match entry.place.open() {
            Ok(Some(file)) => self.search_file(file, entry, clock),
            // It is gone.
            Ok(None) => Next::GoOn,
            Err(error) => self.skip(entry, io_text(&error.into())),
        }
    }

    fn search_file(&mut self, file: OwnedFd, entry: &Entry, clock: Clock<'_>) -> Next {
        let insist = std::mem::take(&mut self.insist);
        let Scan { hits, end, note } = self.scanner.scan(file, entry.resume, self.allowance, clock);
        if !hits.is_empty() {
            self.allowance = self.allowance.less(&hits);
            let place = &entry.place;
            let (root, path, shown) = (place.root().index, place.path(), place.shown());
            self.outcomes.push(Outcome::Hits(FileHits { root, path, shown, hits }));
        } else if matches!(end, End::Searched | End::TimedOut(_)) {
            self.count();
        }
        if let Some(note) = note {
            self.skip(entry, note);
        }
        match end {
            End::Searched | End::LeftOut => Next::GoOn,
            End::Full => Next::Stop,
            End::Failed(reason) => self.skip(entry, reason),
            End::TimedOut(place) if insist && place.line <= entry.resume.map_or(0, |r| r.line) => {
                self.skip(entry, "takes too long to be searched".to_owned())
            }
            End::TimedOut(place) => self.put(timed_out(entry, place), Next::Stop),
        }
    }

    fn count(&mut self) {
        match self.outcomes.last_mut() {
            Some(Outcome::Searched(count)) => *count += 1,
            _ => self.outcomes.push(Outcome::Searched(1)),
        }
    }

    fn skip(&mut self, entry: &Entry, reason: String) -> Next {
        let path = entry.place.shown();
        self.put(Outcome::Skipped(SkippedPath { path, reason }), Next::GoOn)
    }

    fn put(&mut self, outcome: Outcome, next: Next) -> Next {
        self.outcomes.push(outcome);
        next
    }
}

/// The end of the time in a file.
fn timed_out(entry: &Entry, resume: Resume) -> Outcome {
    let (root, path) = (entry.place.root().index, entry.place.path());
    Outcome::TimedOut(Position { root, path, resume: Some(resume) })
}
