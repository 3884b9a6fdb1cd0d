//! Words of containers and dev containers.

mod app;
mod container;
mod dev_container;
mod log;
mod query;

use serde::{Deserialize, Serialize};

pub use app::*;
pub use container::*;
pub use dev_container::*;
pub use log::*;
pub use query::*;

use crate::null::as_default;

/// Answer of `list_containers`, and each message of `watch_containers`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListContainersResponse {
    /// By `workspace_folder`; without those that their configuration lets ignore.
    #[serde(default, deserialize_with = "as_default")]
    pub devcontainers: Vec<DevContainer>,
    /// Newest first, then by id.
    #[serde(default, deserialize_with = "as_default")]
    pub containers: Vec<Container>,
    /// What could not be understood or does not fit together, for people.
    #[serde(default, deserialize_with = "as_default", skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Answer of `recreate_dev_container`, which goes on after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecreateDevContainerResponse {
    /// What was begun.
    pub message: String,
    /// With which dev container.
    pub detail: String,
}
