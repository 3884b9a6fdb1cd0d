//! Channels that the client opens into the workspace.

use std::{ffi::OsStr, fmt, io, os::unix::ffi::OsStrExt as _, path::PathBuf, time::Duration};

use agent_ssh_protocol::{Open, OpenFailure};
use tokio::{
    net::{TcpStream, UnixStream, lookup_host},
    time::{Instant, timeout_at},
};
use tracing::debug;

use super::{
    payload::{HostAndPort, direct_path},
    pump::pump,
};
use crate::auth::Grant;

/// Longest time from the request to a connection, all addresses of a name together.
const CONNECT: Duration = Duration::from_secs(30);

/// Where a channel leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

impl Target {
    /// Reads the payload of a channel of this kind; the error is for the client.
    pub(super) fn decode(kind: &[u8], payload: &[u8]) -> Result<Self, &'static str> {
        const MALFORMED: &str = "malformed request";
        if kind == b"direct-streamlocal@openssh.com" {
            let path = direct_path(payload).map_err(|_| MALFORMED)?;
            return Ok(Self::Unix(OsStr::from_bytes(&path).into()));
        }
        let HostAndPort { host, port } =
            HostAndPort::decode_direct(payload).map_err(|_| MALFORMED)?;
        let host = String::from_utf8(host).map_err(|_| "host name that is not text")?;
        let port = port.try_into().map_err(|_| "port over 65535")?;
        Ok(Self::Tcp { host, port })
    }

    /// Paths are not limited by a key's `permitopen`, as in OpenSSH; who listens there is asked
    /// once it is known, by [`serve`].
    pub(super) fn is_permitted(&self, grant: &Grant) -> bool {
        match self {
            Self::Tcp { host, port } => grant.permits_open(host.as_bytes(), (*port).into()),
            Self::Unix(_) => grant.port_forwarding,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Dials, answers, and carries bytes until both sides are closed.
///
/// A login that is limited reaches no Unix socket of agentd's own: behind those, whoever runs as
/// agentd's user has full power, and agentd itself would be taken for that.
pub(super) async fn serve(open: Open, target: Target, grant: &Grant) {
    let until = Instant::now() + CONNECT;
    match &target {
        Target::Tcp { host, port } => match dial(host, *port, until).await {
            Ok(socket) => pump(socket, open.accept()).await,
            Err(error) => refuse(open, &target, &error),
        },
        Target::Unix(path) => match timeout_at(until, UnixStream::connect(path)).await {
            Ok(Ok(socket)) if grant.is_limited() && is_own(&socket) => {
                let text = format!("the key does not permit forwarding to {target}");
                open.refuse(OpenFailure::AdministrativelyProhibited, &text);
            }
            Ok(Ok(socket)) => pump(socket, open.accept()).await,
            Ok(Err(error)) => refuse(open, &target, &error),
            Err(_) => refuse(open, &target, &timed_out()),
        },
    }
}

/// Tells whether this process listens at the other end. The kernel noted who that is when the
/// listening began, so no exchange of paths deceives it; what cannot be known counts as own.
fn is_own(socket: &UnixStream) -> bool {
    let listener = socket.peer_cred().ok().and_then(|peer| peer.pid());
    listener.is_none_or(|pid| u32::try_from(pid) == Ok(std::process::id()))
}

fn refuse(open: Open, target: &Target, error: &io::Error) {
    let cause = agent_api::io_text(error);
    debug!(%target, cause, "cannot connect for an SSH client");
    let text = format!("cannot connect to {target}: {cause}");
    open.refuse(OpenFailure::ConnectFailed, text.replace(char::is_control, " ").as_str());
}

/// Tries the addresses of a name in their order, each for its share of the time that is left, so
/// that one which never answers does not hide the next.
async fn dial(host: &str, port: u16, until: Instant) -> io::Result<TcpStream> {
    let found = timeout_at(until, lookup_host((host, port))).await.map_err(|_| timed_out())?;
    let addresses: Vec<_> = found?.collect();
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "name without an address");
    for (tried, address) in addresses.iter().enumerate() {
        let now = Instant::now();
        let untried = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let share = now + until.saturating_duration_since(now) / untried;
        match timeout_at(share, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => return Ok(socket),
            Ok(Err(error)) => failed = error,
            Err(_) => failed = timed_out(),
        }
    }
    Err(failed)
}

fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "connection timed out")
}
