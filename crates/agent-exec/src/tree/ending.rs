//! How a tree ends: asked first, killed then, and waited for.

use std::{collections::HashSet, time::Duration};

use tokio::{
    io::Interest,
    time::{Instant, sleep, timeout_at},
};
use tracing::warn;

use super::linux::{Members, Shared, Tree, signal_each};
use crate::{Signal, proc_table::Entry, sys::watch};

/// After this long something cannot be killed.
const GIVE_UP: Duration = Duration::from_secs(5);
/// Looks at the table for processes that are still being forked while the others are stopped.
const MAX_LOOKS: usize = 100;
/// Between two looks at a tree that is ending: first and longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));
/// Longest trust in the report that a cgroup is empty: the kernel holds a second one within some
/// milliseconds back, and it is lost when the group is removed meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

pub(super) async fn kill(tree: &Tree) {
    let deadline = Instant::now() + GIVE_UP;
    let mut pause = PAUSES.0;
    let mut sure = true;
    // Before anything that busy processes could delay, even the start of a thread.
    tree.shared().stop_group();
    loop {
        let found = tree.blocking(strike).await;
        if found == Found::Nothing && sure {
            return;
        }
        // A process born while the table is read may be missing in it, but not in the next one.
        sure = found == Found::Nothing;
        if Instant::now() >= deadline {
            let left = tree.blocking(Shared::alive).await;
            let pids: Vec<u32> = left.iter().map(|entry| entry.pid).collect();
            warn!(process.id = %tree.shared().id, ?pids, "processes of a tree cannot be killed");
            return;
        }
        if !sure {
            // Most are gone by then; a leaf says so at once.
            emptied(tree, (Instant::now() + pause).min(deadline), pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
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

/// What a strike found alive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Something,
}

/// Kills what is there once.
///
/// Beside a hundred busy processes every step takes long, so nothing is looked at before they
/// cannot run any more.
fn strike(tree: &Shared) -> Found {
    match &tree.members {
        Members::Leaf(leaf) => {
            if !tree.has_members() {
                return Found::Nothing;
            }
            if leaf.kill().is_err() {
                // A kernel without the file.
                let _ = signal_each(&stop_all(tree), Signal::KILL);
            }
        }
        Members::Walk(_) => {
            let members = stop_all(tree);
            if members.is_empty() {
                return Found::Nothing;
            }
            let _ = signal_each(&members, Signal::KILL);
        }
    }
    // It may have been moved out of the leaf, or there is no table.
    if !tree.leader_has_ended() {
        let _ = tree.signal_leader(Signal::KILL);
    }
    Found::Something
}

/// Stops members until no look shows a new one, so that none can fork while the others die.
fn stop_all(tree: &Shared) -> Vec<Entry> {
    tree.stop_evident();
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
    let report = until.min(Instant::now() + LOOK_AGAIN);
    if let Members::Leaf(leaf) = &shared.members
        && !matches!(timeout_at(report, leaf.emptied()).await, Ok(Err(_)))
        && shared.leader_has_ended()
    {
        return;
    }
    let until = until.min(Instant::now() + pause);
    // A descriptor of its own, because a runtime watches each only once.
    let leader = shared.leader_fd().and_then(|leader| leader.try_clone().ok());
    match leader.map(|leader| watch(leader, Interest::READABLE)) {
        Some(Ok(leader)) if !shared.leader_has_ended() => {
            let _ = timeout_at(until, leader.readable()).await;
        }
        _ => sleep(until.saturating_duration_since(Instant::now())).await,
    }
}
