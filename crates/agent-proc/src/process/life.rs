//! The task of one process: waits for its end, says so in the right order, and lets go.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use agent_api::{Accounting, Stdin, Timestamp};
use agent_exec::{Child, Exit, ExitStatus, Signal, Tree, Usage};
use futures_util::future::join_all;
use tokio::{
    sync::OwnedSemaphorePermit,
    task::spawn_blocking,
    time::{Instant, sleep, sleep_until},
};

use super::{Process, copier::CopierHandle};
use crate::{
    service::{Event, Shared},
    store::{self, State},
};

/// Nearly always the end of the output is the beginning of the exit, and needs no word of its own.
const EXIT_FOLLOWS: Duration = Duration::from_millis(20);

/// What a process has while its leader runs.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) process: Arc<Process>,
    pub(crate) child: Child,
    /// Those of its streams.
    pub(crate) copiers: Vec<CopierHandle>,
    /// When it is ended.
    pub(crate) timeout: Option<Instant>,
    /// Its place among the running ones.
    pub(crate) place: OwnedSemaphorePermit,
    /// Told at the exit.
    pub(crate) event: Event,
}

/// How the leader ended.
#[derive(Clone, Copy, Debug)]
struct Ended {
    exit: Exit,
    timed_out: bool,
}

impl Life {
    /// Follows the process until its output is closed.
    pub(crate) async fn run(self, shared: Arc<Shared>) {
        let ended = self.follow(&shared).await;
        drop(self.place);
        // Until the exit is published nothing is copied, so that it has a place in the output.
        let held = join_all(self.copiers.iter().map(CopierHandle::catch_up)).await;
        let at_end = held.iter().all(|held| held.at_end);
        publish(&shared, &self.process, Some(ended), at_end).await;
        drop(held);
        tracing::info!(process.id = %self.process.id(), "exited");
        shared.tell(self.event);
        self.process.input.close().await;
        if !at_end {
            join_all(self.copiers.iter().map(CopierHandle::ended)).await;
            publish(&shared, &self.process, None, true).await;
        }
    }

    /// Waits for the exit, and says so if the output ends long before it.
    async fn follow(&self, shared: &Arc<Shared>) -> Ended {
        let mut exit = pin!(self.until_exit(shared));
        let output_ends = async {
            join_all(self.copiers.iter().map(CopierHandle::ended)).await;
            sleep(EXIT_FOLLOWS).await;
            let process = Arc::clone(&self.process);
            // It panics only by a defect, and then the end is told with the exit.
            let _ = spawn_blocking(move || process.end_output()).await;
        };
        tokio::select! {
            biased;
            ended = &mut exit => return ended,
            () = output_ends => {}
        }
        exit.await
    }

    async fn until_exit(&self, shared: &Arc<Shared>) -> Ended {
        let Some(timeout) = self.timeout else {
            return Ended { exit: self.child.wait().await, timed_out: false };
        };
        tokio::select! {
            biased;
            exit = self.child.wait() => return Ended { exit, timed_out: false },
            () = sleep_until(timeout) => {}
        }
        // It may have ended by itself without that having come through to here.
        if let Some(exit) = self.child.try_wait() {
            return Ended { exit, timed_out: false };
        }
        tracing::info!(process.id = %self.process.id(), "timed out");
        // What the leader leaves is ended too, however soon the leader goes.
        let (tree, grace) = (self.child.tree.clone(), shared.config.kill_grace);
        shared.tasks.spawn(async move { tree.end(grace).await });
        Ended { exit: self.child.wait().await, timed_out: true }
    }
}

/// Writes down and says that the leader ended, or that the output did, or both at once.
async fn publish(shared: &Arc<Shared>, process: &Arc<Process>, ended: Option<Ended>, closes: bool) {
    let (retention, process) = (shared.config.retention, Arc::clone(process));
    let work = move || {
        if closes {
            // Written down with the rest.
            process.journals.end();
        }
        let usage = process.tree.as_ref().and_then(Tree::usage);
        let exit = ended.map(|ended| exit_of(&process, &ended.exit));
        let oom_killed = process.tree.as_ref().is_some_and(Tree::oom_killed);
        process.update(|state| {
            if let Some(ended) = ended {
                state.exit = exit;
                state.timed_out = ended.timed_out;
                state.oom_killed = oom_killed;
                state.cpu_time_ms = Some(ms(ended.exit.cpu_time));
                state.peak_memory_bytes = Some(ended.exit.peak_memory_bytes);
                state.accounting = Some(Accounting::Rusage);
                if state.stdin == Stdin::Open {
                    state.stdin = Stdin::Closed;
                }
            }
            if let Some(usage) = usage {
                note_usage(state, usage);
            }
            if closes {
                state.closed_at = Some(closing_time(state));
            }
        });
        if closes {
            process.keep_for(retention);
            process.tree.iter().for_each(Tree::remove);
        }
    };
    // It panics only by a defect, and then the process stays as it was.
    let _ = spawn_blocking(work).await;
    shared.retention.notify_one();
}

fn exit_of(process: &Process, exit: &Exit) -> store::Exit {
    let (code, signal, core_dumped) = match exit.status {
        ExitStatus::Exited(code) => (code, None, false),
        ExitStatus::Signaled { signal, core_dumped } => {
            (128 + signal, Some(Signal::name_of(signal).into_owned()), core_dumped)
        }
        ExitStatus::Lost => (-1, None, false),
    };
    let journals = &process.journals;
    let stderr_end = journals.stderr().map_or(0, |stderr| stderr.bounds().end);
    let ends = [journals.output().bounds().end, stderr_end];
    store::Exit { code, at: Timestamp::from(exit.at), signal, core_dumped, ends }
}

/// Now, or the time of the exit if the clock was set back since.
pub(crate) fn closing_time(state: &State) -> Timestamp {
    let exited = state.exit.as_ref().map_or(state.started_at, |exit| exit.at);
    Timestamp::from(SystemTime::now()).max(exited)
}

/// Notes what a cgroup knows of the whole tree, in place of what the system says of the leader.
pub(crate) fn note_usage(state: &mut State, usage: Usage) {
    state.cpu_time_ms = Some(ms(usage.cpu_time));
    state.peak_memory_bytes = Some(usage.peak_memory_bytes);
    state.accounting = Some(Accounting::Cgroup);
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
