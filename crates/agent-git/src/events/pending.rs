//! What is dirty for one owner, until it is taken; filled under the table's lock.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Why;
use crate::model::Dirty;

/// More dirty paths than this are `all`.
const MAX_PATHS: usize = 10_000;

/// Shared by the table, which fills it, and the owner, who takes from it.
#[derive(Debug, Default)]
pub(super) struct Pending {
    dirty: Mutex<Dirty>,
    exhausted: Mutex<Option<Why>>,
    nested: AtomicU64,
    news: Notify,
}

impl Pending {
    /// A path relative to the root.
    pub(super) fn add_path(&self, path: &[u8]) {
        let mut dirty = self.dirty.lock();
        if dirty.all || dirty.paths.contains(path) {
            return;
        }
        if dirty.paths.len() < MAX_PATHS {
            dirty.paths.insert(path.to_vec());
        } else {
            dirty.paths = Default::default();
            dirty.all = true;
        }
        drop(dirty);
        self.news.notify_one();
    }

    pub(super) fn add_git(&self) {
        self.dirty.lock().git = true;
        self.news.notify_one();
    }

    pub(super) fn add_everything(&self) {
        *self.dirty.lock() = Dirty { all: true, git: true, ..Dirty::default() };
        self.news.notify_one();
    }

    /// A nested repository came, went or may have done so.
    pub(super) fn add_nested(&self) {
        self.nested.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn nested(&self) -> u64 {
        self.nested.load(Ordering::Relaxed)
    }

    pub(super) fn exhaust(&self, why: Why) {
        self.exhausted.lock().get_or_insert(why);
    }

    pub(super) fn exhausted(&self) -> Option<Why> {
        self.exhausted.lock().clone()
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted.lock().is_some()
    }

    pub(super) fn forget_exhaustion(&self) {
        *self.exhausted.lock() = None;
    }

    pub(super) fn take(&self) -> Dirty {
        std::mem::take(&mut self.dirty.lock())
    }

    /// Waits until something is dirty, at once if something is. For one waiter.
    pub(super) async fn changed(&self) {
        while self.is_clean() {
            self.news.notified().await;
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        *self.dirty.lock() == Dirty::default()
    }
}
