//! How a connection fails: before it stands, while it is used, and at its end.

use std::io;

use crate::cipher::PacketError;
use crate::wire::Malformed;

/// A connection did not come to stand.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The stream failed.
    #[error("cannot use the stream")]
    Io(#[source] io::Error),
    /// The stream ended before the peer was authenticated.
    #[error("connection lost")]
    ConnectionLost,
    /// The peer said that it goes.
    #[error("disconnected by the peer: {text} (reason {reason})")]
    Disconnected {
        /// The reason of RFC 4253 section 11.1.
        reason: u32,
        /// What the peer said about it, characters that are not UTF-8 replaced.
        text: String,
    },
    /// The peer broke a rule of the protocol.
    #[error("protocol error: {0}")]
    Protocol(String),
    /// The client failed as often as it may.
    #[error("too many authentication failures")]
    TooManyAuthenticationFailures,
    /// This side stopped before the client was authenticated.
    #[error("stopped")]
    Stopped,
    /// The two sides have no algorithm in common.
    #[error("{0}")]
    NoCommonAlgorithm(String),
    /// The server proved a host key that the caller does not know.
    #[error("the host key is not accepted")]
    HostKeyRefused,
    /// The server takes neither method `none` nor the key.
    #[error("authentication refused; the server takes: {}", methods.join(", "))]
    AuthenticationRefused {
        /// The methods the server takes, as it named them.
        methods: Vec<String>,
    },
}

impl HandshakeError {
    /// Turns the failure of a stream into the error that says whether the peer just went.
    pub(crate) fn stream(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Self::ConnectionLost,
            _ => Self::Io(error),
        }
    }
}

impl From<ProtocolError> for HandshakeError {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::NoCommonAlgorithm(what) => Self::NoCommonAlgorithm(what),
            ProtocolError::Broken(what) => Self::Protocol(what),
        }
    }
}

/// Why a connection that stood has ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Ended {
    /// The peer said that it goes, or closed the stream between two packets.
    #[error("closed by the peer")]
    ClosedByPeer {
        /// The reason of RFC 4253 section 11.1; absent when the stream was just closed.
        reason: Option<u32>,
        /// What the peer said about it, characters that are not UTF-8 replaced; or empty.
        text: String,
    },
    /// The stream failed, or ended within a packet.
    #[error("connection lost")]
    Lost(#[source] io::Error),
    /// The peer left as many keepalive requests unanswered as it may.
    #[error("keepalive timeout")]
    KeepaliveTimeout,
    /// The peer broke a rule of the protocol; it was told so.
    #[error("protocol error: {0}")]
    Protocol(String),
    /// This side disconnected, see [`Connection::disconnect`](crate::Connection::disconnect).
    #[error("disconnected")]
    Disconnected,
}

/// A channel did not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The peer refused it.
    #[error("channel refused: {text} (reason {reason})")]
    Refused {
        /// The reason of RFC 4254 section 5.1.
        reason: u32,
        /// What the peer said about it, characters that are not UTF-8 replaced.
        text: String,
    },
    /// The connection is gone, or going.
    #[error("the connection is closed")]
    Closed,
}

/// A request was not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The peer refused it.
    #[error("request refused")]
    Failed,
    /// The channel or the connection is gone, or going.
    #[error("closed")]
    Closed,
}

/// A channel takes no more: it was closed or ended by either side, or the connection is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the channel is closed")]
pub struct ChannelClosed;

/// A rule of the protocol that the peer broke; the connection cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProtocolError {
    /// There is no common algorithm; says of which kind.
    #[error("{0}")]
    NoCommonAlgorithm(String),
    /// Any other rule; says which.
    #[error("{0}")]
    Broken(String),
}

impl ProtocolError {
    /// Says which rule was broken.
    pub(crate) fn broken(what: impl Into<String>) -> Self {
        Self::Broken(what.into())
    }

    /// The reason that a DISCONNECT message gives, RFC 4253 section 11.1.
    pub(crate) const fn reason(&self) -> u32 {
        match self {
            Self::NoCommonAlgorithm(_) => crate::message::disconnect::KEY_EXCHANGE_FAILED,
            Self::Broken(_) => crate::message::disconnect::PROTOCOL_ERROR,
        }
    }
}

impl From<Malformed> for ProtocolError {
    fn from(error: Malformed) -> Self {
        Self::broken(error.to_string())
    }
}

impl From<PacketError> for ProtocolError {
    fn from(error: PacketError) -> Self {
        Self::broken(error.to_string())
    }
}
