//! Which child processes have an owner in this program; everything else that ends is an orphan,
//! which a reaper may collect.

use std::{collections::HashSet, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The children that somebody here waits for.
///
/// Cheap to clone; the clones are one registry. Between the moment a child exists and the moment
/// its id is registered nobody knows whose it is, so while any spawn is under way every child
/// counts as owned; [`Children::changed`] then tells a reaper to look again.
#[derive(Clone, Debug, Default)]
pub struct Children {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    owned: HashSet<u32>,
    spawning: usize,
}

impl Children {
    /// Whether a child of this process has an owner that will collect it, or may have one.
    pub fn owns(&self, pid: u32) -> bool {
        let state = self.shared.state.lock();
        state.spawning > 0 || state.owned.contains(&pid)
    }

    /// Waits until an answer of [`Children::owns`] may have become false: a spawn ended or a
    /// child was collected.
    ///
    /// For one waiter, the reaper. A change while nobody waits is kept and ends the next wait at
    /// once.
    ///
    /// # Cancellation
    ///
    /// Loses nothing.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    /// Announces a spawn; until the guard is dropped every child counts as owned.
    pub(crate) fn spawning(&self) -> Spawning {
        self.shared.state.lock().spawning += 1;
        Spawning { children: self.clone() }
    }

    /// Forgets a child; to be called after it has been collected and not before.
    pub(crate) fn collected(&self, pid: u32) {
        self.shared.state.lock().owned.remove(&pid);
        self.shared.changed.notify_one();
    }

    /// Whether a child is known to have an owner, leaving aside spawns under way.
    pub(crate) fn registered(&self, pid: u32) -> bool {
        self.shared.state.lock().owned.contains(&pid)
    }
}

/// A spawn under way.
#[derive(Debug)]
pub(crate) struct Spawning {
    children: Children,
}

impl Spawning {
    /// Registers the child that came of it, until [`Children::collected`].
    pub(crate) fn register(&self, pid: u32) {
        self.children.shared.state.lock().owned.insert(pid);
    }
}

impl Drop for Spawning {
    fn drop(&mut self) {
        self.children.shared.state.lock().spawning -= 1;
        self.children.shared.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[test]
    fn a_registered_child_is_owned_until_it_is_collected() {
        let children = Children::default();
        assert!(!children.owns(7));
        let spawning = children.spawning();
        assert!(children.owns(7) && children.owns(8), "either may be the new child");
        assert!(!children.registered(7));
        spawning.register(7);
        drop(spawning);
        assert!(children.owns(7) && !children.owns(8));
        children.collected(7);
        assert!(!children.owns(7));
    }

    #[test]
    fn spawns_are_counted_so_that_the_first_to_end_does_not_speak_for_the_others() {
        let children = Children::default();
        let (first, second) = (children.spawning(), children.clone().spawning());
        drop(first);
        assert!(children.owns(1));
        drop(second);
        assert!(!children.owns(1));
    }

    #[tokio::test]
    async fn a_reaper_hears_of_spawns_and_collections_also_of_those_before_it_waits() {
        let children = Children::default();
        drop(children.spawning());
        timeout(Duration::from_secs(10), children.changed()).await.unwrap();
        let waiting = children.changed();
        children.collected(1);
        timeout(Duration::from_secs(10), waiting).await.unwrap();
        let quiet = timeout(Duration::from_millis(1), children.changed()).await;
        assert!(quiet.is_err(), "one change ends one wait");
    }
}
