//! The record of script runs: of each script the last one at every stage; running them is not known
//! here.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use agent_api::{ScriptRun, ScriptStage, ScriptStatus};
use parking_lot::Mutex;

/// The runs of one agent's scripts; the clones are one record.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScriptRuns {
    runs: Arc<Mutex<BTreeMap<Slot, ScriptRun>>>,
}

/// Place in the record: the script's place in the configuration, then the stage.
type Slot = (usize, u8);

impl ScriptRuns {
    /// Records that the script at a place in the configuration begins to run.
    pub(crate) fn begin(&self, place: usize, name: &str, stage: ScriptStage) {
        let run = ScriptRun {
            name: name.to_owned(),
            stage,
            status: ScriptStatus::Running,
            exit_code: None,
            started_at: SystemTime::now().into(),
            ended_at: None,
        };
        self.runs.lock().insert((place, order(stage)), run);
    }

    /// Records how the run that began there ended.
    pub(crate) fn end(
        &self,
        place: usize,
        stage: ScriptStage,
        status: ScriptStatus,
        exit_code: i32,
    ) {
        if let Some(run) = self.runs.lock().get_mut(&(place, order(stage))) {
            run.status = status;
            run.exit_code = Some(exit_code);
            run.ended_at = Some(SystemTime::now().into());
        }
    }

    /// Every run, in the order of the configuration and then start, stop, cron.
    pub(crate) fn all(&self) -> Vec<ScriptRun> {
        self.runs.lock().values().cloned().collect()
    }
}

fn order(stage: ScriptStage) -> u8 {
    match stage {
        ScriptStage::Start => 0,
        ScriptStage::Stop => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_have_the_order_of_the_configuration_and_only_the_last_of_a_stage_stays() {
        let runs = ScriptRuns::default();
        runs.begin(1, "b", ScriptStage::Stop);
        runs.begin(1, "b", ScriptStage::Cron);
        runs.begin(0, "a", ScriptStage::Cron);
        runs.begin(1, "b", ScriptStage::Start);
        runs.end(1, ScriptStage::Cron, ScriptStatus::ExitFailure, 3);
        let shown = |runs: &ScriptRuns| -> Vec<_> {
            let all = runs.all().into_iter();
            all.map(|run| (run.name, run.stage, run.status, run.exit_code)).collect()
        };
        use ScriptStage::{Cron, Start, Stop};
        use ScriptStatus::{ExitFailure, Running};
        let name = str::to_owned;
        assert_eq!(
            shown(&runs),
            [
                (name("a"), Cron, Running, None),
                (name("b"), Start, Running, None),
                (name("b"), Stop, Running, None),
                (name("b"), Cron, ExitFailure, Some(3)),
            ]
        );
        assert!(runs.all()[3].ended_at.is_some());
        runs.begin(1, "b", ScriptStage::Cron);
        assert_eq!(shown(&runs)[3], (name("b"), Cron, Running, None));
        assert_eq!(runs.all()[3].ended_at, None);
    }
}
