//! The commands that run at the moment, so that none is left when the agent stops.

use std::{collections::HashMap, sync::Arc};

use agent_exec::{Child, Tree};
use futures_util::future::join_all;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};
use uuid::Uuid;

/// Every command that runs; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct AllRunning(Arc<Mutex<Trees>>);

#[derive(Debug, Default)]
struct Trees {
    running: HashMap<Uuid, Tree>,
    /// Whether what was about to start then must not run on either.
    is_killed: bool,
}

/// A command that does not outlive who waits for it: dropped, its process group is killed.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) child: Child,
    id: Uuid,
    all: AllRunning,
}

impl AllRunning {
    /// Takes a command that has started; it is killed at once when all have been.
    pub(super) async fn add(&self, id: Uuid, child: Child) -> Running {
        let is_killed = {
            let mut trees = self.0.lock();
            trees.running.insert(id, child.tree.clone());
            trees.is_killed
        };
        let running = Running { child, id, all: self.clone() };
        if is_killed {
            running.child.tree.kill().await;
        }
        running
    }

    /// Whether nothing runs.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().running.is_empty()
    }

    /// Kills every command with all that it started, also those that are only about to start.
    pub(super) async fn kill(&self) {
        let trees: Vec<_> = {
            let mut trees = self.0.lock();
            trees.is_killed = true;
            trees.running.values().cloned().collect()
        };
        join_all(trees.iter().map(Tree::kill)).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.all.0.lock().running.remove(&self.id);
        if self.child.try_wait().is_some() {
            return;
        }
        if let Some(leader) = i32::try_from(self.child.pid).ok().and_then(Pid::from_raw) {
            // Not collected, so the id is still its own.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}
