//! Words of the log of bringing a dev container up.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Query of `dev_container_logs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevContainerLogsRequest {
    /// Whether to go on until what is being brought up now has ended.
    #[serde(default)]
    pub follow: bool,
}

/// How important an entry of the log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DevContainerLogLevel {
    /// What happens.
    #[default]
    Info,
    /// What was written as an error.
    Error,
    /// A level of a newer agent.
    #[serde(other)]
    Unknown,
}

/// One entry of the log, a line of `application/x-ndjson`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevContainerLogEntry {
    /// When it was written.
    pub at: Timestamp,
    /// How important it is.
    pub level: DevContainerLogLevel,
    /// The text, without white space around it.
    pub text: String,
}

/// A message of the log over a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum DevContainerLogMessage {
    /// One entry more.
    Entry(DevContainerLogEntry),
    /// A message of a newer agent.
    #[serde(other)]
    Unknown,
}
