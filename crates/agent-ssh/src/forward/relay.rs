//! Carries the connections of a listener to the client, each in a channel of its own.

use std::{io, net::SocketAddr, ops::ControlFlow, sync::Arc, time::Duration};

use agent_ssh_protocol::Connection;
use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::Semaphore,
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use super::pump::{Socket, pump};

/// Pause after the system had no connection to give, such as for want of descriptors.
const RETRY: Duration = Duration::from_millis(100);

/// How the connections of one listener reach the client.
#[derive(Debug, Clone)]
pub(crate) struct Relay {
    pub(crate) connection: Connection,
    /// Type of the channels.
    pub(crate) kind: &'static str,
    /// One permit for each connection that is open; without one nothing is accepted.
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) tasks: TaskTracker,
    /// Counts the tasks a second time, for an owner who waits for his alone.
    pub(crate) own: TaskTracker,
    /// Ends connections that are open.
    pub(crate) ended: CancellationToken,
}

/// A listening socket of any family.
pub(crate) trait Accept: Send + Sync + 'static {
    type Socket: Socket;

    /// Waits for a connection; the address is the originator's, where the family has one.
    fn accept(&self)
    -> impl Future<Output = io::Result<(Self::Socket, Option<SocketAddr>)>> + Send;
}

impl Accept for TcpListener {
    type Socket = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Option<SocketAddr>)> {
        let (socket, originator) = Self::accept(self).await?;
        Ok((socket, Some(originator)))
    }
}

impl Accept for UnixListener {
    type Socket = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, Option<SocketAddr>)> {
        let (socket, _) = Self::accept(self).await?;
        Ok((socket, None))
    }
}

/// Accepts until `payload`, which makes the payload of a connection's channel, says to break.
///
/// A client that refuses a channel closes that connection and nothing else.
pub(crate) async fn accept_all<L: Accept>(
    listener: L,
    relay: Relay,
    mut payload: impl FnMut(Option<SocketAddr>) -> ControlFlow<Vec<u8>, Vec<u8>>,
) {
    loop {
        let Ok(slot) = Arc::clone(&relay.slots).acquire_owned().await else { return };
        let (socket, originator) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(kind = relay.kind, error = %agent_api::io_text(&error), "cannot accept");
                sleep(RETRY).await;
                continue;
            }
        };
        let next = payload(originator);
        let is_last = next.is_break();
        let (ControlFlow::Continue(payload) | ControlFlow::Break(payload)) = next;
        let (connection, kind) = (relay.connection.clone(), relay.kind);
        let work = async move {
            match connection.open(kind, &payload).await {
                Ok(channel) => pump(socket, channel).await,
                Err(error) => debug!(kind, %error, "client takes no forwarded connection"),
            }
            drop(slot);
        };
        let (running, ended) = (relay.own.token(), relay.ended.clone());
        relay.tasks.spawn(async move {
            ended.run_until_cancelled_owned(work).await;
            drop(running);
        });
        if is_last {
            return;
        }
    }
}
