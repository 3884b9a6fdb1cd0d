//! One connection from its first byte to its log line; what happens in its sessions is `session`.
//!
//! ```text
//!  admitted -> handshake -> events -> closing -> logged
//!                  |          |  session channel   -> a session's own task
//!                  |          |  other channels    -> forwards
//!                  |          |  global requests   -> forwards
//!                  +----------+-- login grace, errors, the agent's end
//! ```

mod log;
mod places;

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use agent_ssh_protocol::{
    Accepted, Authenticator, Connection, Driver, Ended, Event, HandshakeError, Incoming, Open,
    OpenFailure, accept_until,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{timeout, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::log::{Log, Reason, Watched};
pub(crate) use self::places::{Place, Places};
use crate::{
    Peer, TransportKind,
    auth::{AnyKey, FileKeys, Grant},
    forward::{ForwardContext, Forwards},
    service::{Admission, Shared},
    session,
};

/// `SSH_DISCONNECT_BY_APPLICATION` (RFC 4253, section 11.1).
const BY_APPLICATION: u32 = 11;
/// What clients read when the agent ends.
pub(crate) const SHUTTING_DOWN: &str = "agentd is shutting down";
/// Longest wait for the last words of sessions before the connection itself is closed.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What the sessions of one connection share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) server: Arc<Shared>,
    pub(crate) connection: Connection,
    /// Names the connection in the log.
    pub(crate) id: u64,
    pub(crate) peer: Peer,
    pub(crate) grant: Arc<Grant>,
    /// Sessions that run and have not told their client how they ended.
    pub(crate) unfinished: AtomicUsize,
    /// Sessions that may have something to tell their client.
    pub(crate) talking: TaskTracker,
    /// The agent ends.
    pub(crate) stop: CancellationToken,
}

/// A connection that nobody has authenticated yet.
#[derive(Debug)]
pub(crate) struct Arrival<S> {
    pub(crate) admission: Admission,
    pub(crate) stream: S,
    pub(crate) peer: Peer,
    pub(crate) transport: TransportKind,
    pub(crate) id: u64,
}

/// Serves a connection to its end.
pub(crate) async fn run<S>(server: Arc<Shared>, arrival: Arrival<S>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Arrival { admission, stream, peer, transport, id } = arrival;
    let log = Log::new(id, peer, transport);
    match transport {
        TransportKind::Tcp => {
            let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
            let address = peer.remote.map_or(unknown, |remote| remote.ip().to_canonical());
            let keys = FileKeys::new(server.policy(), address);
            serve(server, stream, peer, keys, FileKeys::grant, log).await;
        }
        _ => serve(server, stream, peer, AnyKey::default(), AnyKey::grant, log).await,
    }
    drop(admission);
}

async fn serve<S, A>(
    server: Arc<Shared>,
    stream: S,
    peer: Peer,
    authenticator: A,
    grant: fn(A) -> Grant,
    mut log: Log,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Authenticator,
{
    let watched = Watched::new(authenticator);
    let seen = watched.user();
    let accepted = match handshake(&server, stream, watched).await {
        Ok(accepted) => accepted,
        Err(reason) => {
            log.connected(&seen.lock(), None);
            log.disconnected(reason);
            server.counters.connection_failed();
            return;
        }
    };
    let Accepted { connection, incoming, driver, authenticator, user, .. } = accepted;
    let grant = Arc::new(grant(authenticator.into_inner()));
    log.connected(&user, grant.identity.as_ref());
    let context = Arc::new(Context {
        stop: server.stop.clone(),
        server,
        connection,
        id: log.id(),
        peer,
        grant,
        unfinished: AtomicUsize::new(0),
        talking: TaskTracker::new(),
    });
    let reason = live(&context, incoming, driver).await;
    log.disconnected(reason);
}

/// Identification, keys and authentication, within the time for them.
async fn handshake<S, A>(
    server: &Arc<Shared>,
    stream: S,
    authenticator: A,
) -> Result<Accepted<A>, Reason>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Authenticator,
{
    let config = server.protocol().await.map_err(|error| {
        tracing::error!(error = agent_api::causes(Some(&error)), "no SSH without host keys");
        Reason::Protocol
    })?;
    let stop = async {
        server.stop.cancelled().await;
        (BY_APPLICATION, SHUTTING_DOWN)
    };
    let accepting = Box::pin(accept_until(stream, config, authenticator, stop));
    match timeout(server.config.login_grace, accepting).await {
        Err(_) => Err(Reason::LoginGrace),
        Ok(accepted) => accepted.map_err(|error| {
            tracing::debug!(error = agent_api::causes(Some(&error)), "no SSH connection");
            failed(&error)
        }),
    }
}

/// Why a connection ended before it was authenticated.
fn failed(error: &HandshakeError) -> Reason {
    match error {
        HandshakeError::ConnectionLost | HandshakeError::Disconnected { .. } => Reason::Closed,
        HandshakeError::Io(_) => Reason::Lost,
        HandshakeError::TooManyAuthenticationFailures => Reason::TooManyFailures,
        HandshakeError::Stopped => Reason::ShuttingDown,
        _ => Reason::Protocol,
    }
}

/// An authenticated connection until it has ended and nothing of it is left but what outlives it.
async fn live(context: &Arc<Context>, mut incoming: Incoming, driver: Driver) -> Reason {
    let server = &context.server;
    let mut driving = server.tasks.spawn(driver.run());
    let forwards = Forwards::new(ForwardContext {
        connection: context.connection.clone(),
        grant: Arc::clone(&context.grant),
        local: server.config.allow_local_forward,
        remote: server.config.allow_remote_forward,
        registry: server.streamlocals.clone(),
        tasks: server.tasks.clone(),
        stop: context.stop.clone(),
    });
    let places = Places::new(server.config.max_channels);
    let events = async {
        while let Some(event) = incoming.next().await {
            match event {
                Event::Open(open) => opened(context, &forwards, &places, open).await,
                Event::Request(request) => match request.name.as_slice() {
                    b"tcpip-forward"
                    | b"cancel-tcpip-forward"
                    | b"streamlocal-forward@openssh.com"
                    | b"cancel-streamlocal-forward@openssh.com" => forwards.request(request),
                    _ => request.fail(),
                },
                _ => {}
            }
        }
    };
    let reason = if context.stop.run_until_cancelled(events).await.is_some() {
        let unfinished = || context.unfinished.load(Ordering::Acquire) > 0;
        driving.await.map_or(Reason::Lost, |ended| over(&ended, unfinished()))
    } else {
        drop(incoming);
        last_words(context).await;
        forwards.close().await;
        context.connection.disconnect(BY_APPLICATION, SHUTTING_DOWN);
        // The driver itself takes no longer; this only bounds what nobody foresaw.
        let until = tokio::time::Instant::now() + 2 * LAST_WORDS;
        if timeout_at(until, &mut driving).await.is_err() {
            driving.abort();
        }
        Reason::ShuttingDown
    };
    forwards.close().await;
    reason
}

/// Waits until the sessions have closed their channels, but not for a client that does not read.
async fn last_words(context: &Context) {
    context.talking.close();
    let _ = timeout(LAST_WORDS, context.talking.wait()).await;
}

/// Why a connection that was authenticated has ended; `unfinished` says that sessions were cut.
fn over(ended: &Ended, unfinished: bool) -> Reason {
    match ended {
        // An end without a word, in the middle of something, was not the client's wish.
        Ended::ClosedByPeer { reason: None, .. } if unfinished => Reason::Lost,
        Ended::ClosedByPeer { .. } => Reason::Closed,
        Ended::KeepaliveTimeout => Reason::Keepalive,
        Ended::Protocol(error) => {
            tracing::debug!(error, "SSH protocol error");
            Reason::Protocol
        }
        Ended::Disconnected => Reason::ShuttingDown,
        _ => Reason::Lost,
    }
}

/// Answers a channel that the client opens.
async fn opened(context: &Arc<Context>, forwards: &Forwards, places: &Places, open: Open) {
    let is_session = open.kind == b"session";
    let is_forward =
        matches!(open.kind.as_slice(), b"direct-tcpip" | b"direct-streamlocal@openssh.com");
    if !is_session && !is_forward {
        return open.refuse(OpenFailure::UnknownChannelType, "unknown channel type");
    }
    let Some(place) = places.take().await else {
        return open.refuse(OpenFailure::ResourceShortage, "too many channels");
    };
    if is_forward {
        return forwards.open(open, place);
    }
    let channel = open.accept();
    let talking = context.talking.token();
    let session = session::run(Arc::clone(context), channel, talking, place);
    context.server.tasks.spawn(session);
}
