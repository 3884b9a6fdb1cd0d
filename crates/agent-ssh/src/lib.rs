//! The SSH server of a workspace: sessions, SFTP, forwarding, over any stream.

mod config;
mod error;
mod service;
mod statistics;
mod workspace;

pub use config::Config;
pub use error::{Refused, StartError};
pub use service::{Admission, Peer, Ssh};
pub use statistics::{
    MagicType, SessionError, SessionLabels, Statistics, TransportKind, X11Failure,
};
pub use workspace::Workspace;
