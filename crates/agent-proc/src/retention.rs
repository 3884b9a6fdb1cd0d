//! When a process that ended is forgotten: after its time, or when there are too many.

use std::sync::Arc;

use agent_api::Timestamp;
use tokio::time::{Instant, sleep_until};

use crate::{
    ForgetReason,
    process::{Process, Status},
    service::{Shared, blocking},
    store::Store,
};

/// What is known of a process for this decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    /// Until when, for a closed one.
    until: Option<Instant>,
    /// When it was closed, or when it exited for one that is not.
    ended_at: Timestamp,
}

/// Forgets processes at their time, for ever.
pub(crate) async fn keep(shared: Arc<Shared>, store: Store) {
    loop {
        let mut ended = Vec::new();
        let processes = shared.table.lock().processes();
        for process in processes {
            if let Some(kept) = process.look(kept) {
                ended.push((kept, process));
            }
        }
        let facts: Vec<Kept> = ended.iter().map(|(kept, _)| *kept).collect();
        let (forget, next) = decide(&facts, Instant::now(), shared.config.max_exited);
        for (index, reason) in forget {
            forget_ended(&shared, &store, &ended[index].1, reason).await;
        }
        drop(ended);
        let timer = async {
            match next {
                Some(next) => sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.retention.notified() => {}
            () = timer => {}
        }
    }
}

fn kept(status: &Status) -> Option<Kept> {
    let exit = status.state.exit.as_ref()?;
    match status.state.closed_at {
        // It is about to be said how long it is kept; until then it is like one that exited.
        Some(closed_at) if status.kept_until.is_some() => {
            Some(Kept { until: status.kept_until, ended_at: closed_at })
        }
        _ => Some(Kept { until: None, ended_at: exit.at }),
    }
}

/// Which of the processes that ended are forgotten now, by their place, and when to look again.
fn decide(
    ended: &[Kept],
    now: Instant,
    most: usize,
) -> (Vec<(usize, ForgetReason)>, Option<Instant>) {
    let is_expired = |kept: &Kept| kept.until.is_some_and(|until| until <= now);
    let expired = (0..ended.len()).filter(|&index| is_expired(&ended[index]));
    let mut forget: Vec<_> = expired.map(|index| (index, ForgetReason::Expired)).collect();
    let mut left: Vec<usize> = (0..ended.len()).filter(|&i| !is_expired(&ended[i])).collect();
    // Closed ones go before those whose output is still open, the oldest first.
    left.sort_by_key(|&index| (ended[index].until.is_none(), ended[index].ended_at));
    let stay = left.split_off(left.len().saturating_sub(most));
    forget.extend(left.into_iter().map(|index| (index, ForgetReason::Evicted)));
    (forget, stay.into_iter().filter_map(|index| ended[index].until).min())
}

async fn forget_ended(
    shared: &Arc<Shared>,
    store: &Store,
    process: &Arc<Process>,
    reason: ForgetReason,
) {
    // Survivors run on until the agent ends, and nobody else knows them from now on. Before it is
    // out of sight, so that a shutdown finds it there or here.
    let keeps_survivors = process.record.request().keep_children;
    if let Some(tree) = process.tree.as_ref().filter(|_| !keeps_survivors) {
        shared.strays.lock().push_back(tree.clone());
        drop_empty_strays(shared).await;
    }
    if begin(shared, process, reason) {
        finish(shared, store, process, reason).await;
    }
}

/// Looks at the newest stray and at the one that was longest not looked at, and drops them if they
/// have ended: so there are hardly more strays than live.
///
/// To be called by one task only, the one that adds strays.
async fn drop_empty_strays(shared: &Shared) {
    let newest = shared.strays.lock().back().cloned();
    if let Some(newest) = newest
        && !newest.has_members().await
    {
        shared.strays.lock().pop_back();
    }
    let oldest = {
        let strays = shared.strays.lock();
        (strays.len() > 1).then(|| strays[0].clone())
    };
    if let Some(oldest) = oldest {
        let has_members = oldest.has_members().await;
        let mut strays = shared.strays.lock();
        strays.rotate_left(1);
        if !has_members {
            strays.pop_back();
        }
    }
}

/// Takes a process out of everybody's sight; `false` when somebody else does.
pub(crate) fn begin(shared: &Shared, process: &Process, reason: ForgetReason) -> bool {
    let begins = shared.table.lock().begin_forgetting(process, reason);
    if begins {
        process.set_removed(reason);
    }
    begins
}

/// Deletes what is kept of a process that was taken out of sight.
pub(crate) async fn finish(
    shared: &Shared,
    store: &Store,
    process: &Arc<Process>,
    reason: ForgetReason,
) {
    let (store, forgotten) = (store.clone(), Arc::clone(process));
    // There may be room then for what a full disk refused.
    let others = match store.take_refused() {
        true => shared.table.lock().processes(),
        false => Vec::new(),
    };
    let work = move || {
        store.forget(&forgotten.record, &forgotten.journals, reason);
        others.iter().for_each(|other| other.record.retry());
    };
    if blocking(work).await.is_ok() {
        shared.table.lock().free(process.id());
    }
    tracing::info!(process.id = %process.id(), reason = reason.as_str(), "forgotten");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_expired_go_first_then_the_longest_closed_then_the_longest_exited() {
        let now = Instant::now();
        let at = Timestamp::from_unix_ms;
        let closed = |ms, seconds| Kept {
            until: Some(now + Duration::from_secs(seconds)),
            ended_at: at(ms),
        };
        let exited = |ms| Kept { until: None, ended_at: at(ms) };
        let ended = [exited(1), closed(3, 30), closed(2, 20), closed(9, 0), exited(4)];
        let check = |most: usize, expected: &[(usize, ForgetReason)], next: Option<u64>| {
            let (forget, at) = decide(&ended, now, most);
            assert_eq!(forget, expected, "{most}");
            assert_eq!(at, next.map(|seconds| now + Duration::from_secs(seconds)), "{most}");
        };
        let (expired, evicted) = (ForgetReason::Expired, ForgetReason::Evicted);
        check(9, &[(3, expired)], Some(20));
        check(4, &[(3, expired)], Some(20));
        check(3, &[(3, expired), (2, evicted)], Some(30));
        check(1, &[(3, expired), (2, evicted), (1, evicted), (0, evicted)], None);
        check(0, &[(3, expired), (2, evicted), (1, evicted), (0, evicted), (4, evicted)], None);
    }
}
