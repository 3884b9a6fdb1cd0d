//! What an engine says of a container, in the protocol's words.
//!
//! The answers are read key by key: an engine that words one thing in its own way, or a container
//! that is odd in one way, costs that thing and not the listing.

use std::collections::{BTreeMap, BTreeSet};

use agent_api::{Container, ContainerPort, Timestamp};
use serde_json::Value;

use super::ports::{host_ip, published, short, without_twins};

/// A container and what was not understood of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Seen {
    pub(super) container: Container,
    pub(super) warnings: Vec<String>,
}

/// The full id in a summary or an answer of inspect.
pub(super) fn id_of(value: &Value) -> Option<&str> {
    let id = value["Id"].as_str()?;
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then_some(id)
}

/// Reads an answer of inspect; `summary` is what the list says of the same container and counts
/// where the answer says nothing.
pub(super) fn of_inspect(inspect: &Value, summary: &Value) -> Seen {
    let base = of_summary(summary).container;
    let mut warnings = Vec::new();
    let state = &inspect["State"];
    let running = state["Running"].as_bool().unwrap_or(base.running);
    let config = &inspect["Config"];
    let ports = match &inspect["NetworkSettings"]["Ports"] {
        Value::Null if inspect["NetworkSettings"].is_null() => base.ports,
        ports => published(ports, &mut warnings),
    };
    let id = id_of(inspect).unwrap_or(&base.id).to_owned();
    for warning in &mut warnings {
        *warning = format!("container {}: {warning}", short(&id));
    }
    let container = Container {
        created_at: time(&inspect["Created"]).unwrap_or(base.created_at),
        name: inspect["Name"].as_str().map_or(base.name, without_slash),
        image: text(&config["Image"]).unwrap_or(base.image),
        labels: if config["Labels"].is_object() { labels(&config["Labels"]) } else { base.labels },
        running,
        ports,
        status: if state.is_object() { status(running, state) } else { base.status },
        state: state["Status"].as_str().map_or(base.state, word),
        volumes: match inspect["Mounts"].is_array() {
            true => volumes(&inspect["Mounts"]),
            false => base.volumes,
        },
        id,
    };
    Seen { container, warnings }
}

/// Reads what the list says of a container, for one that inspect says nothing of.
pub(super) fn of_summary(summary: &Value) -> Seen {
    let state = summary["State"].as_str().map(word).unwrap_or_default();
    let running = matches!(state.as_str(), "running" | "paused" | "restarting");
    let container = Container {
        created_at: time(&summary["Created"]).unwrap_or_default(),
        id: id_of(summary).unwrap_or_default().to_owned(),
        name: summary["Names"][0].as_str().map(without_slash).unwrap_or_default(),
        image: text(&summary["Image"]).unwrap_or_default(),
        labels: labels(&summary["Labels"]),
        running,
        ports: summary_ports(&summary["Ports"]),
        status: exit(running, exit_code(&summary["Status"]), ""),
        state,
        volumes: volumes(&summary["Mounts"]),
    };
    Seen { container, warnings: Vec::new() }
}

/// What of a summary tells that the container is to be looked at again: everything but how long
/// it has been so.
pub(super) fn essence(summary: &Value) -> Value {
    let mut essence = serde_json::Map::new();
    for key in ["Names", "Image", "Created", "Labels", "State", "Ports", "Mounts"] {
        let mut value = summary[key].clone();
        // Engines keep these in maps, whose order is another each time.
        if let Some(items) = value.as_array_mut() {
            items.sort_by_cached_key(Value::to_string);
        }
        essence.insert(key.to_owned(), value);
    }
    let words = summary["Status"].as_str().and_then(|status| status.split(' ').next());
    essence.insert("Status".to_owned(), Value::from(words.unwrap_or_default()));
    essence.insert("Code".to_owned(), Value::from(exit_code(&summary["Status"])));
    Value::Object(essence)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// The engine's word for a state; podman has words of its own for what others call otherwise.
fn word(state: &str) -> String {
    match state.to_ascii_lowercase().as_str() {
        "configured" | "initialized" => "created".to_owned(),
        "stopped" => "exited".to_owned(),
        state => state.to_owned(),
    }
}

fn without_slash(name: &str) -> String {
    name.strip_prefix('/').unwrap_or(name).to_owned()
}

/// A moment as RFC 3339 text, or in seconds since the epoch.
fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => text.parse().ok(),
        _ => value.as_i64().and_then(|s| s.checked_mul(1000)).map(Timestamp::from_unix_ms),
    }
}

fn labels(value: &Value) -> BTreeMap<String, String> {
    let labels = value.as_object().into_iter().flatten();
    labels.filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect()
}

/// Host sources and where they are inside; of several with one source the last.
fn volumes(mounts: &Value) -> BTreeMap<String, String> {
    let mounts = mounts.as_array().into_iter().flatten();
    mounts
        .filter_map(|mount| Some((text(&mount["Source"])?, text(&mount["Destination"])?)))
        .filter(|(source, _)| !source.is_empty())
        .collect()
}

/// The ports of a summary, which tells those that are only exposed, too.
fn summary_ports(ports: &Value) -> Vec<ContainerPort> {
    let number = |value: &Value| value.as_u64().and_then(|n| u16::try_from(n).ok());
    let ports = ports.as_array().into_iter().flatten();
    let published = ports.filter_map(|port| {
        Some(ContainerPort {
            port: number(&port["PrivatePort"]).filter(|port| *port != 0)?,
            network: text(&port["Type"]).unwrap_or_else(|| "tcp".to_owned()),
            host_ip: host_ip(&port["IP"]),
            host_port: number(&port["PublicPort"]).filter(|port| *port != 0)?,
        })
    });
    without_twins(published.collect::<BTreeSet<_>>())
}

fn status(running: bool, state: &Value) -> String {
    let code = state["ExitCode"].as_i64().unwrap_or_default();
    exit(running, code, state["Error"].as_str().unwrap_or_default())
}

fn exit(running: bool, code: i64, error: &str) -> String {
    let mut text = match (running, code) {
        (true, _) => return "running".to_owned(),
        (false, 0) => "exited successfully".to_owned(),
        (false, code) => format!("exited with code {code}"),
    };
    if !error.is_empty() {
        text.push_str(": ");
        text.push_str(error);
    }
    text
}

/// The code in a summary's words, such as `Exited (3) 2 minutes ago`.
fn exit_code(status: &Value) -> i64 {
    let inside = status.as_str().and_then(|text| text.split_once(" (")?.1.split_once(')'));
    inside.and_then(|(code, _)| code.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
#[path = "convert/tests.rs"]
mod tests;
