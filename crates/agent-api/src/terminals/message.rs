//! The messages of `open_terminal`; output is binary frames between them.

use serde::{Deserialize, Serialize};

use super::TerminalBackend;
use crate::TerminalSize;

/// A message of the client; a frame holds one or more, text or binary.
///
/// The data is written before the size is changed. It has no `type`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalClientMessage {
    /// What is typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Lines; the size is changed when both sides are given and not 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u16>,
    /// Characters of a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u16>,
}

impl TerminalClientMessage {
    /// Types something.
    pub fn input(data: impl Into<String>) -> Self {
        Self { data: Some(data.into()), ..Self::default() }
    }

    /// Changes the size.
    pub fn resize(rows: u16, cols: u16) -> Self {
        Self { data: None, height: Some(rows), width: Some(cols) }
    }
}

/// A message of the agent, with `events=true`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum TerminalServerMessage {
    /// The first frame of all.
    Attached(TerminalAttached),
    /// Another connection changed the size.
    Resized(TerminalSize),
    /// Output was dropped because it was not read in time; the whole screen follows.
    Resync,
    /// The program ended; the close follows.
    Exited(TerminalExited),
    /// A message of a newer agent.
    #[serde(other)]
    Unknown,
}

/// What a connection was attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalAttached {
    /// Whether this connection created the terminal.
    pub created: bool,
    /// Lines.
    pub rows: u16,
    /// Characters of a line.
    pub cols: u16,
    /// What keeps the screen.
    pub backend: TerminalBackend,
}

/// How the program ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalExited {
    /// Exit status, 128 + n for death by signal n; absent where nobody knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Name of the signal it died of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
}
