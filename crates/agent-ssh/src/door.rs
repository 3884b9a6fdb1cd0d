//! The doors of the server's own: TCP listeners and Unix sockets; a stream that comes by another
//! way is handed over by whoever has it.

mod prompt;

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tracing::{debug, warn};

use self::prompt::Prompt;
use crate::{Peer, Refused, Ssh, TransportKind};

/// What a client reads when all places are taken.
const TOO_MANY: &[u8] = b"agentd: too many connections\r\n";
/// Refused clients that are waited for, so that they can read why.
const MAX_REFUSALS: usize = 32;
/// Longest wait for one of them.
const REFUSAL: Duration = Duration::from_secs(1);
/// Pause after the system had no connection to give, such as for want of descriptors.
const RETRY: Duration = Duration::from_millis(100);

impl Ssh {
    /// Takes the connections of a TCP listener, whose clients must authenticate, until
    /// [`Ssh::shutdown`]; the listener closes then.
    pub fn listen_tcp(&self, listener: TcpListener) {
        let door = Door::new(self);
        let accept = async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => door.tcp(stream),
                    Err(error) => failed(&error).await,
                }
            }
        };
        self.until_stopped(accept);
    }

    /// Takes the connections of a Unix socket, by agentd's own user and root only, until
    /// [`Ssh::shutdown`]; the listener closes then. Its file and the mode of it are the caller's.
    pub fn listen_unix(&self, listener: UnixListener) {
        let door = Door::new(self);
        let accept = async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => door.unix(stream),
                    Err(error) => failed(&error).await,
                }
            }
        };
        self.until_stopped(accept);
    }

    fn until_stopped(&self, accept: impl Future<Output = ()> + Send + 'static) {
        let stop = self.shared.stop.clone();
        let until = async move { stop.run_until_cancelled(accept).await };
        self.shared.tasks.spawn(async move {
            until.await;
        });
    }
}

/// One listener's way into the server.
struct Door {
    ssh: Ssh,
    refusals: Arc<Semaphore>,
}

impl Door {
    fn new(ssh: &Ssh) -> Self {
        Self { ssh: ssh.clone(), refusals: Arc::new(Semaphore::new(MAX_REFUSALS)) }
    }

    fn tcp(&self, stream: TcpStream) {
        // Without it every key press would wait for an earlier one's receipt.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(error = %agent_api::io_text(&error), "cannot set TCP_NODELAY");
        }
        let peer = Peer { remote: stream.peer_addr().ok(), local: stream.local_addr().ok() };
        self.admit(Prompt::new(stream), peer, TransportKind::Tcp);
    }

    fn unix(&self, stream: UnixStream) {
        let own = rustix::process::geteuid().as_raw();
        match stream.peer_cred().map(|peer| peer.uid()) {
            Ok(uid) if uid == own || uid == 0 => {
                self.admit(stream, Peer::default(), TransportKind::Unix);
            }
            Ok(uid) => warn!(uid, "another user's connection to the SSH socket was closed"),
            Err(error) => debug!(error = %agent_api::io_text(&error), "cannot tell whose it is"),
        }
    }

    fn admit<S>(&self, stream: S, peer: Peer, transport: TransportKind)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match self.ssh.admit() {
            Ok(admission) => self.ssh.serve(admission, stream, peer, transport),
            Err(Refused::ShuttingDown) => {}
            Err(Refused::TooManyConnections) => {
                warn!(transport = transport.label(), "too many SSH connections");
                if let Ok(place) = Arc::clone(&self.refusals).try_acquire_owned() {
                    self.ssh.shared.tasks.spawn(async move {
                        let _ = timeout(REFUSAL, refuse(stream)).await;
                        drop(place);
                    });
                }
            }
        }
    }
}

/// Says why, and waits until the client has read it.
///
/// Closing with bytes of the client unread would make the system reset the connection, and the
/// line could be lost with it.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    if stream.write_all(TOO_MANY).await.is_err() || stream.shutdown().await.is_err() {
        return;
    }
    let mut unread = [0; 512];
    while matches!(stream.read(&mut unread).await, Ok(1..)) {}
}

async fn failed(error: &std::io::Error) {
    warn!(error = %agent_api::io_text(error), "cannot accept an SSH connection");
    sleep(RETRY).await;
}
