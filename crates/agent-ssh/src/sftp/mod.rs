//! The SFTP server: version 3 with OpenSSH's extensions, over one channel.
//!
//! Nothing here but `channel` knows SSH: requests come from a [`Source`] of bytes, replies go to
//! a [`Sink`]. Names are bytes from end to end, whatever their encoding.
//!
//! ```text
//! Source ─ framing ─ request ─┐ batches          ┌─ reply ─ Sink
//!                             └─ server (pool) ──┘
//!          receive ── ≤ 8 MiB of requests in work ── send
//! ```
//!
//! Source: draft-ietf-secsh-filexfer-02, and OpenSSH's PROTOCOL file, section 4.

mod attributes;
mod change;
mod channel;
mod copy_data;
mod framing;
mod handles;
mod listing;
mod names;
mod open;
mod paths;
mod pipeline;
mod rename;
mod reply;
mod request;
mod server;
mod status;
#[cfg(test)]
mod tests;
mod workers;
mod write;

use std::path::PathBuf;

use agent_ssh_protocol::wire::Malformed;

pub(crate) use channel::{Gone, Sink, Source};
pub(crate) use workers::Workers;

/// Where the names of a session begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Directory that relative names are in; absolute.
    pub(crate) start: PathBuf,
    /// What `~` stands for in `expand-path@openssh.com`; absolute.
    pub(crate) home: PathBuf,
}

/// Why a session ended before its client ended it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The length of a packet is 0 or over 262,144.
    #[error("SFTP packet of {length} bytes")]
    PacketLength {
        /// As announced.
        length: u32,
    },
    /// A packet does not have the fields its type asks for.
    #[error("malformed SFTP packet")]
    Packet(#[from] Malformed),
    /// A request came before the version was agreed on.
    #[error("SFTP request before the version")]
    NoVersion,
    /// A request could not be carried out because of a defect.
    #[error("the SFTP server failed")]
    Panicked(#[source] tokio::task::JoinError),
}

/// Serves one session until the client ends its input or goes.
///
/// Requests are answered in the order of their arrival. All complete requests before an end or an
/// error are answered first; a packet cut off by the end is dropped. When it returns the last
/// reply is with `output` and every handle is closed. Never more than 8 MiB of requests are in
/// work; beyond that nothing is taken from `input`. All of it is done by `workers`, in turns.
///
/// # Errors
///
/// The client does not speak the protocol, or a defect; never that it has gone.
///
/// # Cancellation
///
/// Dropping it abandons the replies. The request being carried out runs to its end, `copy-data` to
/// its next block; the others are not begun, and then the handles are closed.
pub(crate) async fn serve(
    input: impl Source,
    output: impl Sink,
    config: Config,
    workers: &Workers,
) -> Result<(), Error> {
    pipeline::run(input, output, config, workers).await
}
