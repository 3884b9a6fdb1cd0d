//! Words of the list of terminals.

use serde::{Deserialize, Serialize};

use super::{TerminalBackend, TerminalId};
use crate::{Timestamp, null::as_default};

/// Where a terminal is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TerminalState {
    /// Its program is being started.
    Starting,
    /// Its program runs.
    Ready,
    /// It ends; its id becomes free.
    Closing,
    /// A state of a newer agent.
    #[serde(other)]
    Unknown,
}

/// What is known of a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalRecord {
    /// Its id.
    pub id: TerminalId,
    /// Where it is in its life.
    pub state: TerminalState,
    /// What keeps its screen.
    pub backend: TerminalBackend,
    /// As requested at its creation; empty for a login shell.
    pub command: String,
    /// Lines.
    pub rows: u16,
    /// Characters of a line.
    pub cols: u16,
    /// The title that the program set last, its first 256 characters; empty without one.
    pub title: String,
    /// Process id of the program, where it is the agent's own child.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Connections.
    pub attached: u32,
    /// The container it runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The user in the container, if the request named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_user: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When the program printed last; before it did, `created_at`.
    pub last_output_at: Timestamp,
    /// When it is closed unless somebody comes; only while nobody is attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// Answer of `list_terminals`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListTerminalsResponse {
    /// Oldest first.
    #[serde(default, deserialize_with = "as_default")]
    pub terminals: Vec<TerminalRecord>,
}
