//! Who has which display, and who used it last.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// Numbers that displays get: 191 of them, beyond those of real servers.
const NUMBERS: RangeInclusive<u16> = 10..=200;

/// The displays of all sessions of a server.
#[derive(Debug, Clone)]
pub(crate) struct Displays(Arc<Table>);

#[derive(Debug)]
struct Table {
    numbers: RangeInclusive<u16>,
    taken: Mutex<BTreeMap<u16, Holder>>,
    /// Counts uses, which gives them an order.
    uses: AtomicU64,
}

#[derive(Debug, Clone)]
struct Holder {
    last_use: u64,
    evicted: CancellationToken,
    /// Cancelled when the number is free again.
    freed: CancellationToken,
}

/// A display number that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct Display {
    pub(super) number: u16,
    table: Arc<Table>,
}

impl Default for Displays {
    fn default() -> Self {
        Self::new(NUMBERS)
    }
}

impl Displays {
    pub(super) fn new(numbers: RangeInclusive<u16>) -> Self {
        let (taken, uses) = (Mutex::default(), AtomicU64::new(0));
        Self(Arc::new(Table { numbers, taken, uses }))
    }

    /// All numbers, the lowest first.
    pub(super) fn numbers(&self) -> RangeInclusive<u16> {
        self.0.numbers.clone()
    }

    /// Takes a number unless a session of ours has it; counts as its first use.
    ///
    /// `evicted` is cancelled when the display is to be given up.
    pub(super) fn claim(&self, number: u16, evicted: &CancellationToken) -> Option<Display> {
        let mut taken = self.0.taken.lock();
        if taken.contains_key(&number) {
            return None;
        }
        let holder = Holder {
            last_use: self.0.next_use(),
            evicted: evicted.clone(),
            freed: CancellationToken::new(),
        };
        taken.insert(number, holder);
        Some(Display { number, table: Arc::clone(&self.0) })
    }

    /// Takes the display away that was used longest ago, and returns when it is free.
    ///
    /// `false` when no session has one.
    pub(super) async fn evict_oldest(&self) -> bool {
        let oldest = {
            let taken = self.0.taken.lock();
            taken.values().min_by_key(|holder| holder.last_use).cloned()
        };
        let Some(holder) = oldest else { return false };
        holder.evicted.cancel();
        holder.freed.cancelled().await;
        true
    }
}

impl Table {
    fn next_use(&self) -> u64 {
        self.uses.fetch_add(1, Ordering::Relaxed)
    }
}

impl Display {
    /// Makes this the display that was used last.
    pub(super) fn touch(&self) {
        let mut taken = self.table.taken.lock();
        if let Some(holder) = taken.get_mut(&self.number) {
            holder.last_use = self.table.next_use();
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(holder) = self.table.taken.lock().remove(&self.number) {
            holder.freed.cancel();
        }
    }
}
