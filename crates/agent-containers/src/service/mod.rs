//! The service: its state, its operations, its end.

use std::sync::Arc;

use agent_api::{
    DevContainerLogEntry, DevContainerLogsRequest, ListContainersRequest, ListContainersResponse,
    RecreateDevContainerResponse,
};
use agent_exec::Launcher;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    Config, Error, NestedStream, Statistics, Workspace, engine::Engine, statistics::Counters,
};

/// Containers of the machine, and the dev containers among them.
///
/// Cheap to clone; the clones are one service. Dropping the last clone ends what it does.
#[derive(Clone, Debug)]
pub struct Containers {
    pub(crate) shared: Arc<Shared>,
    _alive: Arc<DropGuard>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) workspace: Arc<dyn Workspace>,
    pub(crate) engine: Engine,
    pub(crate) counters: Counters,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

/// Tells a client of each change of what [`Containers::list_containers`] answers.
#[derive(Debug)]
pub struct ContainersWatch {
    _shared: Arc<Shared>,
}

/// The log of bringing a dev container up, entry after entry.
#[derive(Debug)]
pub struct LogStream {
    _shared: Arc<Shared>,
}

impl Containers {
    /// Makes the service; touches nothing.
    pub fn new(_config: Config, _launcher: Launcher, _workspace: Arc<dyn Workspace>) -> Self {
        todo!()
    }

    /// Begins to follow the engine; the first listing or watch does so, too.
    pub fn run(&self) {
        todo!()
    }

    /// Brings up the configured dev containers, one after another, and looks for projects; answers
    /// whether all came up. To be called once, after the start scripts.
    ///
    /// # Cancellation
    ///
    /// What has begun goes on.
    #[expect(clippy::unused_async, reason = "the shape before the content")]
    pub async fn start(&self) -> bool {
        todo!()
    }

    /// Ends what is brought up, the agents inside, every watch and log, and waits until nothing is
    /// left.
    #[expect(clippy::unused_async, reason = "the shape before the content")]
    pub async fn shutdown(&self) {
        todo!()
    }

    /// Kills what is brought up and does not wait: for an end that must be now.
    pub fn kill_all(&self) {
        todo!()
    }

    /// Fails when there are no containers by configuration.
    ///
    /// # Errors
    ///
    /// [`Error::Disabled`] and [`Error::Nested`].
    pub fn check_enabled(&self) -> Result<(), Error> {
        match &self.shared.config {
            config if config.is_nested => Err(Error::Nested),
            config if !config.enabled => Err(Error::Disabled),
            _ => Ok(()),
        }
    }

    /// Fails when there is no such dev container, in the words of the operations on one; for
    /// callers with a check of their own between this and the operation.
    ///
    /// # Errors
    ///
    /// Those of [`Containers::check_enabled`], [`Error::InvalidId`], [`Error::NoDevContainer`].
    pub fn check_dev_container(&self, _id: &str) -> Result<(), Error> {
        todo!()
    }

    /// Lists containers and dev containers, anew if the engine answers within a second.
    ///
    /// # Errors
    ///
    /// Those of [`Containers::check_enabled`], [`Error::Label`], [`Error::ShuttingDown`], and
    /// [`Error::List`] when the last listing that finished failed.
    #[expect(clippy::unused_async, reason = "the shape before the content")]
    pub async fn list_containers(
        &self,
        _req: ListContainersRequest,
    ) -> Result<ListContainersResponse, Error> {
        todo!()
    }

    /// Begins to watch what [`Containers::list_containers`] answers.
    ///
    /// # Errors
    ///
    /// Those of [`Containers::list_containers`].
    #[expect(clippy::unused_async, reason = "the shape before the content")]
    pub async fn watch_containers(
        &self,
        _req: ListContainersRequest,
    ) -> Result<ContainersWatch, Error> {
        todo!()
    }

    /// Begins to bring a dev container up with a new container.
    ///
    /// # Errors
    ///
    /// In this order: those of [`Containers::check_enabled`], [`Error::InvalidId`],
    /// [`Error::NoDevContainer`], [`Error::Managed`], [`Error::Busy`], [`Error::NotInstalled`].
    ///
    /// # Cancellation
    ///
    /// What has begun goes on.
    #[expect(clippy::unused_async, reason = "the shape before the content")]
    pub async fn recreate_dev_container(
        &self,
        _id: &str,
    ) -> Result<RecreateDevContainerResponse, Error> {
        todo!()
    }

    /// Stops and removes the container of a dev container, and forgets the dev container.
    ///
    /// # Errors
    ///
    /// In this order: those of [`Containers::check_enabled`], [`Error::InvalidId`],
    /// [`Error::NoDevContainer`], [`Error::Managed`], [`Error::Busy`]; then those of the steps:
    /// [`Error::StopAgent`], [`Error::StopContainer`], [`Error::RemoveContainer`].
    ///
    /// # Cancellation
    ///
    /// What has begun runs to its end.
    #[expect(clippy::unused_async, reason = "the shape before the content")]
    pub async fn delete_dev_container(&self, _id: &str) -> Result<(), Error> {
        todo!()
    }

    /// Reads the log of bringing a dev container up the last time.
    ///
    /// # Errors
    ///
    /// Those of [`Containers::check_enabled`], [`Error::InvalidId`], [`Error::NoDevContainer`].
    #[expect(clippy::unused_async, reason = "the shape before the content")]
    pub async fn dev_container_logs(
        &self,
        _id: &str,
        _req: DevContainerLogsRequest,
    ) -> Result<LogStream, Error> {
        todo!()
    }

    /// Connects to the agent inside a dev container.
    ///
    /// # Errors
    ///
    /// Those of [`Containers::check_enabled`], [`Error::InvalidId`], [`Error::NoDevContainer`],
    /// [`Error::NoAgent`], [`Error::Connect`].
    #[expect(clippy::unused_async, reason = "the shape before the content")]
    pub async fn connect_dev_container(&self, _id: &str) -> Result<NestedStream, Error> {
        todo!()
    }

    /// The figures of this moment.
    pub fn statistics(&self) -> Statistics {
        todo!()
    }
}

impl ContainersWatch {
    /// The first answer at once, then each that differs from the one before; `None` when the service
    /// ends.
    ///
    /// A reader that is slow misses answers between, never the latest. Written as JSON an answer is
    /// at most 4 MiB: a longer one has no labels, and a warning says so.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost.
    #[expect(clippy::unused_async, reason = "the shape before the content")]
    pub async fn next(&mut self) -> Option<ListContainersResponse> {
        todo!()
    }
}

impl LogStream {
    /// The next entry; `None` when there is none any more, or the service ends.
    ///
    /// # Errors
    ///
    /// The log cannot be read; nothing comes after that.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost.
    #[expect(clippy::unused_async, reason = "the shape before the content")]
    pub async fn next(&mut self) -> Option<Result<DevContainerLogEntry, std::io::Error>> {
        todo!()
    }
}
