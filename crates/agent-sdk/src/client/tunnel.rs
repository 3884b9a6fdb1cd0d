//! Asks for tunnels: one request that becomes a byte stream; not what goes through it.

use agent_api::{Route, routes};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{AgentClient, call::Call};
use crate::{DatagramSocket, DialStream, Error};

impl AgentClient {
    /// Opens a byte stream to a port.
    pub(super) async fn open_dial(&self, port: u16) -> Result<DialStream, Error> {
        self.open_tunnel(routes::DIAL, port, "tcp").await
    }

    /// Opens a socket for the datagrams of a port.
    pub(super) async fn open_dial_udp(&self, port: u16) -> Result<DatagramSocket, Error> {
        let stream = self.open_tunnel(routes::DIAL_UDP, port, "udp").await?;
        Ok(DatagramSocket::from_stream(stream))
    }

    /// Turns a connection of its own into a tunnel. Over HTTP/2, where there is no upgrade, the
    /// agent says so itself.
    ///
    /// # Errors
    ///
    /// What the agent answered instead, and [`Error::Protocol`] for an upgrade to something else.
    async fn open_tunnel(
        &self,
        route: Route,
        port: u16,
        protocol: &'static str,
    ) -> Result<DialStream, Error> {
        let headers = HeaderMap::from_iter([
            (header::CONNECTION, HeaderValue::from_static("Upgrade")),
            (header::UPGRADE, HeaderValue::from_static(protocol)),
        ]);
        let call = Call::with_segment(route, &port.to_string()).long().headers(headers);
        let reply = self.exchange(call).await?;
        if reply.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(reply.refused().await);
        }
        let upgrade = reply.headers().get(header::UPGRADE);
        if upgrade.is_none_or(|name| !name.as_bytes().eq_ignore_ascii_case(protocol.as_bytes())) {
            let why = format!("the upgrade is not to `{protocol}`");
            return Err(Error::protocol(route.operation, why));
        }
        let (stream, early) = self.unless_closed(reply.upgrade_raw()).await?;
        Ok(DialStream::new(stream, early, self.inner.stop.clone()))
    }
}
