//! The ports behind which is not the workspace but the agent itself, as a question that the server
//! answers.

use std::{fmt, net::SocketAddr};

use agent_api::{Classify, ErrorCode};
use tokio::io::{AsyncRead, AsyncWrite};

/// Something of the agent that has a port of `dial`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Door {
    /// The SSH server: ports 1 and 22.
    Ssh,
    /// A terminal with raw framing: port 2.
    Terminal,
    /// The speed test: port 3.
    SpeedTest,
}

/// Opens the doors of an agent.
pub trait Doors: fmt::Debug + Send + Sync + 'static {
    /// Whether there is anything behind a door; asked before anything else, and without a wait.
    fn is_there(&self, door: Door) -> bool;

    /// Admits one more visitor, whose stream comes later or, if the client leaves, not at all; then
    /// what is answered is dropped, and must give the place back.
    ///
    /// # Errors
    ///
    /// [`DoorError`]; nothing is kept then.
    fn open(&self, door: Door) -> Result<OpenDoor, DoorError>;
}

/// Takes the stream of an admitted visitor; returns at once, and the stream's end is then the
/// taker's matter.
pub type OpenDoor = Box<dyn FnOnce(BoxStream, Peer) + Send>;

/// Any stream of bytes with half-close.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A stream of whatever kind.
pub type BoxStream = Box<dyn Stream>;

/// Where a stream comes from, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Address of the client.
    pub remote: Option<SocketAddr>,
    /// Address that the client connected to.
    pub local: Option<SocketAddr>,
}

/// Why a door stays closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DoorError {
    /// As many visitors are there as may be.
    #[error("too many connections")]
    Busy,
    /// The agent is shutting down.
    #[error("the agent is shutting down")]
    ShuttingDown,
}

impl Classify for DoorError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Busy => ErrorCode::ResourceExhausted,
            Self::ShuttingDown => ErrorCode::Unavailable,
        }
    }
}

/// An agent without doors.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDoors;

impl Doors for NoDoors {
    fn is_there(&self, _door: Door) -> bool {
        false
    }

    fn open(&self, _door: Door) -> Result<OpenDoor, DoorError> {
        Err(DoorError::ShuttingDown)
    }
}
