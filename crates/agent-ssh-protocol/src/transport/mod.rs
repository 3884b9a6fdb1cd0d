//! The transport: identification, packets and keys, without a stream.
//!
//! Source: RFC 4253; RFC 8308 for what is said about extensions; strict key exchange as
//! described in the file PROTOCOL of OpenSSH.

mod exchange;
mod identification;
mod inbound;
mod outbound;

pub(crate) use exchange::{Exchange, Side};
pub(crate) use identification::{Identification, Line};
pub(crate) use inbound::{Inbound, Packet};
pub(crate) use outbound::Outbound;
