//! Ports of the workspace, reached through the agent: byte streams and datagrams; not how a tunnel is
//! asked for.

mod datagrams;
mod stream;

pub use datagrams::{DatagramReceiver, DatagramSender, DatagramSocket};
pub use stream::DialStream;
