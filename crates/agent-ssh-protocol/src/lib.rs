//! The SSH protocol, both ends, on any byte stream: transport, authentication, channels.
//!
//! There is no policy here and no process: who is let in is decided by an [`Authenticator`], what
//! a channel is for by whoever takes it from [`Incoming`]. [`accept`] makes a server's end of a
//! stream, [`connect`] a client's; behind the authentication the two are alike. Nothing is
//! spawned: the owner of a connection runs its [`Driver`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use agent_ssh_protocol::key::HostKey;
//! use agent_ssh_protocol::{
//!     Authenticator, ClientConfig, ConnectionConfig, Event, Identity, Offer, ServerConfig,
//!     accept, connect,
//! };
//!
//! struct Anyone;
//!
//! impl Authenticator for Anyone {
//!     async fn none(&mut self, _user: &[u8]) -> bool {
//!         true
//!     }
//!     async fn public_key(&mut self, _offer: Offer<'_>) -> bool {
//!         true
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = Arc::new(HostKey::generate_ed25519());
//! let (near, far) = tokio::io::duplex(1 << 16);
//! let server = ServerConfig {
//!     software: "example_1.0".to_owned(),
//!     host_keys: vec![Arc::clone(&key)],
//!     max_auth_tries: 6,
//!     connection: ConnectionConfig::default(),
//! };
//! let client = ClientConfig {
//!     software: "example_1.0".to_owned(),
//!     user: "me".to_owned(),
//!     identity: Identity::None,
//!     connection: ConnectionConfig::default(),
//! };
//! let (near, far) = tokio::join!(
//!     connect(near, client, |proved| proved == key.public()),
//!     accept(far, Arc::new(server), Anyone),
//! );
//! let (near, mut far) = (near?, far?);
//!
//! let echo = async {
//!     while let Some(Event::Open(open)) = far.incoming.next().await {
//!         let mut channel = open.accept();
//!         while let Some(data) = channel.input.read().await {
//!             channel.output.write(data.bytes).await?;
//!         }
//!         channel.output.eof();
//!     }
//!     Ok::<(), Box<dyn std::error::Error>>(())
//! };
//! let ask = async {
//!     let mut channel = near.connection.open("echo@example.com", b"").await?;
//!     channel.output.write("hello".into()).await?;
//!     channel.output.eof();
//!     let data = channel.input.read().await;
//!     assert_eq!(data.as_ref().map(|data| &data.bytes[..]), Some(&b"hello"[..]));
//!     near.connection.disconnect(11, "done");
//!     Ok::<(), Box<dyn std::error::Error>>(())
//! };
//! let (_, _, echoed, asked) = tokio::join!(near.driver.run(), far.driver.run(), echo, ask);
//! echoed?;
//! asked?;
//! # Ok(())
//! # }
//! ```

mod auth;
mod cipher;
mod config;
mod connection;
mod error;
mod kex;
pub mod key;
mod message;
mod transport;
pub mod wire;

pub use auth::{Accepted, Authenticator, Connected, Offer, accept, accept_until, connect};
pub use config::{ClientConfig, ConnectionConfig, Identity, ServerConfig};
pub use connection::{
    Channel, ChannelInput, ChannelOutput, ChannelRequest, ChannelRequests, Connection, Data,
    Driver, Event, GlobalRequest, Incoming, Open, OpenFailure,
};
pub use error::{ChannelClosed, Ended, HandshakeError, OpenError, RequestError};
