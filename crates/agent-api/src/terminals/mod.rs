//! Words of terminals that outlive their connections: opening, typing, what comes back, the list.

mod init;
mod message;
mod open;
mod record;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

pub use init::TerminalInit;
pub use message::{TerminalAttached, TerminalClientMessage, TerminalExited, TerminalServerMessage};
pub use open::OpenTerminalRequest;
pub use record::{ListTerminalsResponse, TerminalRecord, TerminalState};

/// The id of a terminal: a UUID chosen by the client, written in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TerminalId(Uuid);

/// The text is no id of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseTerminalIdError;

impl TerminalId {
    /// The id of a UUID.
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID.
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl FromStr for TerminalId {
    type Err = ParseTerminalIdError;

    /// Reads a UUID with letters of any case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self).map_err(|_| ParseTerminalIdError)
    }
}

impl fmt::Display for TerminalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ParseTerminalIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a terminal id must be a UUID")
    }
}

impl std::error::Error for ParseTerminalIdError {}

impl Serialize for TerminalId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TerminalId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// What keeps the screen of a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TerminalBackend {
    /// The agent's own emulator; also read from `auto` and from an empty text.
    #[default]
    #[serde(alias = "auto", alias = "")]
    Buffered,
    /// GNU `screen`.
    Screen,
    /// A backend of a newer peer.
    #[serde(other)]
    Unknown,
}

impl TerminalBackend {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
