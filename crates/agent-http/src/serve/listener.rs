//! Where connections come from: TCP and Unix sockets, accepted within a limit.

use std::{
    io,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    net::{TcpListener, UnixListener},
    sync::Semaphore,
};

use super::{Peer, PeerAddress, Shared, Transport, Trust, connection};

/// Pause after an accept that failed for want of descriptors or memory, which would fail again at
/// once.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// A bound socket and who may use it.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    Tcp { listener: TcpListener, trust: Trust, is_loopback: bool },
    Unix { listener: UnixListener, own_uid: u32 },
}

impl Listener {
    /// Serves TCP; on a loopback address, requests must name this machine as their host.
    ///
    /// # Errors
    ///
    /// When the socket has no address.
    pub fn tcp(listener: TcpListener, trust: Trust) -> io::Result<Self> {
        let is_loopback = listener.local_addr()?.ip().to_canonical().is_loopback();
        Ok(Self { socket: Socket::Tcp { listener, trust, is_loopback } })
    }

    /// Serves a Unix socket to the user `own_uid` and to root; others are refused per request.
    pub fn unix(listener: UnixListener, own_uid: u32) -> Self {
        Self { socket: Socket::Unix { listener, own_uid } }
    }

    async fn accept(&self) -> io::Result<(Transport, Peer)> {
        match &self.socket {
            Socket::Tcp { listener, trust, is_loopback } => {
                let (stream, address) = listener.accept().await?;
                // Without it a small answer can wait 40 ms for the peer's delayed acknowledgment.
                stream.set_nodelay(true)?;
                let (trust, is_loopback) = (*trust, *is_loopback);
                let address = PeerAddress::Tcp(address);
                let peer = Peer { listener: "tcp", address, trust, is_loopback };
                Ok((Transport::Tcp(stream), peer))
            }
            Socket::Unix { listener, own_uid } => {
                let (stream, _) = listener.accept().await?;
                let uid = stream.peer_cred()?.uid();
                let trust =
                    if uid == *own_uid || uid == 0 { Trust::Granted } else { Trust::Refused };
                let address = PeerAddress::Unix { uid };
                let peer = Peer { listener: "unix", address, trust, is_loopback: false };
                Ok((Transport::Unix(stream), peer))
            }
        }
    }
}

/// Accepts until the server stops or is gone, with at most `max_connections` open.
pub(super) async fn accept_loop(listener: Listener, server: Weak<Shared>) {
    let Some((stop, limit)) = server.upgrade().map(|s| (s.stop.clone(), s.config.max_connections))
    else {
        return;
    };
    let slots = Arc::new(Semaphore::new(limit));
    let accept = async {
        loop {
            let slot = Arc::clone(&slots).acquire_owned().await.expect("never closed");
            let accepted = listener.accept().await;
            let Some(server) = server.upgrade() else { return };
            match accepted {
                Ok((stream, peer)) => connection::spawn(&server, stream, peer, Some(slot)),
                Err(error) => {
                    drop(server);
                    pause_after(&error).await;
                }
            }
        }
    };
    stop.run_until_cancelled(accept).await;
}

/// A connection that died in the queue costs nothing; a machine out of descriptors costs a pause.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, NotConnected};
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset | NotConnected) {
        tracing::warn!(error = %agent_api::io_text(error), "cannot accept a connection");
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}
