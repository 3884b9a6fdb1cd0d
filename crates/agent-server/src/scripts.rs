//! Scripts of the configuration: run at the start, at the stop and by the clock, logged, limited in
//! time, and ended with everything they started.
//!
//! ```text
//!  run_start ──▶ begin_cron ──▶ end_cron ──▶ run_stop ──▶ shutdown
//!                               (stop begins)              │ cut, at any time
//! ```

mod clock;
mod log;
mod run;
mod schedule;
mod trees;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use agent_api::{ScriptStage, ScriptStatus};
use agent_exec::Launcher;
use futures_util::future::join_all;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

pub use schedule::{ParseScheduleError, Schedule};

use self::{
    clock::{Clock, Look},
    log::ScriptLog,
    run::Ended,
    trees::Trees,
};
use crate::{
    Config, Script, lifecycle::Outcome, lifecycle::ScriptRuns, metrics::ScriptMetrics,
    session::Sessions,
};

/// The scripts of one agent; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Scripts {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    scripts: Vec<Configured>,
    launcher: Launcher,
    sessions: Sessions,
    /// Parent of the scripts' own directories.
    data_dir: PathBuf,
    kill_grace: Duration,
    runs: ScriptRuns,
    metrics: ScriptMetrics,
    trees: Trees,
    /// Cancelled when the agent begins to stop: only stop scripts begin from then on.
    stopping: CancellationToken,
    tasks: TaskTracker,
}

/// A script and where its output goes.
#[derive(Debug)]
struct Configured {
    script: Script,
    /// Place in the configuration.
    place: usize,
    log: Arc<ScriptLog>,
}

/// Longest time of a stop script that has no timeout of its own.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

impl Scripts {
    /// Scripts of a configuration; nothing is touched yet.
    pub(crate) fn new(
        config: &Config,
        launcher: Launcher,
        sessions: Sessions,
        runs: ScriptRuns,
        metrics: ScriptMetrics,
    ) -> Self {
        let log_dir = config.log_dir();
        let mut logs: HashMap<PathBuf, Arc<ScriptLog>> = HashMap::new();
        let configured = config.scripts.iter().enumerate().map(|(place, script)| {
            let usual = || PathBuf::from(format!("script-{}.log", script.name));
            let path = log_dir.join(script.log.clone().unwrap_or_else(usual));
            // Two scripts may have one log, and only one of them may rotate it.
            let log = logs.entry(path.clone()).or_insert_with(|| Arc::new(ScriptLog::new(path)));
            Configured { script: script.clone(), place, log: Arc::clone(log) }
        });
        Self {
            shared: Arc::new(Shared {
                scripts: configured.collect(),
                launcher,
                sessions,
                data_dir: config.state_dir.join("scripts"),
                kill_grace: config.processes.kill_grace,
                runs,
                metrics,
                trees: Trees::default(),
                stopping: CancellationToken::new(),
                tasks: TaskTracker::new(),
            }),
        }
    }

    /// Whether any script runs at the start.
    pub(crate) fn have_start(&self) -> bool {
        self.shared.scripts.iter().any(|configured| configured.script.run_on_start)
    }

    /// Runs all start scripts at the same time, to their ends.
    pub(crate) async fn run_start(&self) -> Outcome {
        if self.shared.stopping.is_cancelled() {
            return Outcome::Ok;
        }
        let begun = Instant::now();
        let outcome = self.run_all(ScriptStage::Start, |script| script.run_on_start).await;
        self.shared.metrics.started(begun.elapsed(), outcome == Outcome::Ok);
        outcome
    }

    /// Runs all stop scripts at the same time, to their ends.
    pub(crate) async fn run_stop(&self) -> Outcome {
        self.run_all(ScriptStage::Stop, |script| script.run_on_stop).await
    }

    /// Runs scripts by the clock from now on, unless the agent stops already.
    pub(crate) fn begin_cron(&self) {
        for (index, configured) in self.shared.scripts.iter().enumerate() {
            if let Some(schedule) = configured.script.cron.clone() {
                let shared = Arc::clone(&self.shared);
                self.shared.tasks.spawn(shared.run_by_clock(index, schedule));
            }
        }
    }

    /// Begins no script any more but stop scripts.
    pub(crate) fn end_cron(&self) {
        self.shared.stopping.cancel();
    }

    /// Ends what is left of every script, and waits until it has ended.
    pub(crate) async fn shutdown(&self) {
        self.shared.stopping.cancel();
        self.shared.tasks.close();
        let grace = self.shared.kill_grace;
        let trees = self.shared.trees.close();
        join_all(trees.iter().map(|tree| tree.end(grace))).await;
        self.shared.tasks.wait().await;
    }

    /// Kills what is left of every script.
    pub(crate) async fn cut(&self) {
        self.shared.stopping.cancel();
        let trees = self.shared.trees.close();
        join_all(trees.iter().map(|tree| tree.kill())).await;
    }

    async fn run_all(&self, stage: ScriptStage, is_due: impl Fn(&Script) -> bool) -> Outcome {
        let due = self.shared.scripts.iter().enumerate().filter(|(_, it)| is_due(&it.script));
        let runs = due.map(|(index, _)| {
            let shared = Arc::clone(&self.shared);
            self.shared.tasks.spawn(async move { shared.run(index, stage).await })
        });
        let ended = join_all(runs).await;
        // A run that panicked has failed.
        let statuses = ended.into_iter().map(|run| run.unwrap_or(ScriptStatus::ExitFailure));
        outcome(statuses)
    }
}

impl Shared {
    /// Runs a script once and records it.
    async fn run(&self, index: usize, stage: ScriptStage) -> ScriptStatus {
        let configured = &self.scripts[index];
        let (place, name) = (configured.place, configured.script.name.as_str());
        let usual_timeout = (stage == ScriptStage::Stop).then_some(STOP_TIMEOUT);
        let timeout = configured.script.timeout.or(usual_timeout);
        self.trees.sweep().await;
        self.runs.begin(place, name, stage);
        info!(script = name, stage = stage_word(stage), "script started");
        let Ended { status, exit_code } = run::run(self, configured, timeout).await;
        self.runs.end(place, stage, status, exit_code);
        let is_success = is_success(status);
        self.metrics.executed(is_success);
        let (stage, word) = (stage_word(stage), status_word(status));
        if is_success {
            info!(script = name, stage, status = word, "script ended");
        } else {
            warn!(script = name, stage, status = word, exit_code, "script failed");
        }
        status
    }

    /// Runs a script whenever it is due. A run that lasts beyond the next moment takes its place.
    async fn run_by_clock(self: Arc<Self>, index: usize, schedule: Schedule) {
        let mut clock = Clock::new(schedule, SystemTime::now());
        loop {
            match clock.look(SystemTime::now()) {
                Look::Never => {
                    warn!(script = self.scripts[index].script.name, "the script is never due");
                    return;
                }
                Look::Wait(pause) => {
                    let pause = tokio::time::sleep(pause);
                    if self.stopping.run_until_cancelled(pause).await.is_none() {
                        return;
                    }
                }
                Look::Run => {
                    if self.stopping.is_cancelled() {
                        return;
                    }
                    self.run(index, ScriptStage::Cron).await;
                    clock.skip(SystemTime::now());
                }
            }
        }
    }
}

/// A stage as the wire writes it.
fn stage_word(stage: ScriptStage) -> &'static str {
    match stage {
        ScriptStage::Start => "start",
        ScriptStage::Stop => "stop",
        _ => "cron",
    }
}

/// The status of an ended run as the wire writes it.
fn status_word(status: ScriptStatus) -> &'static str {
    match status {
        ScriptStatus::Ok => "ok",
        ScriptStatus::TimedOut => "timed_out",
        ScriptStatus::PipesLeftOpen => "pipes_left_open",
        _ => "exit_failure",
    }
}

fn is_success(status: ScriptStatus) -> bool {
    matches!(status, ScriptStatus::Ok | ScriptStatus::PipesLeftOpen)
}

/// What the ends of several scripts mean together.
fn outcome(statuses: impl IntoIterator<Item = ScriptStatus>) -> Outcome {
    statuses.into_iter().fold(Outcome::Ok, |so_far, status| match (so_far, status) {
        (_, ScriptStatus::TimedOut) | (Outcome::TimedOut, _) => Outcome::TimedOut,
        (so_far, status) if is_success(status) => so_far,
        _ => Outcome::Failed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_outweighs_failures_and_they_successes() {
        use ScriptStatus::{ExitFailure, Ok, PipesLeftOpen, TimedOut};
        let cases: [(&[ScriptStatus], Outcome); 6] = [
            (&[], Outcome::Ok),
            (&[Ok, PipesLeftOpen], Outcome::Ok),
            (&[Ok, ExitFailure, Ok], Outcome::Failed),
            (&[TimedOut, Ok], Outcome::TimedOut),
            (&[ExitFailure, TimedOut, ExitFailure], Outcome::TimedOut),
            (&[TimedOut, ExitFailure], Outcome::TimedOut),
        ];
        for (statuses, expected) in cases {
            assert_eq!(outcome(statuses.iter().copied()), expected, "{statuses:?}");
        }
    }
}
