//! The query of a list of containers, the one whose parameter may be given more than once.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor},
    ser::SerializeMap,
};

/// Query of `list_containers` and `watch_containers`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListContainersRequest {
    /// Labels that a container must have, all of them: `KEY` or `KEY=VALUE`, each a parameter
    /// `label` of its own. An empty key is refused. Dev containers are not filtered.
    pub label: Vec<String>,
}

const LABEL: &str = "label";

impl Serialize for ListContainersRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut query = serializer.serialize_map(Some(self.label.len()))?;
        for label in &self.label {
            query.serialize_entry(LABEL, label)?;
        }
        query.end()
    }
}

impl<'de> Deserialize<'de> for ListContainersRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("ListContainersRequest", &[LABEL], Parameters)
    }
}

/// Reads the parameters, each at its own place or all values of one together.
struct Parameters;

impl<'de> Visitor<'de> for Parameters {
    type Value = ListContainersRequest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("parameters")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut parameters: A) -> Result<Self::Value, A::Error> {
        let mut request = ListContainersRequest::default();
        while let Some(name) = parameters.next_key::<String>()? {
            if name == LABEL {
                let Values(values) = parameters.next_value()?;
                request.label.extend(values);
            } else {
                parameters.next_value::<IgnoredAny>()?;
            }
        }
        Ok(request)
    }
}

/// One value, or several.
struct Values(Vec<String>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ValuesVisitor)
    }
}

struct ValuesVisitor;

impl<'de> Visitor<'de> for ValuesVisitor {
    type Value = Values;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("texts")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Values, E> {
        Ok(Values(vec![value.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Values, A::Error> {
        let mut all = Vec::new();
        while let Some(value) = values.next_element()? {
            all.push(value);
        }
        Ok(Values(all))
    }
}
