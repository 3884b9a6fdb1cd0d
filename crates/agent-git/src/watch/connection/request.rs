//! What the client waits for: answers that are due once paths are looked up and scans are done.

use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
};

use agent_api::Timestamp;
use tokio::time::Instant;

use super::Now;
use crate::tracker::Ticket;

/// Most requests that wait each for its own scans; those beyond wait for the same ones as the last.
const MAX_REQUESTS: usize = 64;

/// Requests in the order of their arrival.
#[derive(Debug, Default)]
pub(super) struct Requests {
    queue: VecDeque<Request>,
}

#[derive(Debug)]
struct Request {
    /// The look that it waits for.
    look: u64,
    is_looked: bool,
    /// The scans that it waits for.
    wanted: BTreeMap<PathBuf, Ticket>,
    /// Whether it waits for nothing any more.
    is_settled: bool,
    /// How many messages it is answered by.
    answers: u64,
    /// When the last of them was asked for.
    asked_at: Timestamp,
    /// Until when the first snapshots of its repositories wait for each other.
    holds_until: Option<Instant>,
}

impl Requests {
    /// Adds a request that waits for a look and for scans, and for those of the repositories that
    /// the look brings.
    pub(super) fn push(
        &mut self,
        look: u64,
        wanted: BTreeMap<PathBuf, Ticket>,
        answers: u64,
        now: Now,
        holds_until: Option<Instant>,
    ) {
        let is_full = self.queue.len() >= MAX_REQUESTS;
        if let Some(last) = self.queue.back_mut()
            && (is_full || last.is_like(&wanted, holds_until))
        {
            last.look = look;
            last.is_looked = false;
            last.is_settled = false;
            last.answers += answers;
            last.asked_at = last.asked_at.max(now.wall);
            last.wanted.extend(wanted);
            return;
        }
        self.queue.push_back(Request {
            look,
            is_looked: false,
            wanted,
            is_settled: false,
            answers,
            asked_at: now.wall,
            holds_until,
        });
    }

    /// Takes the end of a look, with the first scans of the repositories that it brought.
    pub(super) fn looked(&mut self, number: u64, begun: &BTreeMap<PathBuf, Ticket>) {
        for request in self.queue.iter_mut().filter(|request| !request.is_looked) {
            request.is_looked = request.look <= number;
            // One that comes later is not about these, unless it is about all.
            if request.is_looked || request.holds_until.is_none() {
                request.wanted.extend(begun.iter().map(|(root, ticket)| (root.clone(), *ticket)));
            }
        }
    }

    /// A repository is not followed any more, so nothing waits for it.
    pub(super) fn forget(&mut self, root: &Path) {
        for request in &mut self.queue {
            request.wanted.remove(root);
        }
    }

    /// Notes which requests wait for nothing any more.
    pub(super) fn settle(&mut self, is_done: impl Fn(&Path, Ticket) -> bool) {
        self.queue.retain_mut(|request| {
            let mut wanted = request.wanted.iter();
            request.is_settled |=
                request.is_looked && wanted.all(|(root, ticket)| is_done(root, *ticket));
            !request.is_settled || request.answers > 0
        });
    }

    /// Whether an answer is due.
    pub(super) fn is_due(&self) -> bool {
        self.queue.iter().any(|request| request.is_settled)
    }

    /// Takes one answer that is due; answers when it was asked for.
    pub(super) fn take_answer(&mut self) -> Option<Timestamp> {
        let index = self.queue.iter().position(|request| request.is_settled)?;
        let request = &mut self.queue[index];
        let asked_at = request.asked_at;
        request.answers -= 1;
        if request.answers == 0 {
            self.queue.remove(index);
        }
        Some(asked_at)
    }

    /// Whether the first snapshot of a repository waits for others.
    pub(super) fn holds(&self, root: &Path, now: Instant) -> bool {
        let mut holding = self.queue.iter().filter(|request| {
            !request.is_settled && request.holds_until.is_some_and(|until| now < until)
        });
        holding.any(|request| request.wanted.contains_key(root))
    }

    /// When the next snapshots stop waiting for each other.
    pub(super) fn release(&self, now: Instant) -> Option<Instant> {
        let holding = self.queue.iter().filter(|request| !request.is_settled);
        holding.filter_map(|request| request.holds_until).filter(|until| now < *until).min()
    }
}

impl Request {
    /// Whether another request that waits for these scans may share this one's place.
    fn is_like(&self, wanted: &BTreeMap<PathBuf, Ticket>, holds_until: Option<Instant>) -> bool {
        let is_plain = self.holds_until.is_none() && holds_until.is_none();
        is_plain && !self.is_looked && self.wanted == *wanted
    }
}
