//! Answers the requests for listeners of one connection, one after the other.

use std::{
    collections::HashMap, ffi::OsStr, ops::ControlFlow, os::unix::ffi::OsStrExt as _,
    path::PathBuf, sync::Arc,
};

use agent_ssh_protocol::GlobalRequest;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{
    ForwardContext, MAX_FORWARDED, Scope,
    payload::{HostAndPort, forwarded, forwarded_path, path},
    relay::{Relay, accept_all},
    streamlocal::Streamlocal,
    tcp,
};

/// Reverse listeners of both kinds that a connection may have; a further request fails.
const MAX_LISTENERS: usize = 64;

/// The listeners of one connection.
#[derive(Debug)]
pub(super) struct Requests {
    context: Arc<ForwardContext>,
    scope: Scope,
    slots: Arc<Semaphore>,
    /// By the address as the client wrote it and the port that was bound.
    tcp: HashMap<(Vec<u8>, u16), Listening>,
    unix: HashMap<Vec<u8>, Listening>,
}

/// The tasks of one listener.
#[derive(Debug)]
struct Listening {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Listening {
    /// Closes the listener, and returns when it is; connections that it accepted stay.
    async fn close(self) {
        self.stop.cancel();
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

impl Requests {
    pub(super) fn new(context: Arc<ForwardContext>, scope: Scope) -> Self {
        let slots = Arc::new(Semaphore::new(MAX_FORWARDED));
        Self { context, scope, slots, tcp: HashMap::new(), unix: HashMap::new() }
    }

    /// Runs until the connection's forwards end; what then listens ends by the same token.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<GlobalRequest>) {
        while let Some(request) = requests.recv().await {
            match request.name.as_slice() {
                b"tcpip-forward" => self.listen_tcp(request).await,
                b"cancel-tcpip-forward" => self.cancel_tcp(request).await,
                b"streamlocal-forward@openssh.com" => self.listen_unix(request).await,
                b"cancel-streamlocal-forward@openssh.com" => self.cancel_unix(request).await,
                _ => request.fail(),
            }
        }
    }

    fn may_listen(&self) -> bool {
        let granted = self.context.remote && self.context.grant.port_forwarding;
        granted && self.tcp.len() + self.unix.len() < MAX_LISTENERS
    }

    async fn listen_tcp(&mut self, request: GlobalRequest) {
        let wanted = HostAndPort::decode(&request.payload).ok().and_then(|wanted| {
            let permitted = self.context.grant.permits_listen(&wanted.host, wanted.port);
            let port = u16::try_from(wanted.port).ok()?;
            let address = String::from_utf8(wanted.host).ok()?;
            permitted.then_some((address, port))
        });
        let Some((address, port)) = wanted.filter(|_| self.may_listen()) else {
            return request.fail();
        };
        match tcp::listen(&address, port).await {
            Ok((bound, listeners)) => {
                // The client must know the port before it hears of connections to it.
                let reply = u32::from(bound).to_be_bytes();
                request.succeed(if port == 0 { &reply } else { &[] });
                let listening = self.serve_tcp(&address, bound, listeners);
                self.tcp.insert(tcp_key(address.as_bytes(), bound), listening);
            }
            Err(error) => {
                let error = agent_api::io_text(&error);
                debug!(address, port, error, "cannot listen for an SSH client");
                request.fail();
            }
        }
    }

    fn serve_tcp(&self, address: &str, port: u16, listeners: Vec<TcpListener>) -> Listening {
        let stop = self.scope.ended.child_token();
        let serve = |listener: TcpListener| {
            let address = address.to_owned();
            let accepting = accept_all(listener, self.relay("forwarded-tcpip"), move |from| {
                let from = from.expect("a TCP connection has an originator");
                ControlFlow::Continue(forwarded(address.as_bytes(), port, from))
            });
            self.scope.spawn_until(&stop, accepting)
        };
        let tasks = listeners.into_iter().map(serve).collect();
        Listening { stop, tasks }
    }

    async fn cancel_tcp(&mut self, request: GlobalRequest) {
        let known = HostAndPort::decode(&request.payload).ok().and_then(|wanted| {
            let port = u16::try_from(wanted.port).ok()?;
            self.tcp.remove(&tcp_key(&wanted.host, port))
        });
        match known {
            Some(listening) => {
                listening.close().await;
                request.succeed(&[]);
            }
            None => request.fail(),
        }
    }

    async fn listen_unix(&mut self, request: GlobalRequest) {
        let Ok(path) = path(&request.payload) else { return request.fail() };
        if self.unix.contains_key(&path) {
            return request.succeed(&[]);
        }
        if !self.may_listen() {
            return request.fail();
        }
        let place = PathBuf::from(OsStr::from_bytes(&path));
        match self.context.registry.listen(place).await {
            Ok(streamlocal) => {
                request.succeed(&[]);
                let listening = self.serve_unix(&path, streamlocal);
                self.unix.insert(path, listening);
            }
            Err(error) => {
                let (path, error) = (String::from_utf8_lossy(&path), agent_api::io_text(&error));
                debug!(%path, error, "cannot listen for an SSH client");
                request.fail();
            }
        }
    }

    fn serve_unix(&self, path: &[u8], streamlocal: Streamlocal) -> Listening {
        let stop = self.scope.ended.child_token();
        let payload = forwarded_path(path);
        let relay = self.relay("forwarded-streamlocal@openssh.com");
        let Streamlocal { listener, hold } = streamlocal;
        let serving = async move {
            // Dropped first, so that nobody finds a file without a listener.
            let _hold = hold;
            accept_all(listener, relay, move |_| ControlFlow::Continue(payload.clone())).await;
        };
        let task = self.scope.spawn_until(&stop, serving);
        Listening { stop, tasks: vec![task] }
    }

    async fn cancel_unix(&mut self, request: GlobalRequest) {
        let Ok(path) = path(&request.payload) else { return request.fail() };
        match self.unix.remove(&path) {
            Some(listening) => listening.close().await,
            None => {
                let path = String::from_utf8_lossy(&path);
                debug!(%path, "nothing to cancel for an SSH client");
            }
        }
        request.succeed(&[]);
    }

    fn relay(&self, kind: &'static str) -> Relay {
        Relay {
            connection: self.context.connection.clone(),
            kind,
            slots: Arc::clone(&self.slots),
            tasks: self.scope.tasks.clone(),
            own: self.scope.own.clone(),
            ended: self.scope.ended.clone(),
        }
    }
}

/// The two ways to write "all addresses" are one.
fn tcp_key(address: &[u8], port: u16) -> (Vec<u8>, u16) {
    let address = if address == b"*" { b"" } else { address };
    (address.to_vec(), port)
}
