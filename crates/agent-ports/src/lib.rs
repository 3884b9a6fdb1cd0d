//! The ports of a workspace: which ones something listens on, and byte streams and datagrams to
//! them; served over HTTP by the feature `http`, and usable without it.
//!
//! [`Ports::list_listening_ports`] answers what listens. [`Ports::dial`] connects to a port, or to
//! one of the agent's own [`Doors`], and [`Ports::dial_udp`] makes a socket for datagrams; what they
//! answer carries any [`ByteStream`] until both sides have ended.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use agent_ports::{Config, Dialed, NoDoors, NoOwners, Ports};
//! use std::sync::Arc;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let port = listener.local_addr()?.port();
//! let ports = Ports::new(Config::default(), Arc::new(NoDoors), Arc::new(NoOwners));
//!
//! let target = ports.tcp_target(&port.to_string())?;
//! let Dialed::Port(tunnel) = ports.dial(target).await? else { panic!() };
//! let (mut client, near) = tokio::io::duplex(1024);
//! let serve = async {
//!     let (mut server, _) = listener.accept().await?;
//!     let mut question = String::new();
//!     server.read_to_string(&mut question).await?;
//!     server.write_all(b"pong").await?;
//!     drop(server);
//!     Ok::<_, std::io::Error>(question)
//! };
//! let ask = async {
//!     client.write_all(b"ping").await?;
//!     client.shutdown().await?;
//!     let mut answer = String::new();
//!     client.read_to_string(&mut answer).await?;
//!     Ok::<_, std::io::Error>(answer)
//! };
//! let (question, answer, ()) = tokio::join!(serve, ask, tunnel.carry(near));
//! assert_eq!((question?.as_str(), answer?.as_str()), ("ping", "pong"));
//! # Ok(())
//! # }
//! ```

mod config;
mod dial;
mod door;
mod error;
#[cfg(feature = "http")]
pub mod http;
mod listening;
mod relay;
mod service;
mod statistics;
mod stream;
mod target;
mod udp;

pub use config::Config;
pub use dial::{Dialed, DoorTunnel, PortTunnel};
pub use door::{BoxStream, Door, DoorError, Doors, NoDoors, OpenDoor, Peer, Stream};
pub use error::Error;
pub use listening::{NoOwners, Owners};
pub use service::Ports;
pub use statistics::{SCAN_SECONDS, ScanTimes, Statistics, TunnelCounts};
pub use stream::{ByteReader, ByteStream};
pub use target::Target;
pub use udp::UdpTunnel;
