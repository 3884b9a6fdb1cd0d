//! The trees of scripts: those that run, and what scripts that have ended left behind, such as a
//! daemon.

use std::{collections::HashMap, sync::Arc};

use agent_exec::Tree;
use parking_lot::Mutex;
use uuid::Uuid;

/// Every tree that may have members.
#[derive(Clone, Debug, Default)]
pub(super) struct Trees {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    all: HashMap<Uuid, Known>,
    is_closed: bool,
}

#[derive(Clone, Debug)]
struct Known {
    tree: Tree,
    /// Whether its script has ended.
    is_left: bool,
}

impl Trees {
    /// Adds the tree of a script that was just started; `false` when it has to end at once.
    pub(super) fn add(&self, id: Uuid, tree: Tree) -> bool {
        let mut inner = self.inner.lock();
        inner.all.insert(id, Known { tree, is_left: false });
        !inner.is_closed
    }

    /// Notes that a script has ended; its tree stays as long as something of it lives.
    pub(super) async fn leave(&self, id: Uuid) {
        if let Some(known) = self.inner.lock().all.get_mut(&id) {
            known.is_left = true;
        }
        self.sweep_one(id).await;
    }

    /// Forgets the trees of ended scripts of which nothing is left.
    pub(super) async fn sweep(&self) {
        let left: Vec<Uuid> = {
            let inner = self.inner.lock();
            inner.all.iter().filter(|(_, known)| known.is_left).map(|(id, _)| *id).collect()
        };
        for id in left {
            self.sweep_one(id).await;
        }
    }

    /// Lets no script run on from now on; answers every tree.
    pub(super) fn close(&self) -> Vec<Tree> {
        let mut inner = self.inner.lock();
        inner.is_closed = true;
        inner.all.values().map(|known| known.tree.clone()).collect()
    }

    async fn sweep_one(&self, id: Uuid) {
        let known = self.inner.lock().all.get(&id).cloned();
        let Some(known) = known else { return };
        if known.is_left && !known.tree.has_members().await {
            // Its cgroup goes with the last handle, and so not while somebody waits for its end.
            self.inner.lock().all.remove(&id);
        }
    }
}
