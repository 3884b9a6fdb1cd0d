//! Words of ports: which ones listen in a workspace, and the numbers that `dial` gives a meaning.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{ProcessId, null::as_default};

/// The port of `dial` that is the agent's SSH server, whatever else listens on it.
pub const SSH_PORT: u16 = 22;
/// The other port of `dial` that is the agent's SSH server.
pub const SHORT_SSH_PORT: u16 = 1;
/// The port of `dial` that is a terminal with raw framing.
pub const TERMINAL_PORT: u16 = 2;
/// The port of `dial` that is the speed test.
pub const SPEED_TEST_PORT: u16 = 3;

/// Answer of `list_listening_ports`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListListeningPortsResponse {
    /// By port, ascending; one entry per port.
    #[serde(default, deserialize_with = "as_default")]
    pub ports: Vec<ListeningPort>,
}

/// A port that something other than the agent listens on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListeningPort {
    /// The kernel's name of the owner, at most 15 bytes; empty when it cannot be read.
    #[serde(default, deserialize_with = "as_default")]
    pub process_name: String,
    /// The protocol.
    pub network: Network,
    /// Its number, at least [`MIN_DIAL_PORT`](crate::limits::MIN_DIAL_PORT).
    pub port: u16,
    /// Where it listens; of several addresses the one that is reached most widely: `0.0.0.0`, then
    /// `::`, `127.0.0.1`, `::1`, other loopback addresses, the smallest other one.
    pub address: IpAddr,
    /// Process of the socket at `address`, of several the smallest; `None` when it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The process of the agent in whose tree the owner is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_id: Option<ProcessId>,
}

/// The protocol of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Network {
    /// A byte stream.
    #[default]
    Tcp,
    /// Datagrams; `list_listening_ports` does not answer any.
    Udp,
    /// A protocol of a newer agent.
    #[serde(other)]
    Unknown,
}

impl Network {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Unknown => "unknown",
        }
    }
}
