//! The service: its state, how many connections there are, and how it ends; one connection is
//! `connection.rs`.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use agent_exec::Launcher;
use agent_ssh_protocol::{ConnectionConfig, ServerConfig};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OnceCell, OwnedSemaphorePermit, Semaphore},
    task::{JoinSet, spawn_blocking},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;
use uuid::Uuid;

use crate::{
    Config, Containers, Refused, StartError, Statistics, TransportKind, Workspace,
    agent::Links,
    auth::Policy,
    connection::{self, Arrival},
    forward::StreamlocalRegistry,
    host_keys,
    session::Killable,
    sftp::Workers,
    statistics::Counters,
    x11::Displays,
};

/// Longest time that [`Ssh::shutdown`] takes: the five seconds that children get, and one for the
/// rest.
const SHUTDOWN: Duration = Duration::from_secs(6);

/// The SSH server of a workspace.
///
/// Cheap to clone; the clones are one server.
#[derive(Clone, Debug)]
pub struct Ssh {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) launcher: Launcher,
    pub(crate) workspace: Arc<dyn Workspace>,
    containers: OnceLock<Arc<dyn Containers>>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) streamlocals: StreamlocalRegistry,
    pub(crate) displays: Displays,
    pub(crate) links: Links,
    pub(crate) sftp_workers: Workers,
    /// What open sessions run.
    pub(crate) running: Mutex<HashMap<Uuid, Killable>>,
    /// Nothing new, and what is open closes.
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    /// Made when the host keys are read.
    protocol: OnceCell<Arc<ServerConfig>>,
    policy: Arc<Policy>,
    places: Arc<Semaphore>,
    connections: AtomicU64,
}

/// The two ends of a connection, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Address of the client.
    pub remote: Option<SocketAddr>,
    /// Address that the client reached.
    pub local: Option<SocketAddr>,
}

/// A place of a connection; free again when it is dropped.
#[derive(Debug)]
pub struct Admission {
    _place: OwnedSemaphorePermit,
}

impl Ssh {
    /// Makes the server; touches nothing.
    pub fn new(config: Config, launcher: Launcher, workspace: Arc<dyn Workspace>) -> Self {
        let shared = Shared {
            policy: Arc::new(policy(&config, &*workspace)),
            places: Arc::new(Semaphore::new(config.max_connections)),
            config,
            launcher,
            workspace,
            containers: OnceLock::new(),
            counters: Arc::default(),
            streamlocals: StreamlocalRegistry::default(),
            displays: Displays::default(),
            links: Links::default(),
            sftp_workers: Workers::default(),
            running: Mutex::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            protocol: OnceCell::new(),
            connections: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Lets sessions that name a container run there; without it they run on the host. The first
    /// call counts, for all clones.
    #[must_use]
    pub fn with_containers(self, containers: Arc<dyn Containers>) -> Self {
        let _ = self.shared.containers.set(containers);
        self
    }

    /// Reads the host keys, and makes the one that is missing at the first start; the first
    /// connection does it where this was not called.
    ///
    /// # Errors
    ///
    /// [`StartError::HostKey`] when a key cannot be read, made, or is open to others.
    pub async fn prepare(&self) -> Result<(), StartError> {
        self.shared.protocol().await.map(drop)
    }

    /// Takes a place for a connection that comes by other means than a door of the server.
    ///
    /// # Errors
    ///
    /// [`Refused::TooManyConnections`] when all places are taken, [`Refused::ShuttingDown`] when
    /// the server ends.
    pub fn admit(&self) -> Result<Admission, Refused> {
        if self.shared.stop.is_cancelled() {
            return Err(Refused::ShuttingDown);
        }
        let place = Arc::clone(&self.shared.places).try_acquire_owned();
        place.map(|place| Admission { _place: place }).map_err(|_| Refused::TooManyConnections)
    }

    /// Serves a connection on the server's own tasks until it ends.
    ///
    /// Only a client of [`TransportKind::Tcp`] has to authenticate.
    pub fn serve<S>(&self, admission: Admission, stream: S, peer: Peer, transport: TransportKind)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let id = self.shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let arrival = Arrival { admission, stream, peer, transport, id };
        let server = Arc::clone(&self.shared);
        self.shared.counters.connected(transport);
        self.shared.tasks.spawn(async move {
            connection::run(Arc::clone(&server), arrival).await;
            server.counters.disconnected(transport);
        });
    }

    /// Ends the server: listeners, sessions and forwards close, clients are told, and what open
    /// sessions run is ended. Returns when that is done, after six seconds at most.
    ///
    /// Clients are free within one second; what their sessions run gets five to end. What earlier
    /// sessions left running is not touched.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        if timeout(SHUTDOWN, self.shared.tasks.wait()).await.is_err() {
            warn!("SSH sessions are still ending");
        }
    }

    /// Kills everything that open sessions run, for a shutdown that must end now.
    pub async fn kill_all(&self) {
        self.shared.stop.cancel();
        let running: Vec<Killable> = self.shared.running.lock().values().cloned().collect();
        let mut killing = JoinSet::new();
        for killable in running {
            killing.spawn(killable.kill());
        }
        killing.join_all().await;
    }

    /// The figures of this moment.
    pub fn statistics(&self) -> Statistics {
        self.shared.counters.read()
    }
}

impl Shared {
    /// What the protocol is told, host keys included.
    pub(crate) async fn protocol(&self) -> Result<Arc<ServerConfig>, StartError> {
        self.protocol.get_or_try_init(|| self.read_keys()).await.cloned()
    }

    /// What runs commands in containers, if that is on.
    pub(crate) fn containers(&self) -> Option<&Arc<dyn Containers>> {
        self.containers.get().filter(|containers| containers.is_enabled())
    }

    pub(crate) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy)
    }

    async fn read_keys(&self) -> Result<Arc<ServerConfig>, StartError> {
        let (state_dir, supplied) = (self.config.state_dir.clone(), self.config.host_keys.clone());
        let loaded = spawn_blocking(move || host_keys::load(&state_dir, &supplied)).await;
        let host_keys = loaded.map_err(|_| StartError::Stopping)??;
        Ok(Arc::new(ServerConfig {
            software: format!("agentd_{}", self.config.version),
            host_keys,
            max_auth_tries: self.config.max_auth_tries,
            connection: ConnectionConfig {
                keepalive: self.config.client_timeout.map(|silence| silence / 3),
                ..ConnectionConfig::default()
            },
        }))
    }
}

fn policy(config: &Config, workspace: &dyn Workspace) -> Policy {
    let account = [workspace.account().to_owned()];
    let principals =
        if config.principals.is_empty() { account.as_slice() } else { &config.principals };
    Policy {
        authorized_keys: config.authorized_keys.clone(),
        trusted_user_ca: config.trusted_user_ca.clone(),
        principals: principals.iter().map(|name| name.clone().into_bytes()).collect(),
        account: rustix::process::geteuid().as_raw(),
    }
}
