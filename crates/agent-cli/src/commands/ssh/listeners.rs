//! What `-L` and `-D` listen on: every address of this machine that was asked for, or none; not what
//! comes in.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::future::select_all;
use tokio::net::{TcpListener, UnixListener, lookup_host};

use super::{
    relay::BoxedStream,
    spec::{Connect, Listen, Spec},
};
use crate::{Error, commands::port_forward::listen_tcp};

/// Pause after a connection could not be accepted, mostly for lack of files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The sockets of one forward.
#[derive(Debug)]
pub(super) struct Bound {
    sockets: Sockets,
    pub(super) listen: Listen,
    pub(super) connect: Connect,
}

#[derive(Debug)]
enum Sockets {
    Tcp(Vec<TcpListener>),
    Unix { listener: UnixListener, _file: SocketFile },
}

/// The file of a socket that this process made, gone with this value.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Whoever took it away has done it already.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Binds everything.
///
/// # Errors
///
/// The first address or path that cannot be had; nothing stays bound then.
pub(super) async fn bind(specs: impl IntoIterator<Item = Spec>) -> Result<Vec<Bound>, Error> {
    let mut bound = Vec::new();
    for Spec { listen, connect } in specs {
        let sockets = match &listen {
            Listen::Tcp { bind, port } => tcp(bind.as_deref(), *port).await.map(Sockets::Tcp),
            Listen::Unix(path) => unix(path),
        };
        let sockets = sockets.map_err(|error| Error::Refused {
            operation: "ssh",
            message: format!("cannot listen on {listen}: {}", agent_sdk::api::io_text(&error)),
        })?;
        bound.push(Bound { sockets, listen, connect });
    }
    Ok(bound)
}

async fn tcp(bind: Option<&str>, port: u16) -> io::Result<Vec<TcpListener>> {
    let addresses: Vec<SocketAddr> = match bind {
        None => both(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST, port),
        Some("") => both(Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED, port),
        Some(host) => lookup_host((host, port)).await?.collect(),
    };
    let mut listeners = Vec::new();
    for address in addresses {
        match listen_tcp(address) {
            Ok(listener) => listeners.push(listener),
            Err(error) if listeners.is_empty() => return Err(error),
            // The first address counts: there may be no IPv6 here.
            Err(_) => {}
        }
    }
    if listeners.is_empty() { Err(io::ErrorKind::AddrNotAvailable.into()) } else { Ok(listeners) }
}

fn both(four: Ipv4Addr, six: Ipv6Addr, port: u16) -> Vec<SocketAddr> {
    vec![(four, port).into(), (six, port).into()]
}

fn unix(path: &Path) -> io::Result<Sockets> {
    let listener = UnixListener::bind(path)?;
    let _file = SocketFile(path.to_owned());
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(Sockets::Unix { listener, _file })
}

impl Bound {
    /// The next connection, and who made it.
    pub(super) async fn accept(&self) -> (BoxedStream, Option<SocketAddr>) {
        loop {
            match self.try_accept().await {
                Ok(accepted) => return accepted,
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    async fn try_accept(&self) -> io::Result<(BoxedStream, Option<SocketAddr>)> {
        match &self.sockets {
            Sockets::Tcp(listeners) => {
                let accepts = listeners.iter().map(|listener| Box::pin(listener.accept()));
                let (stream, from) = select_all(accepts).await.0?;
                // Without this option it is only slower.
                let _ = stream.set_nodelay(true);
                Ok((Box::new(stream), Some(from)))
            }
            Sockets::Unix { listener, .. } => Ok((Box::new(listener.accept().await?.0), None)),
        }
    }
}
