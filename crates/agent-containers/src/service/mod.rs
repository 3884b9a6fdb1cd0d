//! The service: its state, its start and its end; each group of operations has a file of its own.

mod bring_up;
mod change;
mod enter;
mod list;
mod logs;
mod tend;
mod watch;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use agent_exec::Launcher;
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, watch as channel};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tracing::{Instrument, info_span};
use uuid::Uuid;

use crate::{
    Config, Error, Statistics, Workspace,
    cli::Cli,
    config_files::ConfigFiles,
    engine::{Engine, EngineSource},
    follow::Follower,
    logs::Logs,
    nested::NestedAgent,
    registry::Registry,
    statistics::Counters,
};

pub use logs::LogStream;
pub use watch::ContainersWatch;

/// Dev containers whose configuration is read, or that get an agent, at a time; each may run a
/// command that is not small.
const MAX_TENDED: usize = 4;

/// Containers of the machine, and the dev containers among them.
///
/// Cheap to clone; the clones are one service. Dropping the last clone ends what it does, without
/// waiting; agents inside containers then go on.
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
    follower: Follower,
    cli: Cli,
    logs: Logs,
    registry: Mutex<Registry>,
    /// Counts changes of the registry, for those who watch.
    changes: channel::Sender<u64>,
    /// Wakes the task that does what is due.
    due: Notify,
    /// The agents inside, by folder of the dev container. Locked before the registry, never after.
    agents: Mutex<HashMap<String, NestedAgent>>,
    tended: Arc<Semaphore>,
    counters: Counters,
    is_running: AtomicBool,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Containers {
    /// Makes the service; touches nothing.
    ///
    /// `launcher` runs the `devcontainer` command.
    pub fn new(config: Config, launcher: Launcher, workspace: Arc<dyn Workspace>) -> Self {
        let engine = Engine::new(EngineSource {
            engine: config.engine.clone(),
            docker_host: config.docker_host.clone(),
            runtime_dir: config.runtime_dir.clone(),
        });
        let stop = CancellationToken::new();
        let shared = Shared {
            registry: Mutex::new(Registry::new(&config)),
            follower: Follower::new(engine.clone()),
            cli: Cli::new(launcher, Arc::clone(&workspace), config.engine.clone()),
            logs: Logs::new(config.state_dir.join("devcontainers")),
            config,
            workspace,
            engine,
            changes: channel::Sender::new(0),
            due: Notify::new(),
            agents: Mutex::default(),
            tended: Arc::new(Semaphore::new(MAX_TENDED)),
            counters: Counters::default(),
            is_running: AtomicBool::new(false),
            stop: stop.clone(),
            tasks: TaskTracker::new(),
        };
        Self { shared: Arc::new(shared), _alive: Arc::new(stop.drop_guard()) }
    }

    /// Begins to follow the engine and the configuration files; the first listing or watch does so,
    /// too. Needs a runtime.
    pub fn run(&self) {
        let shared = &self.shared;
        let is_allowed = self.check_enabled().is_ok() && !shared.stop.is_cancelled();
        if is_allowed && !shared.is_running.swap(true, Ordering::Relaxed) {
            shared.run();
        }
    }

    /// Whether [`Containers::start`] has something to bring up.
    pub fn have_start(&self) -> bool {
        self.check_enabled().is_ok()
            && self.shared.config.dev_containers.iter().any(|configured| configured.autostart)
    }

    /// Brings up the configured dev containers that want it, one after another, in order, and looks
    /// for projects meanwhile; answers whether all configured ones came up. To be called once, after
    /// the start scripts.
    ///
    /// Discovered dev containers come up after it has returned.
    ///
    /// # Cancellation
    ///
    /// What has begun goes on.
    pub async fn start(&self) -> bool {
        if self.check_enabled().is_err() {
            return true;
        }
        self.run();
        let start = Arc::clone(&self.shared).start();
        self.shared
            .tasks
            .spawn(start.instrument(info_span!("containers.start")))
            .await
            .is_ok_and(|all| all)
    }

    /// Ends what is brought up, the agents inside, every watch and log, and waits until nothing is
    /// left. A deletion that has begun runs to its end.
    pub async fn shutdown(&self) {
        let shared = &self.shared;
        shared.stop.cancel();
        shared.tasks.close();
        tokio::join!(shared.stop_agents(), shared.tasks.wait());
        // One of the tasks may have been about to report another.
        shared.stop_agents().await;
    }

    /// Kills what is brought up, for a shutdown that must end now.
    pub async fn kill_all(&self) {
        self.shared.stop.cancel();
        self.shared.cli.kill_all().await;
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

    /// Fails when there is no dev container of an id.
    ///
    /// # Errors
    ///
    /// Those of [`Containers::check_enabled`], [`Error::InvalidId`], [`Error::ShuttingDown`],
    /// [`Error::NoDevContainer`].
    pub fn check_dev_container(&self, id: &str) -> Result<(), Error> {
        let id = self.check(id)?;
        self.shared.registry.lock().find(id).map(|_| ())
    }

    /// The figures of this moment.
    pub fn statistics(&self) -> Statistics {
        let dev_containers = self.shared.registry.lock().counts();
        self.shared.counters.statistics(dev_containers)
    }

    /// What every operation checks first, those of one dev container with its id.
    fn check(&self, id: &str) -> Result<Uuid, Error> {
        self.check_enabled()?;
        let id = Uuid::try_parse(id).map_err(|_| Error::InvalidId { id: id.to_owned() })?;
        if self.shared.stop.is_cancelled() {
            return Err(Error::ShuttingDown);
        }
        Ok(id)
    }
}

impl Shared {
    fn run(self: &Arc<Self>) {
        let (hearing, changing) = (Arc::clone(self), Arc::downgrade(self));
        let follow = self.follower.clone().run(self.stop.clone(), move |listing, took| {
            hearing.counters.listed(listing.is_ok(), took);
            hearing.change(|registry| match listing {
                Ok(listing) => registry.listed(listing),
                Err(error) => {
                    let why = agent_api::causes(Some(&error)).unwrap_or_default();
                    registry.listing_failed(why);
                }
            });
        });
        self.tasks.spawn(follow.instrument(info_span!(parent: None, "containers.follow")));
        let files = ConfigFiles::new(move |path, at| {
            if let Some(shared) = changing.upgrade() {
                shared.change(|registry| registry.file_changed(path, at));
            }
        });
        let tend = Arc::clone(self).tend_all(files);
        self.tasks.spawn(tend.instrument(info_span!(parent: None, "containers.tend")));
        self.due.notify_one();
    }

    /// Changes what is known, and tells everybody who cares.
    fn change<T>(&self, change: impl FnOnce(&mut Registry) -> T) -> T {
        let result = change(&mut self.registry.lock());
        self.changes.send_modify(|count| *count += 1);
        self.due.notify_one();
        result
    }

    /// Asks all agents inside to end.
    async fn stop_agents(&self) {
        let agents: Vec<_> = self.agents.lock().drain().map(|(_, agent)| agent).collect();
        join_all(agents.iter().map(|agent| async move {
            if let Err(error) = agent.stop().await {
                tend::log_agent(agent, &error);
            }
        }))
        .await;
    }
}
