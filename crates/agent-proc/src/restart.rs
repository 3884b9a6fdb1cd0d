//! What an earlier agent left: read once, closed where nobody follows it any more, and kept for
//! the rest of its time.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use agent_api::{Stdin, Timestamp};

use crate::{
    Error,
    process::{Input, Process, closing_time},
    retention,
    service::{Shared, blocking},
    store::{self, Exit, Loaded, State, Store, remaining},
};

/// Opens the store, takes over what is in it, and begins to watch over its time.
pub(crate) async fn open(shared: &Arc<Shared>) -> Result<Store, Error> {
    let config = &shared.config;
    let store_config = store::Config {
        directory: config.state_dir.join("processes"),
        output_quota: config.output_quota_bytes,
        total_output_quota: config.total_output_quota_bytes,
        tombstones: config.tombstones,
        max_tombstones: config.max_tombstones,
    };
    let retention = config.retention;
    let opened = blocking(move || {
        let (store, loaded) = Store::open(store_config)?;
        let restored = loaded.into_iter().map(|loaded| restore(loaded, retention));
        Ok((store, restored.collect::<Vec<_>>()))
    });
    let (store, restored) = opened.await?.map_err(Error::Store)?;
    if !restored.is_empty() {
        tracing::info!(count = restored.len(), "found processes of an earlier agent");
    }
    let mut table = shared.table.lock();
    restored.into_iter().for_each(|process| table.started(Arc::new(process)));
    drop(table);
    let keep = retention::keep(Arc::clone(shared), store.clone());
    let cut = shared.cut.clone();
    shared.tasks.spawn(async move { cut.run_until_cancelled(keep).await });
    Ok(store)
}

/// Closes what can be followed no more; blocking.
fn restore(loaded: Loaded, retention: Duration) -> Process {
    let Loaded { record, journals } = loaded;
    let was_closed = record.state().closed_at.is_some();
    if !was_closed {
        journals.end();
        let stderr_end = journals.stderr().map_or(0, |stderr| stderr.bounds().end);
        let ends = [journals.output().bounds().end, stderr_end];
        record.update(&journals, |state| lose(state, ends));
    }
    let state = record.state();
    let input = Input::lost(state.stdin != Stdin::Null, state.terminal.is_some());
    let process = Process::restored(record, journals, input);
    let now = Timestamp::from(SystemTime::now());
    process.keep_for(remaining(state.closed_at.unwrap_or(now), now, retention));
    process
}

/// Notes that the agent that followed a process is gone.
fn lose(state: &mut State, ends: [u64; 2]) {
    let at = closing_time(state);
    if state.exit.is_none() {
        state.exit = Some(Exit { code: -1, at, signal: None, core_dumped: false, ends });
        state.lost = true;
    }
    if state.stdin == Stdin::Open {
        state.stdin = Stdin::Closed;
    }
    state.closed_at = Some(at);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running() -> State {
        State::starting(Timestamp::from(SystemTime::now()), Stdin::Open)
    }

    #[test]
    fn what_ran_is_lost_and_what_had_exited_keeps_its_exit() {
        let mut ran = running();
        lose(&mut ran, [7, 0]);
        let exit = ran.exit.clone().unwrap();
        assert_eq!((exit.code, exit.ends, ran.lost), (-1, [7, 0], true));
        assert_eq!((Some(exit.at), ran.stdin), (ran.closed_at, Stdin::Closed));

        let mut exited = running();
        let exit =
            Exit { code: 3, at: exited.started_at, signal: None, core_dumped: false, ends: [5, 0] };
        exited.exit = Some(exit.clone());
        lose(&mut exited, [7, 0]);
        assert_eq!((exited.exit, exited.lost), (Some(exit), false));
        assert!(exited.closed_at.is_some());
    }
}
