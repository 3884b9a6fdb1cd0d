//! The dev containers that are known, and what each of them is. Nothing here waits, looks at the
//! disk or at a clock: whoever calls tells what happened, and when.

mod answer;
mod choice;
mod entry;
mod filter;
mod name;
mod status;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use agent_api::{
    Container, DevContainerAgent, DevContainerStatus, ListContainersResponse, Timestamp,
};
use uuid::Uuid;

use crate::{
    Config, Error,
    customizations::{Customizations, FileCustomizations},
    engine::Listing,
    projects::Project,
};

pub(crate) use answer::within_a_message;
pub(crate) use entry::UpResult;
pub(crate) use filter::Filter;

use entry::{Due, Entry};

/// Everything that is known.
#[derive(Debug)]
pub(crate) struct Registry {
    agent_id: Uuid,
    include_labels: Vec<(String, String)>,
    injects: bool,
    /// By folder, the order of answers.
    entries: BTreeMap<String, Entry>,
    containers: Vec<Arc<Container>>,
    /// Failure of the last listing.
    failure: Option<String>,
    listing_warnings: Vec<String>,
    scan_warning: Option<String>,
    watch_warnings: Vec<String>,
    /// Containers that were removed, but may still be in a listing that began before.
    removed: BTreeSet<String>,
}

/// A dev container that an operation has in its hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owned {
    /// The key of everything that the operation reports.
    pub(crate) folder: String,
    pub(crate) id: Uuid,
    /// What people call it.
    pub(crate) name: String,
    pub(crate) config_path: Option<String>,
    /// The container that it had.
    pub(crate) container_id: Option<String>,
}

/// What is to be done for a dev container, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tend {
    pub(crate) folder: String,
    pub(crate) name: String,
    pub(crate) config_path: Option<String>,
    /// Its `devcontainer.json`, if that is to be read.
    pub(crate) file: Option<PathBuf>,
    /// The running container whose merged configuration is to be read.
    pub(crate) merged: Option<Arc<Container>>,
    /// Whether the running container is to get an agent after that.
    pub(crate) agent: bool,
}

impl Registry {
    /// What the configuration says.
    pub(crate) fn new(config: &Config) -> Self {
        let entries = config.dev_containers.iter().map(|configured| {
            let entry = Entry::configured(config.agent_id, configured);
            (entry.workspace_folder.clone(), entry)
        });
        Self {
            agent_id: config.agent_id,
            include_labels: config.include_labels.clone(),
            injects: config.inject_agent,
            entries: entries.collect(),
            containers: Vec::new(),
            failure: None,
            listing_warnings: Vec::new(),
            scan_warning: None,
            watch_warnings: Vec::new(),
            removed: BTreeSet::new(),
        }
    }

    /// The engine told its containers.
    pub(crate) fn listed(&mut self, listing: Listing) {
        self.failure = None;
        self.listing_warnings = listing.warnings;
        self.removed.retain(|id| listing.containers.iter().any(|one| one.id == *id));
        self.containers = listing.containers;
        self.containers.retain(|one| !self.removed.contains(&one.id));
        let chosen = choice::choose(&self.containers, &self.include_labels);
        for folder in chosen.keys() {
            let entry = self.entries.entry(folder.clone());
            entry.or_insert_with_key(|folder| Entry::new(self.agent_id, folder.clone()));
        }
        for (folder, entry) in &mut self.entries {
            entry.listed(chosen.get(folder));
        }
        self.name_all();
    }

    /// The engine did not tell its containers.
    pub(crate) fn listing_failed(&mut self, why: String) {
        self.failure = Some(why);
    }

    /// Projects were looked for, and their files read.
    pub(crate) fn scanned(
        &mut self,
        projects: &[Project],
        files: Vec<FileCustomizations>,
        warning: Option<String>,
    ) {
        self.scan_warning = warning;
        for (project, file) in projects.iter().zip(files) {
            let folder = entry::text(&project.workspace_folder);
            let entry = self.entries.entry(folder.clone());
            let entry =
                entry.or_insert_with_key(|folder| Entry::new(self.agent_id, folder.clone()));
            entry.scanned(&project.config_path);
            if entry.file_path().as_deref() == Some(&project.config_path) {
                self.set_file(&folder, file);
            }
        }
    }

    /// Some configuration files cannot be watched.
    pub(crate) fn set_watch_warnings(&mut self, warnings: Vec<String>) {
        self.watch_warnings = warnings;
    }

    /// A configuration file was created, changed, removed or renamed.
    pub(crate) fn file_changed(&mut self, path: &Path, at: Timestamp) {
        for entry in self.entries.values_mut() {
            if entry.file_path().as_deref() == Some(path) {
                entry.file_changed(at);
            }
        }
    }

    /// The configuration files of all.
    pub(crate) fn files(&self) -> BTreeSet<PathBuf> {
        self.entries.values().filter_map(Entry::file_path).collect()
    }

    /// Answers what a client sees, in spite of a listing that failed.
    pub(crate) fn known(&self, filter: &Filter) -> ListContainersResponse {
        let shown = self.entries.values().filter(|entry| !entry.file.ignore);
        let containers = self.containers.iter().filter(|container| filter.holds(container));
        let own = self.entries.values().flat_map(Entry::warnings);
        let listing = self.listing_warnings.iter().chain(&self.scan_warning);
        let warnings = listing.chain(&self.watch_warnings).cloned().chain(own);
        ListContainersResponse {
            devcontainers: shown.map(Entry::to_dev_container).collect(),
            containers: containers.map(|container| Container::clone(container)).collect(),
            warnings: warnings.collect(),
        }
    }

    /// Answers what a client sees.
    ///
    /// # Errors
    ///
    /// [`Error::List`] when the last listing failed.
    pub(crate) fn answer(&self, filter: &Filter) -> Result<ListContainersResponse, Error> {
        match &self.failure {
            Some(why) => Err(Error::List { why: why.clone() }),
            None => Ok(self.known(filter)),
        }
    }

    /// How many there are of each status.
    pub(crate) fn counts(&self) -> BTreeMap<DevContainerStatus, u64> {
        let mut counts = BTreeMap::new();
        for entry in self.entries.values() {
            *counts.entry(entry.status).or_default() += 1;
        }
        counts
    }
}

/// Operations.
impl Registry {
    /// The dev container of an id.
    pub(crate) fn find(&self, id: Uuid) -> Result<Owned, Error> {
        let entry = self.entries.values().find(|entry| entry.id == id);
        entry.map(owned).ok_or(Error::NoDevContainer { id })
    }

    /// Fails when an operation may not begin.
    pub(crate) fn check_change(&self, id: Uuid) -> Result<Owned, Error> {
        let owned = self.find(id)?;
        let entry = &self.entries[&owned.folder];
        let name = owned.name.clone();
        match entry {
            entry if entry.subagent_id.is_some() => Err(Error::Managed { name }),
            entry if status::is_owned(entry.status) => {
                Err(Error::Busy { name, status: entry.status })
            }
            _ => Ok(owned),
        }
    }

    /// Begins to bring one up, as [`Registry::check_change`] allows.
    pub(crate) fn begin_up(&mut self, id: Uuid) -> Result<Owned, Error> {
        let owned = self.check_change(id)?;
        self.change(&owned.folder, Entry::begin_up);
        Ok(owned)
    }

    /// Takes one that the configuration lets come up, and that waits for it since the start.
    pub(crate) fn configured_up(&self, folder: &Path) -> Option<Owned> {
        let entry = self.entries.get(&entry::text(folder))?;
        (entry.status == DevContainerStatus::Starting).then(|| owned(entry))
    }

    /// Begins to bring up one that was discovered, asks for it and is stopped.
    pub(crate) fn begin_discovered_up(&mut self, folder: &Path) -> Option<Owned> {
        let entry = self.entries.get_mut(&entry::text(folder))?;
        let is_wanted = entry.file.auto_start && !entry.file.ignore;
        if !is_wanted || entry.status != DevContainerStatus::Stopped {
            return None;
        }
        let owned = owned(entry);
        entry.begin_up();
        Some(owned)
    }

    /// Bringing up ended. Answers whether its container is in the listing that is known already;
    /// otherwise the next one tells what it is.
    pub(crate) fn end_up(
        &mut self,
        folder: &str,
        result: UpResult,
        began_at: Timestamp,
        ended_at: Timestamp,
    ) -> bool {
        let chosen = choice::choose(&self.containers, &self.include_labels).remove(folder);
        let is_new = match (&chosen, &result) {
            // The command may print the beginning of the id only.
            (Some(chosen), UpResult::Container { id, .. }) => chosen.id.starts_with(id.as_str()),
            (_, UpResult::Failed(_)) => true,
            (None, UpResult::Container { .. }) => false,
        };
        self.change(folder, |entry| {
            entry.end_up(result, began_at, ended_at);
            if is_new {
                entry.listed(chosen.as_ref());
            }
        });
        self.name_all();
        is_new
    }

    /// Begins to delete one, as [`Registry::check_change`] allows.
    pub(crate) fn begin_delete(&mut self, id: Uuid) -> Result<Owned, Error> {
        let owned = self.check_change(id)?;
        self.change(&owned.folder, Entry::begin_delete);
        Ok(owned)
    }

    /// The container of one that is deleted has stopped.
    pub(crate) fn container_stopped(&mut self, folder: &str) {
        self.change(folder, Entry::container_stopped);
    }

    /// A step of a deletion failed.
    pub(crate) fn delete_failed(&mut self, folder: &str, error: String, at: Timestamp) {
        self.change(folder, |entry| entry.delete_failed(error, at));
    }

    /// One is deleted, and its container is gone.
    pub(crate) fn forget(&mut self, owned: &Owned) {
        self.entries.remove(&owned.folder);
        if let Some(id) = &owned.container_id {
            self.containers.retain(|container| container.id != *id);
            self.removed.insert(id.clone());
        }
    }

    fn change(&mut self, folder: &str, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.get_mut(folder) {
            change(entry);
        }
    }
}

/// Reading configurations, and the agents inside.
impl Registry {
    /// Takes what is due now; each is tended until [`Registry::tended`].
    pub(crate) fn take_due(&mut self) -> Vec<Tend> {
        let injects = self.injects;
        let all = self.entries.values_mut();
        all.filter(|entry| !entry.is_tended).filter_map(|entry| take_due(entry, injects)).collect()
    }

    /// What was due is done.
    pub(crate) fn tended(&mut self, folder: &str) {
        self.change(folder, |entry| entry.is_tended = false);
    }

    /// A configuration file was read; by default nothing is special.
    pub(crate) fn set_file(&mut self, folder: &str, file: FileCustomizations) {
        self.change(folder, |entry| entry.file = file);
        self.fix_name(folder);
    }

    /// The merged configuration of a container was read. What the file itself says counts only when
    /// the file could not be found.
    pub(crate) fn set_merged(&mut self, folder: &str, merged: Customizations) {
        let Some(entry) = self.entries.get_mut(folder) else { return };
        if entry.file_path().is_none() {
            entry.file = merged.file.clone();
        }
        entry.merged = merged;
        self.fix_name(folder);
    }

    /// The container that may have an agent now, and the directory for that; `None` when it may not.
    pub(crate) fn agent_wanted(&self, folder: &str) -> Option<(Arc<Container>, Option<String>)> {
        let entry = self.entries.get(folder)?;
        let container = entry.running_container().filter(|_| entry.wants_agent())?;
        Some((Arc::clone(container), entry.merged.workspace_folder.clone()))
    }

    /// The name of a dev container.
    pub(crate) fn name(&self, folder: &str) -> Option<&str> {
        self.entries.get(folder).map(|entry| entry.name.as_str())
    }

    /// A container has an agent; `false` when it is not wanted any more.
    pub(crate) fn set_agent(
        &mut self,
        folder: &str,
        container_id: &str,
        agent: DevContainerAgent,
    ) -> bool {
        let is_wanted = self.agent_wanted(folder).is_some_and(|(one, _)| one.id == container_id);
        if is_wanted {
            self.change(folder, |entry| {
                (entry.agent, entry.agent_error) = (Some(agent), None);
            });
        }
        is_wanted
    }

    /// A container gets no agent: never, which is a warning, or not this time.
    pub(crate) fn agent_failed(
        &mut self,
        folder: &str,
        container_id: &str,
        why: String,
        is_final: bool,
    ) {
        self.change(folder, |entry| {
            if entry.running_container().is_none_or(|one| one.id != container_id) {
                return;
            }
            (entry.agent, entry.agent_error, entry.agent_warning) =
                if is_final { (None, None, Some(why)) } else { (None, Some(why), None) };
        });
    }

    /// The agent of a container is no more.
    pub(crate) fn agent_ended(&mut self, folder: &str, container_id: &str) {
        self.change(folder, |entry| {
            if entry.running_container().is_some_and(|one| one.id == container_id) {
                entry.agent = None;
            }
        });
    }
}

/// Names.
impl Registry {
    fn is_taken(&self, name: &str, folder: &str) -> bool {
        self.entries.iter().any(|(other, entry)| other != folder && entry.name == name)
    }

    /// Gives names to all that have a container and none.
    fn name_all(&mut self) {
        let nameless: Vec<String> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.name.is_empty() && entry.container.is_some())
            .map(|(folder, _)| folder.clone())
            .collect();
        for folder in nameless {
            self.derive_name(&folder);
        }
    }

    fn derive_name(&mut self, folder: &str) {
        let Some(entry) = self.entries.get(folder) else { return };
        let name = entry.container.as_ref().map(|container| {
            let source = name::Source {
                folder,
                container: &container.name,
                configured: entry.configured_name.as_deref(),
            };
            name::derive(source, |name| self.is_taken(name, folder))
        });
        self.change(folder, |entry| entry.name = name.unwrap_or_default());
    }

    /// Applies the name that the file gives, or none.
    fn fix_name(&mut self, folder: &str) {
        let Some(entry) = self.entries.get(folder) else { return };
        let refusal = entry.file.name.as_deref().and_then(|name| {
            if !name::is_name(name) {
                Some(format!("name {name:?} is not lower-case letters, digits and single hyphens"))
            } else if self.is_taken(name, folder) {
                Some(format!("name {name:?} is taken"))
            } else {
                None
            }
        });
        let fixed = entry.file.name.clone().filter(|_| refusal.is_none());
        let was_fixed = entry.is_name_fixed;
        self.change(folder, |entry| {
            entry.is_name_fixed = fixed.is_some();
            entry.name_warning = refusal;
            match fixed {
                Some(name) => entry.name = name,
                None if was_fixed => entry.name.clear(),
                None => {}
            }
        });
        self.name_all();
    }
}

fn owned(entry: &Entry) -> Owned {
    Owned {
        folder: entry.workspace_folder.clone(),
        id: entry.id,
        name: entry.display_name().to_owned(),
        config_path: entry.config_path().map(str::to_owned),
        container_id: entry.container.as_ref().map(|container| container.id.clone()),
    }
}

fn take_due(entry: &mut Entry, injects: bool) -> Option<Tend> {
    let file = entry.file_path().filter(|_| entry.due.file);
    let running = entry.running_container().cloned();
    let merged = running.filter(|_| entry.due.merged);
    let agent = injects && entry.due.agent && entry.agent.is_none() && entry.wants_agent();
    if file.is_none() && merged.is_none() && !agent {
        return None;
    }
    entry.due = Due { file: false, merged: entry.due.merged && merged.is_none(), agent: false };
    entry.is_tended = true;
    Some(Tend {
        folder: entry.workspace_folder.clone(),
        name: entry.name.clone(),
        config_path: entry.config_path().map(str::to_owned),
        file,
        merged,
        agent,
    })
}
