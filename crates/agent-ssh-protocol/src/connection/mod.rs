//! The connection: channels, their windows and requests, and what drives them.
//!
//! Source: RFC 4254, and the extensions of OpenSSH named below.

mod channel;
mod channel_state;
mod core;
mod driver;
mod handle;
mod inbox;
mod incoming;
mod mux;
mod outbox;
mod program;
mod reader;
mod receive;
mod replies;
mod shared;
mod wakes;
mod window;
mod writer;

pub use channel::{Channel, ChannelInput, ChannelOutput, ChannelRequest, ChannelRequests};
pub use driver::Driver;
pub use handle::Connection;
pub use inbox::Data;
pub use incoming::{Event, GlobalRequest, Incoming, Open, OpenFailure};

pub(crate) use driver::establish;

/// The request that only asks whether the peer lives.
const KEEPALIVE: &[u8] = b"keepalive@openssh.com";
/// The request that promises to open no more sessions.
const NO_MORE_SESSIONS: &[u8] = b"no-more-sessions@openssh.com";
