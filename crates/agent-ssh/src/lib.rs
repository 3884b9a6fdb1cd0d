//! The SSH server of a workspace: sessions, SFTP, forwarding, over any stream.

mod agent;
mod auth;
mod config;
mod connection;
mod containers;
mod door;
mod error;
mod forward;
mod host_keys;
mod service;
mod session;
mod sftp;
mod statistics;
mod workspace;
mod x11;

pub use config::Config;
pub use containers::{ContainerCommand, ContainerTerminal, Containers};
pub use error::{Refused, StartError};
pub use host_keys::HostKeyError;
pub use service::{Admission, Peer, Ssh};
pub use statistics::{
    MagicType, SessionError, SessionLabels, Statistics, TransportKind, X11Failure,
};
pub use workspace::Workspace;
