//! The sockets of this machine, all of them or none; not what comes in on them.

use std::{io, net::SocketAddr};

use agent_sdk::api::Network;
use rustix::{
    net::{AddressFamily, SocketType, bind, socket, sockopt},
    process::{Resource, Rlimit, getrlimit, setrlimit},
};
use tokio::net::{TcpListener, TcpSocket, UdpSocket};

use super::spec::Mapping;
use crate::Error;

/// Connections that wait to be accepted, as most servers have it.
const BACKLOG: u32 = 1024;

/// A mapping whose port is bound at one address or two.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) mapping: Mapping,
    pub(super) sockets: Sockets,
}

#[derive(Debug)]
pub(super) enum Sockets {
    Tcp(Vec<TcpListener>),
    Udp(Vec<UdpSocket>),
}

impl Bound {
    /// What is forwarded, a line for each address.
    pub(super) fn lines(&self) -> Vec<String> {
        let Mapping { network, remote, .. } = self.mapping;
        let addresses: Vec<_> = match &self.sockets {
            Sockets::Tcp(sockets) => sockets.iter().map(TcpListener::local_addr).collect(),
            Sockets::Udp(sockets) => sockets.iter().map(UdpSocket::local_addr).collect(),
        };
        let line = |local: SocketAddr| {
            format!("forwarding {} {local} -> 127.0.0.1:{remote}", network.as_str())
        };
        addresses.into_iter().flatten().map(line).collect()
    }
}

/// Binds every mapping.
///
/// # Errors
///
/// The first address that must be bound and cannot be; what was bound before it is free again then.
pub(super) fn all(mappings: Vec<Mapping>) -> Result<Vec<Bound>, Error> {
    allow_many_files();
    mappings.into_iter().map(one).collect()
}

fn one(mapping: Mapping) -> Result<Bound, Error> {
    let sockets = match mapping.network {
        Network::Udp => Sockets::Udp(each(&mapping, udp)?),
        _ => Sockets::Tcp(each(&mapping, tcp)?),
    };
    Ok(Bound { mapping, sockets })
}

fn each<S>(mapping: &Mapping, bind: impl Fn(SocketAddr) -> io::Result<S>) -> Result<Vec<S>, Error> {
    let mut sockets = Vec::new();
    for (nth, address) in mapping.addresses().into_iter().enumerate() {
        match bind(address) {
            Ok(socket) => sockets.push(socket),
            Err(error) if nth == 0 => {
                let (network, why) = (mapping.network.as_str(), agent_sdk::api::io_text(&error));
                let message = format!("cannot bind {network} {address}: {why}");
                return Err(Error::Refused { operation: "port-forward", message });
            }
            // The other loopback address is of use where there is one and it is free.
            Err(_) => {}
        }
    }
    Ok(sockets)
}

/// Listens on an address, and with one of IPv6 on nothing else.
pub(in crate::commands) fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    // Connections of an earlier run that linger do not hold the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = socket(family, SocketType::DGRAM, None)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    bind(&socket, &address)?;
    let socket = std::net::UdpSocket::from(socket);
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// A thousand ports have two sockets each, and every connection has two: more than the usual limit,
/// which is meant for programs that use `select`.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    // With fewer files the ports that there are can still be forwarded.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
