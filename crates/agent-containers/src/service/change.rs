//! `recreate_dev_container` and `delete_dev_container`: what has begun runs to its end, whoever
//! leaves; and `connect_dev_container`.

use std::{sync::Arc, time::SystemTime};

use agent_api::{Classify as _, RecreateDevContainerResponse};
use tracing::{Instrument, info, info_span, warn};

use super::{Containers, Shared};
use crate::{
    Error, NestedStream,
    engine::EngineError,
    nested::{NestedAgent, NestedError},
    registry::Owned,
};

impl Containers {
    /// Begins to bring a dev container up with a new container.
    ///
    /// # Errors
    ///
    /// In this order: those of [`Containers::check_enabled`], [`Error::InvalidId`],
    /// [`Error::ShuttingDown`], [`Error::NoDevContainer`], [`Error::Managed`], [`Error::Busy`],
    /// [`Error::NotInstalled`].
    ///
    /// # Cancellation
    ///
    /// What has begun goes on.
    #[tracing::instrument(name = "containers.recreate_dev_container", level = "debug", skip_all)]
    pub async fn recreate_dev_container(
        &self,
        id: &str,
    ) -> Result<RecreateDevContainerResponse, Error> {
        let id = self.check(id)?;
        self.run();
        let shared = &self.shared;
        shared.registry.lock().check_change(id)?;
        let cli = shared.cli.clone();
        let look = tokio::task::spawn_blocking(move || cli.is_installed());
        if !look.await.map_err(Error::Panicked)? {
            return Err(Error::NotInstalled);
        }
        // Another request may have been faster. The log is the new one before anybody knows.
        let (owned, log) = shared
            .change(|registry| registry.begin_up(id).map(|owned| (owned, shared.logs.begin(id))))?;
        let name = owned.name.clone();
        let up = Arc::clone(shared).bring_up(owned, log, true);
        shared.tasks.spawn(up.instrument(info_span!("containers.up")));
        Ok(RecreateDevContainerResponse {
            message: "dev container recreation initiated".to_owned(),
            detail: format!("recreating dev container \"{name}\""),
        })
    }

    /// Stops and removes the container of a dev container, and forgets the dev container.
    ///
    /// # Errors
    ///
    /// In this order: those of [`Containers::check_enabled`], [`Error::InvalidId`],
    /// [`Error::ShuttingDown`], [`Error::NoDevContainer`], [`Error::Managed`], [`Error::Busy`]; then
    /// those of the steps: [`Error::StopAgent`], [`Error::StopContainer`],
    /// [`Error::RemoveContainer`].
    ///
    /// # Cancellation
    ///
    /// What has begun runs to its end.
    #[tracing::instrument(name = "containers.delete_dev_container", level = "debug", skip_all)]
    pub async fn delete_dev_container(&self, id: &str) -> Result<(), Error> {
        let id = self.check(id)?;
        self.run();
        let shared = &self.shared;
        let (owned, agent) = {
            // Nobody else may stop the agent of one that is deleted.
            let mut agents = shared.agents.lock();
            let owned = shared.change(|registry| registry.begin_delete(id))?;
            let agent = agents.remove(&owned.folder);
            (owned, agent)
        };
        let delete = Arc::clone(shared).delete(owned, agent);
        let delete = shared.tasks.spawn(delete.instrument(info_span!("containers.delete")));
        delete.await.map_err(Error::Panicked)?
    }

    /// Connects to the agent inside a dev container.
    ///
    /// # Errors
    ///
    /// Those of [`Containers::check_enabled`], [`Error::InvalidId`], [`Error::ShuttingDown`],
    /// [`Error::NoDevContainer`], [`Error::NoAgent`], [`Error::Connect`].
    #[tracing::instrument(name = "containers.connect_dev_container", level = "debug", skip_all)]
    pub async fn connect_dev_container(&self, id: &str) -> Result<NestedStream, Error> {
        let id = self.check(id)?;
        let owned = self.shared.registry.lock().find(id)?;
        let agent = self.shared.agents.lock().get(&owned.folder).cloned();
        let name = owned.name;
        let Some(agent) = agent else { return Err(Error::NoAgent { name }) };
        let connect = agent.connect();
        tokio::select! {
            () = self.shared.stop.cancelled() => Err(Error::ShuttingDown),
            stream = connect => {
                stream.map_err(|error| Error::Connect { name, why: text(&error) })
            }
        }
    }
}

impl Shared {
    async fn delete(
        self: Arc<Self>,
        owned: Owned,
        agent: Option<NestedAgent>,
    ) -> Result<(), Error> {
        let result = self.delete_steps(&owned, agent).await;
        match &result {
            Ok(()) => {
                self.change(|registry| registry.forget(&owned));
                self.logs.forget(owned.id).await;
                info!(dev_container.id = %owned.id, "deleted");
            }
            Err(error) => {
                let why = match error.detail() {
                    Some(detail) => format!("{error}: {detail}"),
                    None => error.to_string(),
                };
                warn!(dev_container.id = %owned.id, error = why, "not deleted");
                let now = SystemTime::now().into();
                self.change(|registry| registry.delete_failed(&owned.folder, why, now));
            }
        }
        result
    }

    async fn delete_steps(&self, owned: &Owned, agent: Option<NestedAgent>) -> Result<(), Error> {
        if let Some(agent) = agent {
            let stopped: Result<(), NestedError> = agent.stop().await;
            stopped.map_err(|error| Error::StopAgent { why: text(&error) })?;
        }
        let Some(container_id) = &owned.container_id else { return Ok(()) };
        let stopped: Result<(), EngineError> = self.engine.stop(container_id).await;
        stopped.map_err(|error| Error::StopContainer { why: text(&error) })?;
        self.change(|registry| registry.container_stopped(&owned.folder));
        let removed = self.engine.remove(container_id).await;
        removed.map_err(|error| Error::RemoveContainer { why: text(&error) })
    }
}

/// An error and its causes.
fn text(error: &(dyn std::error::Error + 'static)) -> String {
    agent_api::causes(Some(error)).unwrap_or_default()
}
