//! Bringing dev containers up: one that is recreated, those of the configuration at the start, those
//! that a search for projects finds.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Instant, SystemTime},
};

use agent_api::Timestamp;
use tracing::{Instrument, info, info_span, warn};

use super::Shared;
use crate::{
    cli::{Up, UpOutcome},
    customizations::{self, FileCustomizations},
    logs::LogWriter,
    projects::{self, Project},
    registry::{Owned, UpResult},
};

impl Shared {
    /// Brings one up that has the status for it; answers whether it has a container then.
    pub(super) async fn bring_up(
        self: Arc<Self>,
        owned: Owned,
        log: LogWriter,
        remove_existing: bool,
    ) -> bool {
        info!(dev_container.id = %owned.id, "bringing up");
        let (began, began_at) = (Instant::now(), Timestamp::from(SystemTime::now()));
        let up = Up {
            workspace_folder: PathBuf::from(&owned.folder),
            config_path: owned.config_path.map(PathBuf::from),
            remove_existing,
        };
        let outcome = self.cli.up(up, log, self.config.up_timeout, &self.stop).await;
        let ended_at = Timestamp::from(SystemTime::now());
        let result = result(outcome);
        let is_success = matches!(&result, UpResult::Container { error: None, .. });
        self.counters.brought_up(is_success, began.elapsed());
        match &result {
            UpResult::Container { error: None, .. } => {
                info!(dev_container.id = %owned.id, "brought up");
            }
            UpResult::Container { .. } => {
                warn!(dev_container.id = %owned.id, "brought up, but a part of it failed");
            }
            UpResult::Failed(_) => warn!(dev_container.id = %owned.id, "not brought up"),
        }
        let came_up = matches!(result, UpResult::Container { .. });
        self.follower.list_anew().await;
        let is_listed =
            self.change(|registry| registry.end_up(&owned.folder, result, began_at, ended_at));
        if !is_listed {
            self.follower.list_anew().await;
        }
        came_up
    }

    /// What belongs to the start; answers whether everything came up.
    pub(super) async fn start(self: Arc<Self>) -> bool {
        let discover = Arc::clone(&self).discover();
        let discover = self.tasks.spawn(discover.instrument(info_span!("containers.discover")));
        let mut all_came_up = true;
        for configured in self.config.dev_containers.iter().filter(|one| one.autostart) {
            if self.stop.is_cancelled() {
                return false;
            }
            let owned = self.registry.lock().configured_up(&configured.workspace_folder);
            let Some(owned) = owned else { continue };
            let log = self.logs.begin(owned.id);
            all_came_up &= Arc::clone(&self).bring_up(owned, log, false).await;
        }
        let shared = Arc::clone(&self);
        let discovered = async move {
            let projects = discover.await.unwrap_or_default();
            if shared.config.discover_autostart {
                shared.start_discovered(projects).await;
            }
        };
        self.tasks.spawn(discovered.instrument(info_span!("containers.start_discovered")));
        all_came_up
    }

    /// Looks for projects, once.
    async fn discover(self: Arc<Self>) -> Vec<Project> {
        let Some(directory) = self.config.directory.clone() else { return Vec::new() };
        if !self.config.discover_projects {
            return Vec::new();
        }
        let (home, stop) = (self.config.home.clone(), self.stop.clone());
        let look = move || {
            if !directory.is_dir() {
                return None;
            }
            let scan = projects::scan(&directory, &home, &stop);
            let files = scan.projects.iter().map(read_file).collect();
            Some((scan, files))
        };
        let found: Option<(_, Vec<FileCustomizations>)> =
            tokio::task::spawn_blocking(look).await.unwrap_or_default();
        let Some((scan, files)) = found else { return Vec::new() };
        info!(projects = scan.projects.len(), "looked for dev containers");
        let projects = scan.projects;
        self.change(|registry| registry.scanned(&projects, files, scan.warning));
        projects
    }

    /// Brings up those that ask for it, one after another.
    async fn start_discovered(self: &Arc<Self>, projects: Vec<Project>) {
        for project in projects {
            if self.stop.is_cancelled() {
                return;
            }
            let begun = self.change(|registry| {
                let owned = registry.begin_discovered_up(&project.workspace_folder)?;
                let log = self.logs.begin(owned.id);
                Some((owned, log))
            });
            if let Some((owned, log)) = begun {
                Arc::clone(self).bring_up(owned, log, false).await;
            }
        }
    }
}

fn read_file(project: &Project) -> FileCustomizations {
    customizations::read_file(&project.config_path).unwrap_or_else(|error| {
        warn!(path = %project.config_path.display(), error, "cannot read a configuration");
        FileCustomizations::default()
    })
}

fn result(outcome: UpOutcome) -> UpResult {
    match outcome {
        UpOutcome { container_id: Some(id), error, timed_out: false } => {
            UpResult::Container { id, error }
        }
        UpOutcome { error, .. } => {
            UpResult::Failed(error.unwrap_or_else(|| "devcontainer gave no container".to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcome_of_the_command_says_what_there_is() {
        let outcome = |id: Option<&str>, error: Option<&str>, timed_out| UpOutcome {
            container_id: id.map(str::to_owned),
            error: error.map(str::to_owned),
            timed_out,
        };
        let container = |error: Option<&str>| UpResult::Container {
            id: "a".to_owned(),
            error: error.map(str::to_owned),
        };
        let cases = [
            (outcome(Some("a"), None, false), container(None)),
            (outcome(Some("a"), Some("hook"), false), container(Some("hook"))),
            (outcome(None, Some("build"), false), UpResult::Failed("build".to_owned())),
            (outcome(Some("a"), Some("too long"), true), UpResult::Failed("too long".to_owned())),
        ];
        for (outcome, expected) in cases {
            assert_eq!(result(outcome), expected);
        }
    }
}
