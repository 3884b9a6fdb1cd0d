//! `dial`: a byte stream to a port of the workspace, or through a door of the agent.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use agent_api::Network;
use tokio::net::TcpStream;
use tokio_util::{
    io::InspectReader, sync::CancellationToken, task::task_tracker::TaskTrackerToken,
};

use crate::{
    ByteStream, Error, OpenDoor, Peer, Ports, Stream, Target, relay::relay, service::Place,
    stream::prepare,
};

/// The other end of a tunnel, connected and waiting for this one.
#[derive(Debug)]
#[non_exhaustive]
pub enum Dialed {
    /// A port of the workspace.
    Port(PortTunnel),
    /// A door of the agent.
    Door(DoorTunnel),
}

/// A connection to a port of the workspace; closed when it is dropped.
#[derive(Debug)]
pub struct PortTunnel {
    far: TcpStream,
    stop: CancellationToken,
    _place: Place,
    _running: TaskTrackerToken,
}

/// An admission to a door of the agent; given back when it is dropped.
pub struct DoorTunnel {
    open: OpenDoor,
    place: Place,
}

impl Ports {
    /// Connects to a target: for a port to `127.0.0.1`, and where that fails to `::1`.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyTunnels`]; [`Error::Door`] when the agent's own service does not take more;
    /// [`Error::Refused`] when nothing listens on either address, [`Error::Connect`] when the system
    /// says something else; [`Error::ShuttingDown`], also during the connect; [`Error::Timeout`]
    /// after [`Config::connect_timeout`](crate::Config::connect_timeout).
    ///
    /// # Cancellation
    ///
    /// Dropping the future abandons the connect.
    pub async fn dial(&self, target: Target) -> Result<Dialed, Error> {
        let mut attempt = Attempt { ports: self, is_over: false };
        let outcome = self.connect(target).await;
        attempt.is_over = true;
        self.shared.counters.made(Network::Tcp, &outcome);
        outcome
    }

    async fn connect(&self, target: Target) -> Result<Dialed, Error> {
        let (shared, port) = (&self.shared, target.port);
        let place = shared.place(Network::Tcp)?;
        if let Some(door) = target.door {
            let open = shared.doors.open(door).map_err(|source| Error::Door { port, source })?;
            return Ok(Dialed::Door(DoorTunnel { open, place }));
        }
        let after = shared.config.connect_timeout;
        let far = tokio::select! {
            biased;
            () = shared.closed.cancelled() => Err(Error::ShuttingDown),
            connected = tokio::time::timeout(after, loopback(port)) => {
                connected.unwrap_or(Err(Error::Timeout { port, after }))
            }
        }?;
        prepare(&far);
        Ok(Dialed::Port(PortTunnel {
            far,
            stop: shared.stop.clone(),
            _place: place,
            _running: shared.tasks.token(),
        }))
    }
}

/// Counts a dial whose client left before its outcome.
struct Attempt<'a> {
    ports: &'a Ports,
    is_over: bool,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.ports.shared.counters.abandoned(Network::Tcp);
        }
    }
}

async fn loopback(port: u16) -> Result<TcpStream, Error> {
    let first = match connect(Ipv4Addr::LOCALHOST.into(), port).await {
        Ok(stream) => return Ok(stream),
        Err(error) => error,
    };
    let second = match connect(Ipv6Addr::LOCALHOST.into(), port).await {
        Ok(stream) => return Ok(stream),
        Err(error) => error,
    };
    let is_refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    // Where IPv6 is off, the second address is merely missing.
    let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::AddrNotAvailable;
    match (is_refused(&first), is_refused(&second) || is_missing(&second)) {
        (true, true) => Err(Error::Refused { port }),
        (true, false) => Err(Error::Connect { port, source: second }),
        (false, _) => Err(Error::Connect { port, source: first }),
    }
}

async fn connect(address: IpAddr, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(SocketAddr::new(address, port)).await?;
    // A free port that the system chose as the source of its own connection (RFC 9293 section
    // 3.5, simultaneous open) has no listener.
    if stream.local_addr()? == stream.peer_addr()? {
        let _ = stream.set_zero_linger();
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}

impl PortTunnel {
    /// Carries bytes both ways until both directions have ended, one of the sides is reset, or the
    /// service is shut down.
    ///
    /// Each direction holds 64 KiB and then holds its sender back.
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes both sides.
    pub async fn carry(self, near: impl ByteStream) {
        prepare(&near);
        self.stop.run_until_cancelled(relay(near, self.far)).await;
    }
}

impl DoorTunnel {
    /// Gives a stream to what is behind the door; returns at once.
    pub fn enter(self, stream: impl Stream + 'static, peer: Peer) {
        let place = self.place;
        // The stream owns its place among the tunnels, for as long as whoever has it keeps it.
        let placed = InspectReader::new(stream, move |_: &[u8]| {
            let _ = &place;
        });
        (self.open)(Box::new(placed), peer);
    }
}

impl fmt::Debug for DoorTunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DoorTunnel").field("place", &self.place).finish_non_exhaustive()
    }
}
