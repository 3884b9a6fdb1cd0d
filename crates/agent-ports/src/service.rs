//! The service: its state, its places, and how it ends; dialing is in `dial.rs`, looking in
//! `listening/`.

use std::sync::Arc;

use agent_api::{ListListeningPortsResponse, Network};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    Config, Doors, Error, Owners, Statistics, Target, listening::Listening, statistics::Counters,
    target,
};

/// The ports of the workspace, as its own network namespace has them.
///
/// Cheap to clone; the clones are one service. Dropping the last clone cuts its tunnels.
#[derive(Clone, Debug)]
pub struct Ports {
    pub(crate) shared: Arc<Shared>,
    _alive: Arc<DropGuard>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) doors: Arc<dyn Doors>,
    pub(crate) counters: Arc<Counters>,
    /// One permit a tunnel.
    places: Arc<Semaphore>,
    listening: Listening,
    /// New tunnels are refused.
    pub(crate) closed: CancellationToken,
    /// Tunnels are cut.
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

/// The place of one tunnel, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    network: Network,
    counters: Arc<Counters>,
    _permit: OwnedSemaphorePermit,
}

impl Ports {
    /// Makes the service; touches nothing.
    ///
    /// `doors` are the agent's own ports, and `owners` knows the processes of the agent.
    pub fn new(config: Config, doors: Arc<dyn Doors>, owners: Arc<dyn Owners>) -> Self {
        let stop = CancellationToken::new();
        let counters = Arc::new(Counters::default());
        let shared = Shared {
            places: Arc::new(Semaphore::new(config.max_tunnels)),
            listening: Listening::new(config.ignore.clone(), owners, Arc::clone(&counters)),
            config,
            doors,
            counters,
            closed: stop.child_token(),
            stop: stop.clone(),
            tasks: TaskTracker::new(),
        };
        Self { shared: Arc::new(shared), _alive: Arc::new(stop.drop_guard()) }
    }

    /// Answers which TCP ports something other than the agent listens on, by port, ascending, one
    /// entry per port; at most 1 s old.
    ///
    /// Ports below [`MIN_DIAL_PORT`](agent_api::limits::MIN_DIAL_PORT) and those of
    /// [`Config::ignore`] are left out.
    ///
    /// # Errors
    ///
    /// [`Error::Scan`] when the sockets of the system cannot be read, [`Error::Unsupported`] where
    /// the platform does not tell them.
    pub async fn list_listening_ports(&self) -> Result<ListListeningPortsResponse, Error> {
        self.shared.listening.ports().await
    }

    /// Finds out what a port of [`Ports::dial`] leads to.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPort`] for a text that is not a decimal number from 0 to 65535 without sign
    /// and leading zeros, [`Error::UnsupportedPort`] when nothing can be behind it.
    pub fn tcp_target(&self, port: &str) -> Result<Target, Error> {
        target::tcp(port, |door| self.shared.doors.is_there(door))
    }

    /// Checks a port of [`Ports::dial_udp`].
    ///
    /// # Errors
    ///
    /// As [`Ports::tcp_target`]; doors are unsupported.
    pub fn udp_target(&self, port: &str) -> Result<Target, Error> {
        Ok(Target { port: target::udp(port)?, door: None })
    }

    /// Refuses new tunnels, and those that are being connected; the others go on.
    pub fn begin_drain(&self) {
        self.shared.closed.cancel();
    }

    /// Refuses new tunnels, cuts those into the workspace, and waits for their ends; those through
    /// doors end as the services behind them do.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// Figures for metrics; does not wait.
    pub fn statistics(&self) -> Statistics {
        self.shared.counters.statistics()
    }
}

impl Shared {
    /// Takes a place for one more tunnel.
    pub(crate) fn place(&self, network: Network) -> Result<Place, Error> {
        let max = self.config.max_tunnels;
        let permit = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Error::TooManyTunnels { max })?;
        if self.closed.is_cancelled() {
            return Err(Error::ShuttingDown);
        }
        self.counters.opened(network);
        Ok(Place { network, counters: Arc::clone(&self.counters), _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counters.closed(self.network);
    }
}
