//! Asks for tunnels: one request that becomes a byte stream; not what goes through it.

use agent_api::routes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{AgentClient, call::Call};
use crate::{DatagramSocket, DialStream, Error, PingPath};

impl AgentClient {
    /// Opens a byte stream to a port.
    pub(super) async fn open_dial(&self, port: u16) -> Result<DialStream, Error> {
        let call = Call::with_segment(routes::DIAL, &port.to_string());
        Ok(self.open_tunnel(call, "tcp").await?.0)
    }

    /// Opens a socket for the datagrams of a port.
    pub(super) async fn open_dial_udp(&self, port: u16) -> Result<DatagramSocket, Error> {
        let call = Call::with_segment(routes::DIAL_UDP, &port.to_string());
        let (stream, _) = self.open_tunnel(call, "udp").await?;
        Ok(DatagramSocket::from_stream(stream))
    }

    /// Turns a connection of its own into a tunnel, and tells how the agent was reached. Over HTTP/2,
    /// where there is no upgrade, the agent says so itself.
    ///
    /// # Errors
    ///
    /// What the agent answered instead, and [`Error::Protocol`] for an upgrade to something else.
    pub(super) async fn open_tunnel(
        &self,
        call: Call,
        protocol: &'static str,
    ) -> Result<(DialStream, PingPath), Error> {
        let operation = call.operation;
        let headers = HeaderMap::from_iter([
            (header::CONNECTION, HeaderValue::from_static("Upgrade")),
            (header::UPGRADE, HeaderValue::from_static(protocol)),
        ]);
        let reply = self.exchange(call.long().headers(headers)).await?;
        if reply.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(reply.refused().await);
        }
        let upgrade = reply.headers().get(header::UPGRADE);
        if upgrade.is_none_or(|name| !name.as_bytes().eq_ignore_ascii_case(protocol.as_bytes())) {
            let why = format!("the upgrade is not to `{protocol}`");
            return Err(Error::protocol(operation, why));
        }
        let path = reply.path();
        let (stream, early) = self.unless_closed(reply.upgrade_raw()).await?;
        Ok((DialStream::new(stream, early, self.inner.stop.clone()), path))
    }
}
