//! One container in the engine's own words, for who wants to enter it.

use std::time::Duration;

use bollard::models::ContainerInspectResponse;
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::{Engine, EngineError};

/// Longest wait.
const LIMIT: Duration = Duration::from_secs(15);

/// Largest answer.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Longest name or id; engines take no longer one.
const MAX_NAME: usize = 255;

/// Parts of the answer that are kept when an engine words another part in its own way.
const NEEDED: [&str; 8] =
    ["Id", "Created", "Name", "Config", "State", "Platform", "Mounts", "Image"];

impl Engine {
    /// What the engine says of one container, by id, unique beginning of an id, or name.
    ///
    /// # Errors
    ///
    /// [`EngineError::NoContainer`] also for a name that none can have, and a beginning that
    /// several ids have.
    pub(crate) async fn inspect(
        &self,
        name: &str,
    ) -> Result<ContainerInspectResponse, EngineError> {
        let no_container = || EngineError::NoContainer { name: name.to_owned() };
        // The name becomes a part of a path.
        if !is_name(name) {
            return Err(no_container());
        }
        let connection = self.connection().await?;
        let path = format!("/containers/{name}/json");
        let answer = timeout(LIMIT, connection.json(&path, MAX_ANSWER))
            .await
            .unwrap_or(Err(EngineError::TimedOut { after: LIMIT }));
        match answer {
            Ok(answer) => tolerant(answer),
            Err(EngineError::Refused { status: 404, .. }) => Err(no_container()),
            Err(EngineError::Refused { message, .. }) if is_ambiguous(&message) => {
                Err(no_container())
            }
            Err(error) => Err(self.noted(error, &connection)),
        }
    }
}

/// Whether an engine says that several ids begin so.
fn is_ambiguous(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("multiple ids found") || message.contains("more than one")
}

/// Whether a container can have this name or id.
fn is_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    first && name.len() <= MAX_NAME && name.bytes().all(is_plain)
}

/// Reads the answer, and without the parts that nobody needs if one of them is odd.
fn tolerant(answer: Value) -> Result<ContainerInspectResponse, EngineError> {
    let bad = |error: serde_json::Error| EngineError::BadAnswer { reason: error.to_string() };
    let error = match serde_json::from_value(answer.clone()) {
        Ok(response) => return Ok(response),
        Err(error) => error,
    };
    let Value::Object(mut parts) = answer else {
        return Err(bad(error));
    };
    parts.retain(|key, _| NEEDED.contains(&key.as_str()));
    if let Some(state) = parts.get_mut("State").and_then(Value::as_object_mut) {
        state.remove("Health");
    }
    if let Some(config) = parts.get_mut("Config").and_then(Value::as_object_mut) {
        config.remove("Healthcheck");
    }
    // A part that is odd itself is left out; what is then missing is found out by who needs it.
    let mut whole = Map::new();
    for (key, value) in parts {
        let alone = Value::Object(Map::from_iter([(key.clone(), value.clone())]));
        if serde_json::from_value::<ContainerInspectResponse>(alone).is_ok() {
            whole.insert(key, value);
        }
    }
    serde_json::from_value(Value::Object(whole)).map_err(bad)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_that_no_container_can_have_is_not_asked_for() {
        for name in ["a", "Happy_Cat.2-x", "0f"] {
            assert!(is_name(name), "{name}");
        }
        let long = "a".repeat(256);
        for name in ["", "-a", ".", "..", "a/b", "../images", "a?b", "a b", "é", "a%2f", &long] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn an_odd_part_of_an_answer_costs_only_itself() {
        let answer = json!({
            "Id": "ab",
            "State": {"Status": "running", "Running": true, "Pid": 7, "Health": {"Status": "odd"}},
            "Config": {"User": "dev", "Env": ["A=b"]},
            "HostConfig": {"RestartPolicy": {"Name": "odd"}},
            "Mounts": "odd",
        });
        let response = tolerant(answer).unwrap();
        assert_eq!(response.state.unwrap().pid, Some(7));
        assert_eq!(response.config.unwrap().user.as_deref(), Some("dev"));
        assert!(response.mounts.is_none() && response.host_config.is_none());
        assert!(tolerant(json!([1])).is_err());
    }
}
