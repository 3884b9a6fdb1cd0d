//! The commands that run at the moment, so that none is left when the agent stops.

use std::{collections::HashMap, sync::Arc};

use agent_exec::{Child, Tree};
use futures_util::future::join_all;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};
use uuid::Uuid;

/// Every command that runs; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct AllRunning(Arc<Mutex<HashMap<Uuid, Tree>>>);

/// A command that does not outlive who waits for it: dropped, its process group is killed.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) child: Child,
    id: Uuid,
    all: AllRunning,
}

impl AllRunning {
    pub(super) fn add(&self, id: Uuid, child: Child) -> Running {
        self.0.lock().insert(id, child.tree.clone());
        Running { child, id, all: self.clone() }
    }

    /// Whether nothing runs.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// Kills every command with all that it started.
    pub(super) async fn kill(&self) {
        let trees: Vec<_> = self.0.lock().values().cloned().collect();
        join_all(trees.iter().map(Tree::kill)).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.all.0.lock().remove(&self.id);
        if self.child.try_wait().is_some() {
            return;
        }
        if let Some(leader) = i32::try_from(self.child.pid).ok().and_then(Pid::from_raw) {
            // Not collected, so the id is still its own.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}
