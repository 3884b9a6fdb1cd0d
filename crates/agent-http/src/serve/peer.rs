//! Who is at the other end of a connection.

use std::{fmt, net::SocketAddr};

/// The other end of a connection; in the extensions of each of its requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The kind of listener, as metrics name it.
    pub listener: &'static str,
    /// Where the peer is.
    pub address: PeerAddress,
    /// What lets it in.
    pub trust: Trust,
    /// Whether the listener is bound to a loopback address, which a page in a browser can reach.
    pub is_loopback: bool,
}

/// Where a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerAddress {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A process of this machine, by its user id.
    Unix {
        /// User id at the time of its connect.
        uid: u32,
    },
    /// A caller in this process.
    InProcess,
}

/// What lets the requests of a peer in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The agent's token in each request.
    Token,
    /// The connection itself.
    Granted,
    /// Nothing: each request is refused.
    Refused,
}

impl Peer {
    /// A caller in this process, whose requests are let in.
    pub fn in_process() -> Self {
        Self {
            listener: "in_process",
            address: PeerAddress::InProcess,
            trust: Trust::Granted,
            is_loopback: false,
        }
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix { uid } => write!(f, "uid {uid}"),
            Self::InProcess => f.write_str("in process"),
        }
    }
}
