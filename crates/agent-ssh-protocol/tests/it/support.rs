//! A client and a server joined in memory, and the tasks they run in.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use agent_ssh_protocol::key::HostKey;
use agent_ssh_protocol::{
    Accepted, Authenticator, Channel, ClientConfig, Connected, Connection, ConnectionConfig, Ended,
    Event, HandshakeError, Identity, Incoming, Offer, Open, ServerConfig, accept, connect,
};
use tokio::io::{AsyncRead, AsyncWrite, duplex};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

/// Lets everybody in.
pub(crate) struct Anyone;

impl Authenticator for Anyone {
    async fn none(&mut self, _: &[u8]) -> bool {
        true
    }

    async fn public_key(&mut self, _: Offer<'_>) -> bool {
        true
    }
}

pub(crate) fn server_config(connection: ConnectionConfig) -> Arc<ServerConfig> {
    let host_keys = vec![Arc::new(HostKey::generate_ed25519())];
    Arc::new(ServerConfig {
        software: "agentd_test".to_owned(),
        host_keys,
        max_auth_tries: 6,
        connection,
    })
}

pub(crate) fn client_config(connection: ConnectionConfig) -> ClientConfig {
    ClientConfig {
        software: "client_test".to_owned(),
        user: "user".to_owned(),
        identity: Identity::None,
        connection,
    }
}

/// One end of a connection; its driver runs in a task.
pub(crate) struct End {
    pub(crate) connection: Connection,
    pub(crate) incoming: Incoming,
    drivers: JoinSet<Ended>,
    stalled: Arc<Notify>,
}

impl End {
    fn new(connection: Connection, incoming: Incoming, driver: agent_ssh_protocol::Driver) -> Self {
        let mut drivers = JoinSet::new();
        let stalled = Arc::new(Notify::new());
        let told = Arc::clone(&stalled);
        drivers.spawn(async move {
            let mut run = pin!(driver.run());
            tokio::select! {
                ended = &mut run => ended,
                () = told.notified() => pending().await,
            }
        });
        Self { connection, incoming, drivers, stalled }
    }

    /// Stops this side, without closing its stream: it reads and writes nothing any more.
    pub(crate) fn stall(&self) {
        self.stalled.notify_one();
    }

    /// Waits for the end of the connection.
    pub(crate) async fn ended(&mut self) -> Ended {
        soon(self.drivers.join_next()).await.unwrap().unwrap()
    }

    /// Waits for the next channel that the peer opens.
    pub(crate) async fn next_open(&mut self) -> Open {
        match soon(self.incoming.next()).await {
            Some(Event::Open(open)) => open,
            other => panic!("a channel, not {other:?}"),
        }
    }
}

/// Both ends.
pub(crate) struct Pair {
    pub(crate) client: End,
    pub(crate) server: End,
}

impl Pair {
    pub(crate) async fn new() -> Self {
        Self::with(ConnectionConfig::default(), ConnectionConfig::default()).await
    }

    pub(crate) async fn with(client: ConnectionConfig, server: ConnectionConfig) -> Self {
        let (near, far) = duplex(1 << 16);
        Self::over(near, far, client, server).await
    }

    pub(crate) async fn over<S>(
        near: S,
        far: S,
        client: ConnectionConfig,
        server: ConnectionConfig,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (connected, accepted) = soon(handshake(near, far, client, server)).await;
        let (connected, accepted) = (connected.unwrap(), accepted.unwrap());
        Self {
            client: End::new(connected.connection, connected.incoming, connected.driver),
            server: End::new(accepted.connection, accepted.incoming, accepted.driver),
        }
    }

    /// Opens a channel from the client to the server.
    pub(crate) async fn channel(&mut self) -> (Channel, Channel) {
        let accept = async { self.server.next_open().await.accept() };
        let (near, far) = tokio::join!(self.client.connection.open("session", b""), accept);
        (near.unwrap(), far)
    }
}

async fn handshake<S>(
    near: S,
    far: S,
    client: ConnectionConfig,
    server: ConnectionConfig,
) -> (Result<Connected, HandshakeError>, Result<Accepted<Anyone>, HandshakeError>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tokio::join!(
        connect(near, client_config(client), |_| true),
        accept(far, server_config(server), Anyone),
    )
}

/// Waits, but not forever.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(20), future).await.expect("it comes to pass within 20 s")
}

/// Tasks that end with the test.
#[derive(Default)]
pub(crate) struct Tasks(JoinSet<()>);

impl Tasks {
    pub(crate) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.0.spawn(task)
    }
}

/// Sends what comes in back, and the end behind it.
pub(crate) async fn echo(mut channel: Channel) {
    while let Some(data) = channel.input.read().await {
        if channel.output.write_extended(data.stream, data.bytes).await.is_err() {
            return;
        }
    }
    channel.output.eof();
    channel.output.closed().await;
}

/// Reads everything up to the end of the data.
pub(crate) async fn read_all(channel: &mut Channel) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(data) = soon(channel.input.read()).await {
        all.extend_from_slice(&data.bytes);
    }
    all
}
