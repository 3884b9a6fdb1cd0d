//! What follows from what is known: configuration files are watched, configurations read, agents put
//! into containers and stopped.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use agent_api::Container;
use tracing::{Instrument, info, info_span, warn};

use super::Shared;
use crate::{
    cli::ReadConfiguration,
    config_files::ConfigFiles,
    customizations::{self, Customizations, FileCustomizations},
    nested::{Injection, NestedAgent, NestedError, inject},
    registry::Tend,
};

/// Label with what image and features say of the dev container.
const METADATA: &str = "devcontainer.metadata";

impl Shared {
    /// Does what is due, whenever something changed.
    pub(super) async fn tend_all(self: Arc<Self>, files: ConfigFiles) {
        let files = Arc::new(files);
        let mut watched = BTreeSet::new();
        while self.stop.run_until_cancelled(self.due.notified()).await.is_some() {
            let paths = self.registry.lock().files();
            if paths != watched {
                watched.clone_from(&paths);
                self.watch_files(&files, paths).await;
            }
            self.stop_unwanted_agents();
            let due = self.registry.lock().take_due();
            for tend in due {
                let span = info_span!("containers.tend_one", path = tend.folder);
                self.tasks.spawn(Arc::clone(&self).tend(tend).instrument(span));
            }
        }
    }

    async fn watch_files(&self, files: &Arc<ConfigFiles>, paths: BTreeSet<PathBuf>) {
        let files = Arc::clone(files);
        let warnings = tokio::task::spawn_blocking(move || files.set(paths)).await;
        // Without an answer the runtime ends.
        let Ok(warnings) = warnings else { return };
        self.change(|registry| registry.set_watch_warnings(warnings));
    }

    async fn tend(self: Arc<Self>, tend: Tend) {
        let work = async {
            let _place = self.tended.acquire().await.expect("never closed");
            if let Some(path) = &tend.file {
                self.read_file(&tend.folder, path).await;
            }
            if let Some(container) = &tend.merged {
                self.read_merged(&tend, container).await;
            }
            if tend.agent {
                self.inject(&tend.folder).await;
            }
        };
        self.stop.run_until_cancelled(work).await;
        self.change(|registry| registry.tended(&tend.folder));
    }

    async fn read_file(&self, folder: &str, path: &Path) {
        let file = path.to_owned();
        let read = tokio::task::spawn_blocking(move || customizations::read_file(&file)).await;
        let Ok(read) = read else { return };
        let file = read.unwrap_or_else(|error| {
            warn!(path = %path.display(), error, "cannot read a configuration");
            FileCustomizations::default()
        });
        self.change(|registry| registry.set_file(folder, file));
    }

    async fn read_merged(&self, tend: &Tend, container: &Container) {
        let name = self.registry.lock().name(&tend.folder).map(str::to_owned);
        let read = self.cli.read_configuration(ReadConfiguration {
            workspace_folder: PathBuf::from(&tend.folder),
            config_path: tend.config_path.as_deref().map(PathBuf::from),
            name: name.unwrap_or_default(),
            container_id: container.id.clone(),
            metadata: container.labels.get(METADATA).cloned(),
        });
        let merged = read.await.unwrap_or_else(|error| {
            warn!(%error, "cannot read a merged configuration");
            Customizations::default()
        });
        self.change(|registry| registry.set_merged(&tend.folder, merged));
    }

    async fn inject(self: &Arc<Self>, folder: &str) {
        let wanted = {
            let registry = self.registry.lock();
            let name = registry.name(folder).map(str::to_owned);
            registry.agent_wanted(folder).zip(name)
        };
        let Some(((container, directory), name)) = wanted else { return };
        let injection = Injection {
            agent_id: self.config.agent_id,
            executable: None,
            container_id: container.id.clone(),
            name,
            directory,
        };
        match inject(&self.engine, &*self.workspace, injection).await {
            Ok(agent) => self.injected(folder, agent),
            Err(error) => {
                let why = agent_api::causes(Some(&error)).unwrap_or_default();
                warn!(container.id = container.id, error = why, "no agent in a container");
                let is_final = error.is_architecture();
                self.change(|registry| registry.agent_failed(folder, &container.id, why, is_final));
            }
        }
    }

    /// An agent was started in a container, which may be unwanted by now.
    fn injected(self: &Arc<Self>, folder: &str, agent: NestedAgent) {
        let (id, told) = (agent.container_id().to_owned(), agent.agent().clone());
        let is_wanted = {
            let mut agents = self.agents.lock();
            let is_wanted = !self.stop.is_cancelled()
                && self.change(|registry| registry.set_agent(folder, &id, told));
            if is_wanted {
                agents.insert(folder.to_owned(), agent.clone());
            }
            is_wanted
        };
        if !is_wanted {
            // Not here, where a stop of the service ends the work.
            self.tasks.spawn(stop(agent));
            return;
        }
        info!(container.id = id, "an agent runs in a container");
        self.tasks.spawn(Arc::clone(self).watch_agent(folder.to_owned(), agent));
    }

    async fn watch_agent(self: Arc<Self>, folder: String, agent: NestedAgent) {
        if self.stop.run_until_cancelled(agent.ended()).await.is_none() {
            return;
        }
        let mut agents = self.agents.lock();
        let id = agent.container_id();
        if agents.get(&folder).is_some_and(|known| known.is_same(&agent)) {
            agents.remove(&folder);
            self.change(|registry| registry.agent_ended(&folder, id));
            info!(container.id = id, "an agent in a container ended");
        }
    }

    /// Stops the agents of containers that are not to have one any more.
    fn stop_unwanted_agents(self: &Arc<Self>) {
        let mut agents = self.agents.lock();
        if agents.is_empty() {
            return;
        }
        let mut registry = self.registry.lock();
        let unwanted = agents.extract_if(|folder, agent| {
            let wanted = registry.agent_wanted(folder);
            wanted.is_none_or(|(container, _)| container.id != agent.container_id())
        });
        for (folder, agent) in unwanted.collect::<Vec<_>>() {
            registry.agent_ended(&folder, agent.container_id());
            self.tasks.spawn(stop(agent));
        }
    }
}

async fn stop(agent: NestedAgent) {
    if let Err(error) = agent.stop().await {
        log_agent(&agent, &error);
    }
}

/// Says that an agent could not be stopped; with its container it ends anyway.
pub(super) fn log_agent(agent: &NestedAgent, error: &NestedError) {
    let why = agent_api::causes(Some(error)).unwrap_or_default();
    warn!(container.id = agent.container_id(), error = why, "an agent in a container did not end");
}
