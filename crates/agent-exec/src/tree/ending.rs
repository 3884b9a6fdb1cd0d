//! How a tree ends: asked first, killed then, and waited for.

use std::{collections::HashSet, time::Duration};

use tokio::{
    io::{Interest, unix::AsyncFd},
    time::{Instant, sleep, timeout_at},
};
use tracing::warn;

use super::linux::{Members, Shared, Tree, signal_each};
use crate::{Signal, proc_table::Entry};

/// After this long something cannot be killed.
const GIVE_UP: Duration = Duration::from_secs(5);
/// Looks at the table for processes that are still being forked while the others are stopped.
const MAX_LOOKS: usize = 100;
/// Between two looks at a tree that is ending: first and longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

pub(super) async fn kill(tree: &Tree) {
    let deadline = Instant::now() + GIVE_UP;
    let mut pause = PAUSES.0;
    loop {
        let left = tree.blocking(strike).await;
        if left == 0 {
            return;
        }
        if Instant::now() >= deadline {
            let id = tree.shared().id;
            warn!(process.id = %id, left, "processes of a tree cannot be killed");
            return;
        }
        // Most are gone by then; a leaf says so at once.
        emptied(tree, (Instant::now() + pause).min(deadline), pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

pub(super) async fn end(tree: &Tree, grace: Duration) {
    let asked = tree.blocking(|tree| {
        let members = tree.alive();
        let asked = signal_each(&members, Signal::TERM);
        // A stopped process acts on the first signal only when it goes on.
        let _ = signal_each(&members, Signal::CONT);
        asked
    });
    if asked.await.is_ok() {
        let until = Instant::now() + grace;
        while Instant::now() < until && tree.has_members().await {
            emptied(tree, until, PAUSES.1).await;
        }
    }
    kill(tree).await;
}

/// Kills what is there once; answers how many were.
fn strike(tree: &Shared) -> usize {
    match &tree.members {
        Members::Leaf(leaf) => {
            if !tree.has_members() {
                return 0;
            }
            let members = tree.alive();
            // A leader that was moved out of the leaf is among the members; so are all of a
            // kernel without the file.
            if leaf.kill().is_err() {
                let _ = signal_each(&members, Signal::STOP);
                let _ = signal_each(&tree.alive(), Signal::KILL);
            } else if !tree.leader_has_ended() {
                let _ = tree.signal_leader(Signal::KILL);
            }
            members.len().max(1)
        }
        Members::Walk(_) => {
            let members = stop_all(tree);
            let _ = signal_each(&members, Signal::KILL);
            members.len()
        }
    }
}

/// Stops members until no look shows a new one, so that none can fork while the others die.
fn stop_all(tree: &Shared) -> Vec<Entry> {
    let mut stopped = HashSet::new();
    let mut members = tree.alive();
    for _ in 0..MAX_LOOKS {
        let new: Vec<Entry> = members
            .iter()
            .filter(|entry| stopped.insert((entry.pid, entry.started)))
            .copied()
            .collect();
        // One process that is alone is killed as surely as it is stopped.
        if new.is_empty() || members.len() == 1 {
            break;
        }
        let _ = signal_each(&new, Signal::STOP);
        members = tree.alive();
    }
    members
}

/// Waits until a tree may be empty: at most until `until`, and where nothing tells, for `pause`
/// or the leader's end.
async fn emptied(tree: &Tree, until: Instant, pause: Duration) {
    let shared = tree.shared();
    if let Members::Leaf(leaf) = &shared.members
        && !matches!(timeout_at(until, leaf.emptied()).await, Ok(Err(_)))
        && shared.leader_has_ended()
    {
        return;
    }
    let until = until.min(Instant::now() + pause);
    // A descriptor of its own, because a runtime watches each only once.
    let leader = shared.leader_fd().try_clone_to_owned();
    match leader.and_then(|leader| AsyncFd::with_interest(leader, Interest::READABLE)) {
        Ok(leader) if !shared.leader_has_ended() => {
            let _ = timeout_at(until, leader.readable()).await;
        }
        _ => sleep(until.saturating_duration_since(Instant::now())).await,
    }
}
