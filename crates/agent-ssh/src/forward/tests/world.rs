//! Both ends of a connection over a pipe in memory, with the server's forwards behind one of them.

use std::{path::PathBuf, sync::Arc, time::Duration};

use agent_ssh_protocol::{
    Channel, ClientConfig, Connection, Event, Identity, Incoming, Open, OpenError, ServerConfig,
    accept, connect, key::HostKey, wire::Put as _,
};
use bytes::Bytes;
use tokio::{sync::oneshot, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth::{AnyKey, Grant},
    connection::Places,
    forward::{ForwardContext, Forwards, StreamlocalRegistry},
};

/// Longest that anything in these tests may take.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// How the server is set up.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) grant: Grant,
    pub(crate) local: bool,
    pub(crate) remote: bool,
    pub(crate) registry: StreamlocalRegistry,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            grant: Grant::everything(),
            local: true,
            remote: true,
            registry: StreamlocalRegistry::default(),
        }
    }
}

/// A client, and the service behind it.
pub(crate) struct World {
    /// The client's end.
    pub(crate) client: Connection,
    /// What the server opens at the client.
    pub(crate) incoming: Incoming,
    /// The server's end.
    pub(crate) server: Connection,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    /// Sent when the forwards have been closed.
    closed: oneshot::Receiver<()>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let (near, far) = tokio::io::duplex(256 * 1024);
        let config = Arc::new(ServerConfig {
            software: "server".into(),
            host_keys: vec![Arc::new(HostKey::generate_ed25519())],
            max_auth_tries: 6,
            connection: Default::default(),
        });
        let client = ClientConfig {
            software: "client".into(),
            user: "somebody".into(),
            identity: Identity::None,
            connection: Default::default(),
        };
        let (accepted, connected) =
            tokio::join!(accept(far, config, AnyKey::default()), connect(near, client, |_| true),);
        let (accepted, connected) = (accepted.unwrap(), connected.unwrap());
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(accepted.driver.run());
        tasks.spawn(connected.driver.run());
        let forwards = Forwards::new(ForwardContext {
            connection: accepted.connection.clone(),
            grant: Arc::new(setup.grant),
            local: setup.local,
            remote: setup.remote,
            registry: setup.registry,
            tasks: tasks.clone(),
            stop: stop.clone(),
        });
        let (done, closed) = oneshot::channel();
        let events = serve(accepted.incoming, forwards, stop.clone());
        tasks.spawn(async move {
            events.await;
            let _ = done.send(());
        });
        Self {
            client: connected.connection,
            incoming: connected.incoming,
            server: accepted.connection,
            tasks,
            stop,
            closed,
        }
    }

    /// Asks the server for something by a global request.
    pub(crate) async fn request(&self, name: &str, payload: &[u8]) -> Option<Vec<u8>> {
        soon(self.client.request(name, payload)).await.ok()
    }

    /// Asks for a TCP listener and returns its port.
    pub(crate) async fn listen_tcp(&self, address: &str, port: u32) -> Option<u16> {
        let mut reply: &[u8] = &self.request("tcpip-forward", &host_port(address, port)).await?;
        let chosen = if port == 0 {
            let (chosen, rest) = reply.split_first_chunk().expect("a port");
            reply = rest;
            u32::from_be_bytes(*chosen)
        } else {
            port
        };
        assert!(reply.is_empty(), "{reply:?}");
        Some(chosen.try_into().expect("a port"))
    }

    pub(crate) async fn direct_tcp(&self, host: &str, port: u32) -> Result<Channel, OpenError> {
        let mut payload = host_port(host, port);
        payload.put_string(b"127.0.0.1");
        payload.put_u32(1);
        soon(self.client.open("direct-tcpip", &payload)).await
    }

    /// The next channel that the server opens.
    pub(crate) async fn opened(&mut self) -> Open {
        match soon(self.incoming.next()).await {
            Some(Event::Open(open)) => open,
            other => panic!("no channel but {other:?}"),
        }
    }

    /// Ends the client, and waits until the server has closed all forwards.
    pub(crate) async fn end(self) -> TaskTracker {
        self.client.disconnect(11, "over");
        soon(self.closed).await.unwrap();
        self.tasks
    }

    /// Ends the agent, and waits until the server has closed all forwards.
    pub(crate) async fn shut_down(self) {
        self.stop.cancel();
        soon(self.closed).await.unwrap();
        self.client.disconnect(11, "over");
        self.tasks.close();
        soon(self.tasks.wait()).await;
    }
}

async fn serve(mut incoming: Incoming, forwards: Forwards, stop: CancellationToken) {
    let places = Places::new(64);
    let events = async {
        while let Some(event) = incoming.next().await {
            match event {
                Event::Open(open) => {
                    let place = places.take().await.expect("a place");
                    forwards.open(open, place);
                }
                Event::Request(request) => forwards.request(request),
                _ => {}
            }
        }
    };
    stop.run_until_cancelled(events).await;
    forwards.close().await;
}

pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(SOON, work).await.expect("in time")
}

pub(crate) fn host_port(host: &str, port: u32) -> Vec<u8> {
    let mut payload = Vec::new();
    payload.put_string(host.as_bytes());
    payload.put_u32(port);
    payload
}

pub(crate) fn string(text: &str) -> Vec<u8> {
    let mut payload = Vec::new();
    payload.put_string(text.as_bytes());
    payload
}

pub(crate) fn string_of(path: &std::path::Path) -> Vec<u8> {
    string(path.to_str().expect("a path of text"))
}

/// Writes to a channel, ends it, and returns what comes back until the other end.
pub(crate) async fn exchange(channel: &mut Channel, text: &[u8]) -> Vec<u8> {
    soon(channel.output.write(Bytes::copy_from_slice(text))).await.unwrap();
    channel.output.eof();
    read_to_end(channel).await
}

pub(crate) async fn read_to_end(channel: &mut Channel) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(data) = soon(channel.input.read()).await {
        all.extend_from_slice(&data.bytes);
    }
    all
}

/// A directory whose paths are short enough for sockets.
pub(crate) fn directory() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("ssh").tempdir_in(PathBuf::from("/tmp")).unwrap()
}
