//! The SSH protocol, both ends, on any byte stream: transport, authentication, channels.

mod cipher;
mod kex;
pub mod key;
pub mod wire;
