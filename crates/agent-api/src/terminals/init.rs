//! The first message of the raw framing.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::{TerminalBackend, TerminalId};
use crate::null::as_default;

/// What opens a terminal without HTTP, behind its length in two bytes, little-endian.
///
/// Keys are read in any case of their letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TerminalInit {
    /// Which terminal; the only key that is required.
    #[serde(rename = "ID")]
    pub id: TerminalId,
    /// Lines, as `rows` of [`OpenTerminalRequest`](crate::OpenTerminalRequest).
    pub height: u16,
    /// Characters of a line, as `cols`.
    pub width: u16,
    /// As `command`.
    pub command: String,
    /// As `container`; empty for none.
    pub container: String,
    /// As `container_user`.
    pub container_user: String,
    /// What keeps the screen; a name that is not known counts as
    /// [`TerminalBackend::Buffered`].
    pub backend_type: TerminalBackend,
}

impl TerminalInit {
    /// A login shell in the terminal of this id, of the default size if it is new.
    pub fn new(id: TerminalId) -> Self {
        Self {
            id,
            height: 0,
            width: 0,
            command: String::new(),
            container: String::new(),
            container_user: String::new(),
            backend_type: TerminalBackend::Buffered,
        }
    }
}

impl<'de> Deserialize<'de> for TerminalInit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InitVisitor)
    }
}

/// A value of which `null` is as absent.
#[derive(Deserialize)]
#[serde(transparent, bound = "T: Default + Deserialize<'de>")]
struct Optional<T>(#[serde(deserialize_with = "as_default")] T);

struct InitVisitor;

impl<'de> de::Visitor<'de> for InitVisitor {
    type Value = TerminalInit;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object that opens a terminal")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<TerminalInit, A::Error> {
        let mut id = None;
        let mut init = TerminalInit::new(TerminalId::from_uuid(uuid::Uuid::nil()));
        while let Some(key) = map.next_key::<String>()? {
            match key.to_ascii_lowercase().as_str() {
                "id" => id = Some(map.next_value()?),
                "height" => init.height = map.next_value::<Optional<_>>()?.0,
                "width" => init.width = map.next_value::<Optional<_>>()?.0,
                "command" => init.command = map.next_value::<Optional<_>>()?.0,
                "container" => init.container = map.next_value::<Optional<_>>()?.0,
                "containeruser" => init.container_user = map.next_value::<Optional<_>>()?.0,
                "backendtype" => init.backend_type = map.next_value::<Optional<_>>()?.0,
                _ => drop(map.next_value::<de::IgnoredAny>()?),
            }
        }
        let id = id.ok_or_else(|| de::Error::missing_field("ID"))?;
        Ok(TerminalInit { id, ..init })
    }
}
