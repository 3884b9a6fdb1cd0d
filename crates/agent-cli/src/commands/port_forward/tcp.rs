//! One TCP port: each connection to it becomes one to the workspace; not which port.

use std::{io, sync::Arc, time::Duration};

use agent_sdk::AgentConn;
use futures_util::future::select_all;
use tokio::{
    io::copy_bidirectional_with_sizes,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::complaints::Complaints;
use crate::commands::within;

/// Bytes that are copied at once, as many as the agent holds of a direction.
const COPY_BYTES: usize = 64 * 1024;

/// How long the agent may take to answer; it gives up on a port after 5 s.
const DIALING: Duration = Duration::from_secs(30);

/// Pause after a connection could not be accepted, mostly for lack of files: the next attempt would
/// fail at once, and the listener stays ready meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Forwards connections until it is dropped, and they with it.
pub(super) async fn forward(
    listeners: Vec<TcpListener>,
    remote: u16,
    conn: Arc<dyn AgentConn>,
    complaints: Complaints,
) {
    let complaints = Arc::new(complaints);
    let mut connections = JoinSet::new();
    loop {
        let accepts = listeners.iter().map(|listener| Box::pin(listener.accept()));
        tokio::select! {
            (accepted, ..) = select_all(accepts) => match accepted {
                Ok((local, _)) => {
                    let (conn, complaints) = (Arc::clone(&conn), Arc::clone(&complaints));
                    connections.spawn(async move { join(local, remote, &*conn, &complaints).await });
                }
                Err(error) => {
                    complaints.say(format_args!("cannot accept a connection: {error}"));
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// Dials, and copies both ways until both have ended. What breaks one end resets the other.
async fn join(mut local: TcpStream, remote: u16, conn: &dyn AgentConn, complaints: &Complaints) {
    let copied = match within(DIALING, "dial", conn.dial(remote)).await {
        Ok(mut far) => {
            // Without this option the connection is only slower.
            let _ = local.set_nodelay(true);
            copy_bidirectional_with_sizes(&mut local, &mut far, COPY_BYTES, COPY_BYTES).await
        }
        Err(error) => {
            complaints.say(&error);
            Err(io::ErrorKind::ConnectionReset.into())
        }
    };
    if copied.is_err() {
        // Closing it then resets it; one that is gone already needs nothing.
        let _ = local.set_zero_linger();
    }
}

#[cfg(test)]
mod tests {
    use agent_sdk::api::Network;
    use tokio::{io::AsyncReadExt as _, sync::mpsc, time::Instant};

    use super::{super::spec::Mapping, *};
    use crate::commands::tests::silent_agent;

    #[tokio::test]
    async fn a_connection_does_not_wait_for_an_agent_that_never_answers() {
        let (agent, _listener, _dir) = silent_agent();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (local, _) = listener.accept().await.unwrap();
        let (tx, mut said) = mpsc::channel(1);
        let mapping = Mapping { network: Network::Tcp, host: None, local: 80, remote: 81 };
        tokio::time::pause();
        let begin = Instant::now();
        join(local, 81, &agent, &Complaints::new(&mapping, &tx)).await;
        assert_eq!(begin.elapsed().as_secs(), DIALING.as_secs());
        let said = said.recv().await;
        assert_eq!(said.as_deref(), Some("tcp 80 -> 81: dial: no answer within 30s"));
        let error = near.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
