//! The query of `open_terminal`.

use serde::{Deserialize, Serialize};

use super::TerminalBackend;
use crate::null::{is_false, is_zero};

/// Query of `open_terminal`; the id is in the path.
///
/// For a terminal that exists only the size, `takeover` and `events` count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenTerminalRequest {
    /// Lines, at most [`MAX_TERMINAL_ROWS`](crate::limits::MAX_TERMINAL_ROWS), a larger number
    /// counts as that. With one of the two sides 0 the size is the default, or stays as it is.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rows: u64,
    /// Characters of a line, at most
    /// [`MAX_TERMINAL_COLS`](crate::limits::MAX_TERMINAL_COLS).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cols: u64,
    /// Text for the shell, at most
    /// [`MAX_TERMINAL_COMMAND_BYTES`](crate::limits::MAX_TERMINAL_COMMAND_BYTES); without it, or
    /// empty, a login shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The container to run in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The user in the container; ignored without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_user: Option<String>,
    /// What keeps the screen.
    #[serde(default, skip_serializing_if = "TerminalBackend::is_default")]
    pub backend: TerminalBackend,
    /// Closes all other connections of the terminal when this one is attached.
    #[serde(default, skip_serializing_if = "is_false")]
    pub takeover: bool,
    /// Asks for [`TerminalServerMessage`](crate::TerminalServerMessage)s too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub events: bool,
}
