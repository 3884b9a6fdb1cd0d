//! The engine of the containers, asked through its HTTP interface: what there is, in the protocol's
//! words; stopping, removing, events. When to ask is `follow`'s matter.

mod error;

use std::{path::PathBuf, sync::Arc};

use agent_api::Container;
use bollard::{Docker, models::ContainerInspectResponse};

pub(crate) use error::EngineError;

/// Where an engine is looked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct EngineSource {
    /// `containers.engine`, which counts before everything else.
    pub(crate) engine: Option<String>,
    /// `DOCKER_HOST`.
    pub(crate) docker_host: Option<String>,
    /// `XDG_RUNTIME_DIR`.
    pub(crate) runtime_dir: Option<PathBuf>,
}

/// The containers at one moment, newest first, then by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing {
    /// All containers, also those that do not run.
    pub(crate) containers: Vec<Arc<Container>>,
    /// What could not be understood or does not fit together.
    pub(crate) warnings: Vec<String>,
}

/// The engine; cheap to clone. Making one touches nothing.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    source: Arc<EngineSource>,
}

/// The events of containers since it was asked for.
#[derive(Debug)]
pub(crate) struct Events {}

impl Engine {
    pub(crate) fn new(source: EngineSource) -> Self {
        Self { source: Arc::new(source) }
    }

    /// Lists all containers.
    pub(crate) async fn list(&self) -> Result<Listing, EngineError> {
        todo!()
    }

    /// Opens the stream of events; what it tells marks containers to be looked at anew.
    pub(crate) async fn events(&self) -> Result<Events, EngineError> {
        todo!()
    }

    /// What the engine says of one container, by id, unique beginning of an id, or name.
    pub(crate) async fn inspect(&self, name: &str) -> Result<ContainerInspectResponse, EngineError> {
        let _ = name;
        todo!()
    }

    /// Stops a container, by force after 10 s; one that is gone or stopped is no error.
    pub(crate) async fn stop(&self, id: &str) -> Result<(), EngineError> {
        let _ = id;
        todo!()
    }

    /// Removes a container; its volumes stay. One that is gone is no error.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), EngineError> {
        let _ = id;
        todo!()
    }

    /// The connected client, for what is not above.
    pub(crate) async fn docker(&self) -> Result<Docker, EngineError> {
        todo!()
    }
}

impl Events {
    /// Waits for an event that changes what a listing says; `None` when the connection ended.
    pub(crate) async fn next(&mut self) -> Option<()> {
        todo!()
    }
}
