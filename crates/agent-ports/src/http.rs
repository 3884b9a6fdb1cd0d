//! The operations as HTTP routes, relative to the API's root; each handler extracts, calls and
//! wraps, and decides nothing.

use agent_api::{ListListeningPortsResponse, routes};
use agent_http::{
    Failure, Json, Query, Reply, Tunnel, TunnelReader, TunnelStream, TunnelWriter, Waiting,
};
use axum::{
    Router,
    extract::{Path, State, rejection::PathRejection},
    response::Response,
    routing::get,
};
use serde::Deserialize;
use tokio::net::TcpStream;

use crate::{ByteReader, ByteStream, Dialed, Peer, Ports};

/// The routes of the service, to be mounted under the API's root.
pub fn routes(ports: Ports) -> Router {
    Router::new()
        .route(routes::LIST_LISTENING_PORTS.relative(), get(list_listening_ports))
        .route(routes::DIAL.relative(), get(dial))
        .route(routes::DIAL_UDP.relative(), get(dial_udp))
        .with_state(ports)
}

/// A query that must be empty.
#[derive(Deserialize)]
struct NoParameters {}

/// A port as it was written; text that is no UTF-8 is no port.
type Port = Result<Path<String>, PathRejection>;

fn text(port: Port) -> String {
    port.map(|Path(port)| port).unwrap_or_default()
}

async fn list_listening_ports(
    State(ports): State<Ports>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Reply<ListListeningPortsResponse> {
    Ok(Json(ports.list_listening_ports().await?))
}

async fn dial(
    State(ports): State<Ports>,
    Query(NoParameters {}): Query<NoParameters>,
    port: Port,
    tunnel: Tunnel,
    waiting: Waiting,
) -> Result<Response, Failure> {
    let target = ports.tcp_target(&text(port))?;
    let tunnel = tunnel.to("tcp")?;
    let dialed = waiting.during(ports.dial(target)).await?;
    Ok(match dialed {
        Dialed::Port(far) => tunnel.on(|near| far.carry(near)),
        Dialed::Door(door) => tunnel.hand_over(|near| {
            let peer = Peer { remote: near.peer_addr(), local: near.local_addr() };
            door.enter(near, peer);
        }),
    })
}

async fn dial_udp(
    State(ports): State<Ports>,
    Query(NoParameters {}): Query<NoParameters>,
    port: Port,
    tunnel: Tunnel,
) -> Result<Response, Failure> {
    let target = ports.udp_target(&text(port))?;
    let tunnel = tunnel.to("udp")?;
    let far = ports.dial_udp(target).await?;
    Ok(tunnel.on(|near| far.carry(near)))
}

impl ByteStream for TunnelStream {
    type Reader<'a> = TunnelReader<'a>;
    type Writer<'a> = TunnelWriter<'a>;

    fn split(&mut self) -> (Self::Reader<'_>, Self::Writer<'_>) {
        Self::split(self)
    }

    fn reset(self) {
        Self::reset(self);
    }

    fn tcp(&self) -> Option<&TcpStream> {
        Self::tcp(self)
    }
}

impl ByteReader for TunnelReader<'_> {
    fn broken(&mut self) -> impl Future<Output = ()> + Send {
        Self::broken(self)
    }
}
