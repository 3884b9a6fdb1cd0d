//! The quota over the journals of all processes.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;

use super::{
    group::{Group, Lag},
    stream::Losses,
};

/// Counts what all journals retain and holds it below a quota; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Totals(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    quota: u64,
    produced: AtomicU64,
    retained: AtomicU64,
    quota_gap: AtomicU64,
    disk_gap: AtomicU64,
    members: Mutex<Members>,
}

/// Whose journals can shrink. A lock on this is taken before the one of a member.
#[derive(Debug, Default)]
struct Members {
    /// Running and exited processes.
    open: Vec<Weak<Group>>,
    /// Closed ones that have not lost their middle yet, the one closed longest ago first.
    closed: VecDeque<Weak<Group>>,
}

/// Bytes of all journals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Ever appended since the agent started.
    pub(crate) produced: u64,
    /// That can be read now.
    pub(crate) retained: u64,
    /// That a quota has forgotten since the agent started.
    pub(crate) quota_gap: u64,
    /// That could not be stored since the agent started.
    pub(crate) disk_gap: u64,
}

impl Totals {
    /// Totals with a quota in bytes.
    pub(crate) fn new(quota: u64) -> Self {
        Self(Arc::new(Inner {
            quota,
            produced: AtomicU64::new(0),
            retained: AtomicU64::new(0),
            quota_gap: AtomicU64::new(0),
            disk_gap: AtomicU64::new(0),
            members: Mutex::default(),
        }))
    }

    /// The bytes so far.
    pub(crate) fn counts(&self) -> Counts {
        Counts {
            produced: self.0.produced.load(Relaxed),
            retained: self.0.retained.load(Relaxed),
            quota_gap: self.0.quota_gap.load(Relaxed),
            disk_gap: self.0.disk_gap.load(Relaxed),
        }
    }

    pub(super) fn count_retained(&self, before: u64, now: u64) {
        // Wraps for a decrease, as the addition does.
        self.0.retained.fetch_add(now.wrapping_sub(before), Relaxed);
    }

    pub(super) fn count(&self, produced: u64, losses: Losses) {
        self.0.produced.fetch_add(produced, Relaxed);
        self.0.quota_gap.fetch_add(losses.quota, Relaxed);
        self.0.disk_gap.fetch_add(losses.disk, Relaxed);
    }

    pub(super) fn join(&self, group: &Arc<Group>) {
        self.0.members.lock().open.push(Arc::downgrade(group));
    }

    /// The group belongs to a closed process from now on.
    pub(super) fn close(&self, group: &Arc<Group>) {
        let mut members = self.0.members.lock();
        members.remove(group);
        members.closed.push_back(Arc::downgrade(group));
    }

    pub(super) fn leave(&self, group: &Arc<Group>) {
        self.0.members.lock().remove(group);
    }

    fn excess(&self) -> u64 {
        self.0.retained.load(Relaxed).saturating_sub(self.0.quota)
    }

    /// Forgets bytes until the quota holds; blocks.
    pub(super) fn hold(&self) {
        if self.excess() == 0 {
            return;
        }
        // What is forgotten is decided under the lock, by one thread at a time; the disk is told
        // afterwards.
        let (closed, open) = {
            let mut members = self.0.members.lock();
            let closed = self.shrink_closed(&mut members.closed);
            (closed, self.shrink_open(&members.open))
        };
        closed.iter().for_each(|group| group.settle(Lag::None));
        open.iter().for_each(|group| group.settle(Lag::Some));
    }

    fn shrink_closed(&self, closed: &mut VecDeque<Weak<Group>>) -> Vec<Arc<Group>> {
        let mut shrunk = Vec::new();
        while self.excess() > 0
            && let Some(group) = closed.pop_front()
        {
            shrunk.extend(group.upgrade().inspect(|group| group.forget_all_but_head_and_tail()));
        }
        shrunk
    }

    fn shrink_open(&self, open: &[Weak<Group>]) -> Vec<Arc<Group>> {
        let mut shrunk = Vec::new();
        if self.excess() == 0 {
            return shrunk;
        }
        let mut groups: Vec<_> = open.iter().filter_map(Weak::upgrade).collect();
        groups.sort_by_key(|group| group.retained());
        while self.excess() > 0
            && let Some(largest) = groups.pop()
        {
            // Down to where it is no longer the largest, but at least one step.
            let next = groups.last().map_or(0, |group| group.retained());
            let before = largest.retained();
            largest.forget_to_hold(before.saturating_sub(self.excess()).max(next));
            let now = largest.retained();
            if now < before {
                let place = groups.partition_point(|group| group.retained() < now);
                groups.insert(place, Arc::clone(&largest));
                if !shrunk.iter().any(|group| Arc::ptr_eq(group, &largest)) {
                    shrunk.push(largest);
                }
            }
        }
        shrunk
    }
}

impl Members {
    fn remove(&mut self, group: &Arc<Group>) {
        let is_other = |member: &Weak<Group>| !std::ptr::eq(member.as_ptr(), Arc::as_ptr(group));
        self.open.retain(is_other);
        self.closed.retain(is_other);
    }
}
