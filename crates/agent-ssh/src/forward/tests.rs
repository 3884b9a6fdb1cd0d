//! Forwards between real sockets and a real client.

mod direct;
mod streamlocal;
mod tcp;
pub(crate) mod world;
