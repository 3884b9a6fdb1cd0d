//! One dev container: what is known of it, and what each event changes.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use agent_api::{
    Container, DevContainer, DevContainerAgent, DevContainerStatus as Status, Timestamp,
};
use uuid::Uuid;

use super::{
    choice,
    status::{Event, Found, is_owned, step},
};
use crate::{
    ConfiguredDevContainer,
    customizations::{Customizations, FileCustomizations},
};

/// Longest text of an error in bytes; what a command prints has no bound of its own.
const MAX_ERROR: usize = 64 * 1024;

/// A dev container that is known.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) id: Uuid,
    pub(super) workspace_folder: String,
    /// Where its `devcontainer.json` is, by source: the first that is known counts.
    paths: ConfigPaths,
    pub(super) subagent_id: Option<Uuid>,
    /// The name of the configuration.
    pub(super) configured_name: Option<String>,
    pub(super) name: String,
    pub(super) is_name_fixed: bool,
    pub(super) name_warning: Option<String>,
    pub(super) status: Status,
    pub(super) container: Option<Arc<Container>>,
    is_dirty: bool,
    /// The last event of its `devcontainer.json`.
    modified_at: Option<Timestamp>,
    error: Option<String>,
    error_at: Option<Timestamp>,
    pub(super) file: FileCustomizations,
    pub(super) merged: Customizations,
    pub(super) agent: Option<DevContainerAgent>,
    pub(super) agent_error: Option<String>,
    pub(super) agent_warning: Option<String>,
    /// The container whose configuration was read, or is due to be.
    seen: Option<String>,
    pub(super) due: Due,
    /// Whether a task does now what is due.
    pub(super) is_tended: bool,
}

#[derive(Debug, Default)]
struct ConfigPaths {
    configured: Option<String>,
    label: Option<String>,
    scanned: Option<String>,
}

/// What is to be done for a dev container as soon as that can be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// Read its `devcontainer.json`.
    pub(super) file: bool,
    /// Read the merged configuration, once its container runs.
    pub(super) merged: bool,
    /// Give its container an agent.
    pub(super) agent: bool,
}

/// How bringing up went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UpResult {
    /// There is a container; a lifecycle hook may have failed all the same.
    Container { id: String, error: Option<String> },
    /// There is none.
    Failed(String),
}

impl Entry {
    pub(super) fn new(agent_id: Uuid, workspace_folder: String) -> Self {
        let id = Uuid::new_v5(&agent_id, workspace_folder.as_bytes());
        Self { id, workspace_folder, status: Status::Stopped, ..Self::default() }
    }

    pub(super) fn configured(agent_id: Uuid, configured: &ConfiguredDevContainer) -> Self {
        let mut entry = Self::new(agent_id, text(&configured.workspace_folder));
        entry.id = configured.id.unwrap_or(entry.id);
        entry.subagent_id = configured.agent_id;
        entry.configured_name.clone_from(&configured.name);
        if configured.autostart {
            entry.status = Status::Starting;
        }
        entry.change_paths(|paths| paths.configured = configured.config_path.as_deref().map(text));
        entry
    }

    /// What people call it.
    pub(super) fn display_name(&self) -> &str {
        if self.name.is_empty() { &self.workspace_folder } else { &self.name }
    }

    pub(super) fn config_path(&self) -> Option<&str> {
        let paths = &self.paths;
        [&paths.configured, &paths.label, &paths.scanned].into_iter().find_map(Option::as_deref)
    }

    /// The file that is watched and read.
    pub(super) fn file_path(&self) -> Option<PathBuf> {
        let path = Path::new(&self.workspace_folder).join(self.config_path()?);
        let clean = choice::clean(path.to_str().expect("made of texts"));
        clean.starts_with('/').then(|| PathBuf::from(clean))
    }

    pub(super) fn scanned(&mut self, config_path: &Path) {
        self.change_paths(|paths| paths.scanned = Some(text(config_path)));
    }

    fn change_paths(&mut self, change: impl FnOnce(&mut ConfigPaths)) {
        let before = self.config_path().map(str::to_owned);
        change(&mut self.paths);
        if self.config_path() != before.as_deref() {
            self.due.file = self.config_path().is_some();
            self.due.merged = true;
        }
    }

    pub(super) fn running_container(&self) -> Option<&Arc<Container>> {
        self.container.as_ref().filter(|container| container.running)
    }

    /// Whether its container should have an agent.
    pub(super) fn wants_agent(&self) -> bool {
        self.status == Status::Running && !self.file.ignore && self.running_container().is_some()
    }

    /// Applies a listing, in which the folder has this container.
    pub(super) fn listed(&mut self, container: Option<&Arc<Container>>) {
        if is_owned(self.status) {
            return;
        }
        let found = container.map(|container| Found {
            is_running: container.running,
            created_at: container.created_at,
        });
        let before = self.status;
        let after = step(before, Event::Listed { container: found, error_at: self.error_at });
        // Also an old container is shown, so that a deletion that failed can be tried again.
        self.link(container);
        self.is_dirty = self.is_older_than_file();
        self.due.agent = self.agent.is_none() && self.agent_warning.is_none();
        let Some(after) = after else { return };
        if before == Status::Error {
            self.error = None;
        }
        self.status = after;
        if container.is_none() && !self.is_name_fixed {
            self.name.clear();
        }
    }

    fn link(&mut self, container: Option<&Arc<Container>>) {
        let id = |container: &Arc<Container>| container.id.clone();
        let before = self.running_container().map(id);
        self.container = container.cloned();
        let after = self.running_container().map(id);
        if before != after {
            self.drop_agent();
        }
        if after.is_some() && after != self.seen {
            self.due.merged = true;
            self.seen = after;
        }
        if let Some(path) = container.and_then(|container| choice::config_path(container)) {
            let path = path.to_owned();
            self.change_paths(|paths| paths.label = Some(path));
        }
    }

    fn drop_agent(&mut self) {
        (self.agent, self.agent_error, self.agent_warning) = (None, None, None);
    }

    fn is_older_than_file(&self) -> bool {
        let created_at = self.container.as_ref().map(|container| container.created_at);
        created_at.is_some_and(|created| self.modified_at.is_some_and(|at| created < at))
    }

    /// Its `devcontainer.json` changed.
    pub(super) fn file_changed(&mut self, at: Timestamp) {
        self.modified_at = self.modified_at.max(Some(at));
        self.is_dirty |= !is_owned(self.status) && self.is_older_than_file();
        (self.due.file, self.due.merged) = (true, true);
    }

    /// Bringing up begins.
    pub(super) fn begin_up(&mut self) {
        self.status = step(self.status, Event::BringUp).unwrap_or(self.status);
        (self.container, self.error, self.is_dirty) = (None, None, false);
        self.drop_agent();
    }

    /// Bringing up, which began at `began_at`, ended at `ended_at`.
    pub(super) fn end_up(&mut self, result: UpResult, began_at: Timestamp, ended_at: Timestamp) {
        match result {
            UpResult::Container { error, .. } => {
                self.status = step(self.status, Event::UpGaveContainer).unwrap_or(self.status);
                self.error = error.map(bounded);
                self.modified_at = self.modified_at.filter(|at| *at > began_at);
                self.is_dirty = false;
                self.due.merged = true;
            }
            UpResult::Failed(error) => self.fail(Event::UpGaveNone, error, ended_at),
        }
    }

    /// Deletion begins.
    pub(super) fn begin_delete(&mut self) {
        self.status = step(self.status, Event::Delete).unwrap_or(self.status);
        self.error = None;
    }

    pub(super) fn container_stopped(&mut self) {
        self.status = step(self.status, Event::ContainerStopped).unwrap_or(self.status);
    }

    /// A step of the deletion failed.
    pub(super) fn delete_failed(&mut self, error: String, at: Timestamp) {
        self.fail(Event::StepFailed, error, at);
    }

    fn fail(&mut self, event: Event, error: String, at: Timestamp) {
        self.status = step(self.status, event).unwrap_or(self.status);
        self.error = Some(bounded(error));
        self.error_at = Some(at);
    }

    /// What clients see of it.
    pub(super) fn to_dev_container(&self) -> DevContainer {
        DevContainer {
            id: self.id,
            name: self.name.clone(),
            workspace_folder: self.workspace_folder.clone(),
            config_path: self.config_path().map(str::to_owned),
            subagent_id: self.subagent_id,
            status: self.status,
            dirty: self.is_dirty,
            container: self.container.as_deref().cloned(),
            agent: self.agent.clone(),
            error: self.error.clone().or_else(|| self.agent_error.clone()),
            apps: self.merged.apps.clone(),
            display_apps: self.merged.display_apps,
        }
    }

    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        let own = self.name_warning.iter().chain(&self.agent_warning).chain(&self.merged.warnings);
        own.map(|warning| format!("dev container {}: {warning}", self.workspace_folder))
    }
}

/// The path of a folder as a text; what is not UTF-8 has no other form on the wire.
pub(super) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_ERROR));
    text
}
