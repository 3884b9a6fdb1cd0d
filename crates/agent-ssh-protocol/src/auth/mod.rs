//! From a stream to a connection that stands: identification, keys and authentication.
//!
//! Source: RFC 4252.

mod client;
mod link;
mod server;

pub use client::{Connected, connect};
pub(crate) use link::{Link, Stream};
pub use server::{Accepted, Authenticator, Offer, accept, accept_until};
