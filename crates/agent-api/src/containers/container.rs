//! Words of one container.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Timestamp, null::as_default};

/// What the engine says of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// When it was created.
    pub created_at: Timestamp,
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name, without the slash in front.
    pub name: String,
    /// The image as it was named at its creation.
    pub image: String,
    /// Its labels.
    #[serde(default, deserialize_with = "as_default")]
    pub labels: BTreeMap<String, String>,
    /// Whether it runs; so does a paused one.
    pub running: bool,
    /// Its published ports, by container port, network, host address and host port.
    #[serde(default, deserialize_with = "as_default")]
    pub ports: Vec<ContainerPort>,
    /// `running`, or how it exited, for people.
    pub status: String,
    /// The engine's own word: `created`, `running`, `paused`, `restarting`, `removing`, `exited`
    /// or `dead`.
    pub state: String,
    /// Sources on the host and where they are inside.
    #[serde(default, deserialize_with = "as_default")]
    pub volumes: BTreeMap<String, String>,
}

/// A published port of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContainerPort {
    /// The port inside; 0 when the engine's words for it are not understood.
    pub port: u16,
    /// `tcp`, `udp` or what the engine says.
    pub network: String,
    /// The address on the host.
    pub host_ip: String,
    /// The port on the host.
    pub host_port: u16,
}
