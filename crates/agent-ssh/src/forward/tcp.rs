//! TCP listeners on all the addresses that one request names.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use rustix::net::sockopt::set_ipv6_v6only;
use tokio::net::{TcpListener, TcpSocket, lookup_host};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;
/// Attempts to find a port that is free in both families.
const MAX_TRIES: u32 = 32;

/// Listens on an address as `tcpip-forward` writes it, and returns the port with the listeners.
///
/// Port 0 stands for one that is free, the same on every address. An address that the host does
/// not have is left out, as long as there is another.
pub(super) async fn listen(address: &str, port: u16) -> io::Result<(u16, Vec<TcpListener>)> {
    let addresses = addresses(address).await?;
    let mut tries = if port == 0 { MAX_TRIES } else { 1 };
    loop {
        tries -= 1;
        match listen_on(&addresses, port) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
            listening => return listening,
        }
    }
}

async fn addresses(address: &str) -> io::Result<Vec<IpAddr>> {
    if address.is_empty() || address == "*" {
        return Ok(vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()]);
    }
    if address.eq_ignore_ascii_case("localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let mut found = Vec::new();
    for socket in lookup_host((address, 0)).await? {
        if !found.contains(&socket.ip()) {
            found.push(socket.ip());
        }
    }
    Ok(found)
}

fn listen_on(addresses: &[IpAddr], port: u16) -> io::Result<(u16, Vec<TcpListener>)> {
    let mut bound = port;
    let mut listeners = Vec::new();
    let mut missing = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for &address in addresses {
        match listen_at(SocketAddr::new(address, bound)) {
            Ok(listener) => {
                bound = listener.local_addr()?.port();
                listeners.push(listener);
            }
            Err(error) if is_missing(&error) => missing = error,
            Err(error) => return Err(error),
        }
    }
    if listeners.is_empty() { Err(missing) } else { Ok((bound, listeners)) }
}

/// Listens on one address; an IPv6 address takes no IPv4 connections.
pub(crate) fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => {
            let socket = TcpSocket::new_v6()?;
            set_ipv6_v6only(&socket, true)?;
            socket
        }
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Tells whether the host lacks the address or its whole family.
pub(crate) fn is_missing(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let missing = [Errno::ADDRNOTAVAIL, Errno::AFNOSUPPORT].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| missing.contains(&code))
}
