//! Why an agent does not start.

use std::{io, net::SocketAddr, path::PathBuf};

/// What kept an agent from starting.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The state directory or something in it cannot be made or read.
    #[error("cannot use `{}` as part of the state directory", path.display())]
    StateDir {
        /// The directory or file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The state directory belongs to somebody else, who could read the token in it.
    #[error("the state directory `{}` belongs to user {uid}, not to this one", path.display())]
    ForeignStateDir {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// Others may write to the state directory, and have had the chance to.
    #[error("the state directory `{}` is writable for others, use `chmod go-w`", path.display())]
    SharedStateDir {
        /// The directory.
        path: PathBuf,
    },
    /// Another agent runs on the state directory.
    #[error("another agentd{} runs on `{}`", process(*pid), path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Process id of the other agent, if it has written it already.
        pid: Option<u32>,
    },
    /// A token file cannot be read.
    #[error("cannot read the token file `{}`", path.display())]
    ReadToken {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A token file has no usable token.
    #[error("cannot use the token file `{}`", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: agent_http::TokenError,
    },
    /// The file with the agent's id has something else in it.
    #[error("`{}` has no UUID in it", path.display())]
    AgentId {
        /// The file.
        path: PathBuf,
    },
    /// A TCP address cannot be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A Unix socket cannot be bound.
    #[error("cannot listen on `{}`", path.display())]
    ListenUnix {
        /// Path of the socket.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Something is at the path of a Unix socket that is not a dead socket.
    #[error("cannot listen on `{}`, {what}", path.display())]
    Occupied {
        /// Path of the socket.
        path: PathBuf,
        /// What is there.
        what: &'static str,
    },
    /// The SSH server does not start.
    #[error(transparent)]
    Ssh(#[from] agent_ssh::StartError),
    /// Something that the process needs is not to be had: threads, signals.
    #[error("cannot set up the process")]
    Process(#[source] io::Error),
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}
