//! What the service must be told about the world.

use std::time::Duration;

/// How much is tunneled, and what is not listed.
#[derive(Clone, Debug)]
pub struct Config {
    /// Most open tunnels, those that are being connected included; further ones are refused. The
    /// default, 512, is the protocol's and costs at most 64 MiB.
    pub max_tunnels: usize,
    /// Ports that `list_listening_ports` leaves out; none by default.
    pub ignore: Vec<u16>,
    /// Longest time until a port is connected, both addresses together; the protocol's 5 s.
    pub connect_timeout: Duration,
    /// Longest time of a tunnel of datagrams without one; the protocol's 5 min.
    pub datagram_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_tunnels: 512,
            ignore: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            datagram_timeout: Duration::from_secs(300),
        }
    }
}
