//! `dial_udp`: datagrams to a port of the workspace, framed on a byte stream.

pub(crate) mod frame;
mod tunnel;

use std::net::Ipv4Addr;

use agent_api::Network;
use tokio::net::UdpSocket;

pub use tunnel::UdpTunnel;

use crate::{Error, Ports, Target};

impl Ports {
    /// Makes a socket of its own, connected to `127.0.0.1` at the port.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyTunnels`], [`Error::ShuttingDown`], and [`Error::Datagrams`] when the system
    /// gives no socket. Whether anything listens is not known, and no error.
    pub async fn dial_udp(&self, target: Target) -> Result<UdpTunnel, Error> {
        let outcome = self.bind(target.port).await;
        self.shared.counters.made(Network::Udp, &outcome);
        outcome
    }

    async fn bind(&self, port: u16) -> Result<UdpTunnel, Error> {
        let shared = &self.shared;
        let place = shared.place(Network::Udp)?;
        let failed = |source| Error::Datagrams { port, source };
        let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        far.connect((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
        let (stop, running) = (shared.stop.clone(), shared.tasks.token());
        Ok(UdpTunnel::new(far, shared.config.datagram_timeout, stop, place, running))
    }
}
