//! A service, sockets to dial, and waits with an end.

use std::{sync::Arc, time::Duration};

use agent_ports::{Config, Dialed, Error, NoDoors, NoOwners, PortTunnel, Ports, UdpTunnel};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
};

pub(crate) fn ports(config: Config) -> Ports {
    Ports::new(config, Arc::new(NoDoors), Arc::new(NoOwners))
}

/// Waits for something that must come.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("in time")
}

#[expect(clippy::disallowed_methods, reason = "a test's task ends with its runtime")]
pub(crate) fn spawn<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    tokio::spawn(work)
}

pub(crate) async fn dial(ports: &Ports, port: u16) -> Result<PortTunnel, Error> {
    match ports.dial(ports.tcp_target(&port.to_string())?).await? {
        Dialed::Port(tunnel) => Ok(tunnel),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn dial_udp(ports: &Ports, port: u16) -> Result<UdpTunnel, Error> {
    ports.dial_udp(ports.udp_target(&port.to_string())?).await
}

/// A listener on a loopback address and its port; `None` where the machine has no IPv6.
pub(crate) async fn listen(address: &str) -> Option<(TcpListener, u16)> {
    let listener = match TcpListener::bind((address, 0)).await {
        Err(_) if address.contains(':') => return None,
        listener => listener.unwrap(),
    };
    let port = listener.local_addr().unwrap().port();
    Some((listener, port))
}

/// Two ends of a connection over loopback.
pub(crate) async fn pair() -> (TcpStream, TcpStream) {
    let (listener, port) = listen("127.0.0.1").await.unwrap();
    let connecting = TcpStream::connect(("127.0.0.1", port));
    let (near, accepted) = tokio::join!(connecting, listener.accept());
    (near.unwrap(), accepted.unwrap().0)
}

/// A client's end, the target's end, and the tunnel between them.
pub(crate) async fn tunnel(ports: &Ports) -> (TcpStream, TcpStream, JoinHandle<()>) {
    let (listener, port) = listen("127.0.0.1").await.unwrap();
    let tunnel = dial(ports, port).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    let (client, near) = pair().await;
    (client, server, spawn(tunnel.carry(near)))
}

/// A listener whose queue is full, so that a connect gets no answer; with what fills it.
pub(crate) struct Full {
    pub(crate) port: u16,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl Full {
    pub(crate) async fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut queued = Vec::new();
        loop {
            let connecting = TcpStream::connect(("127.0.0.1", port));
            match tokio::time::timeout(Duration::from_millis(300), connecting).await {
                Ok(connected) => queued.push(connected.unwrap()),
                Err(_) => return Self { port, _listener: listener, _queued: queued },
            }
        }
    }
}
