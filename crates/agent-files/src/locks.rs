//! One lock a path, so that changes of one file through the agent happen one after another.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;

/// The lock is held while blocking work runs elsewhere and is awaited, so it is tokio's.
type PathLock = Arc<tokio::sync::Mutex<()>>;

/// The locks of all paths that are locked or waited for; others take no memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Locks {
    paths: Arc<Mutex<HashMap<PathBuf, PathLock>>>,
}

/// Holds the locks of some paths until dropped.
#[derive(Debug)]
pub(crate) struct PathGuard {
    locks: Locks,
    held: Vec<(PathBuf, tokio::sync::OwnedMutexGuard<()>)>,
}

impl Locks {
    /// Locks every path, in sorted order, so that two callers never wait for each other.
    pub(crate) async fn acquire(&self, paths: impl IntoIterator<Item = &Path>) -> PathGuard {
        let paths: BTreeSet<&Path> = paths.into_iter().collect();
        let mut guard = PathGuard { locks: self.clone(), held: Vec::with_capacity(paths.len()) };
        for path in paths {
            let mut waiting = Waiting { locks: self, path, lock: Some(self.lock_of(path)) };
            let lock = waiting.lock.clone().expect("set above");
            let held = lock.lock_owned().await;
            waiting.lock = None;
            guard.held.push((path.to_owned(), held));
        }
        guard
    }

    fn lock_of(&self, path: &Path) -> PathLock {
        Arc::clone(self.paths.lock().entry(path.to_owned()).or_default())
    }

    /// Forgets the lock of a path if the caller, who has just let go of it, was the last.
    fn forget_unused(&self, path: &Path) {
        let mut paths = self.paths.lock();
        if paths.get(path).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            paths.remove(path);
        }
    }
}

/// A caller that may be dropped while it waits.
struct Waiting<'a> {
    locks: &'a Locks,
    path: &'a Path,
    lock: Option<PathLock>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.lock.take().is_some() {
            self.locks.forget_unused(self.path);
        }
    }
}

impl Drop for PathGuard {
    fn drop(&mut self) {
        for (path, held) in self.held.drain(..) {
            drop(held);
            self.locks.forget_unused(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_locked_path_is_waited_for_and_forgotten_after_use() {
        let locks = Locks::default();
        let (a, b) = (Path::new("/a"), Path::new("/b"));
        let first = locks.acquire([b, a, b]).await;
        assert!(locks.acquire([a]).now_or_never().is_none());
        assert!(locks.acquire([Path::new("/c")]).now_or_never().is_some());
        drop(first);
        let second = locks.acquire([a]).now_or_never();
        assert!(second.is_some());
        drop(second);
        assert!(locks.paths.lock().is_empty());
    }
}
