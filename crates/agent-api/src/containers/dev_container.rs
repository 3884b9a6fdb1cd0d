//! Words of one dev container.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Container, DevContainerApp, DisplayApps};

/// Where a dev container is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DevContainerStatus {
    /// Its container runs.
    Running,
    /// It has no container that runs.
    #[default]
    Stopped,
    /// It is brought up.
    Starting,
    /// Its container is stopped, to be deleted.
    Stopping,
    /// Its container is removed.
    Deleting,
    /// The last operation failed; `error` says how.
    Error,
    /// A status of a newer agent.
    #[serde(other)]
    Unknown,
}

impl DevContainerStatus {
    /// The word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Stopping => "stopping",
            Self::Deleting => "deleting",
            Self::Error => "error",
            Self::Unknown => "unknown",
        }
    }
}

/// A dev container, with or without a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevContainer {
    /// Its id, the same after a restart of the agent.
    pub id: Uuid,
    /// Its name; empty while it has neither a container nor a fixed name.
    pub name: String,
    /// The folder on the host that it belongs to.
    pub workspace_folder: String,
    /// Its `devcontainer.json`, when that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_path: Option<String>,
    /// Only of those whose life belongs to the agent's configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subagent_id: Option<Uuid>,
    /// Where it is in its life.
    pub status: DevContainerStatus,
    /// Whether its configuration changed after its container was created.
    pub dirty: bool,
    /// Its container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// The agent that runs in its container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<DevContainerAgent>,
    /// What went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Applications of its configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apps: Option<Vec<DevContainerApp>>,
    /// Which of the usual applications are to be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_apps: Option<DisplayApps>,
}

/// The agent in a dev container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevContainerAgent {
    /// Its id; another container has another one.
    pub id: Uuid,
    /// Its name, that of the dev container.
    pub name: String,
    /// Where its commands start, a path inside.
    pub directory: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_status_is_that_of_the_wire() {
        for status in [
            DevContainerStatus::Running,
            DevContainerStatus::Stopped,
            DevContainerStatus::Starting,
            DevContainerStatus::Stopping,
            DevContainerStatus::Deleting,
            DevContainerStatus::Error,
            DevContainerStatus::Unknown,
        ] {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
    }
}
