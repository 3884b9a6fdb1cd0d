//! The settings of containers: section `[containers]`, without its dev containers.

use std::time::Duration;

use serde_json::Value;

use super::{
    super::parse::{self, write_duration},
    DAY, Kind, Setting, one, put, put_list, put_optional,
};

const SECTION: &str = "containers";
const HOUR: Duration = Duration::from_secs(60 * 60);

pub(super) static ROWS: &[Setting] = &[
    Setting::new(
        "enabled",
        Kind::Switch,
        "Serve containers and dev containers",
        |c, _, given| put(&mut c.containers.enabled, given, parse::switch),
        |c| c.containers.enabled.into(),
    )
    .in_section(SECTION)
    .or("true"),
    Setting::new(
        "no_containers",
        Kind::Switch,
        "Serve no containers, whatever `containers.enabled` of a weaker source says",
        |c, _, given| {
            c.containers.enabled = !parse::switch(one(given))?;
            Ok(())
        },
        |c| Value::from(!c.containers.enabled),
    )
    .or("false"),
    Setting::new(
        "nested",
        Kind::Switch,
        "Run inside a dev container: a private state directory, and no containers",
        |c, _, given| put(&mut c.containers.is_nested, given, parse::switch),
        |c| c.containers.is_nested.into(),
    )
    .or("false"),
    Setting::new(
        "engine",
        Kind::Text("URL"),
        "Container engine: unix:///PATH, tcp://HOST:PORT or http://HOST:PORT",
        |c, _, given| put_optional(&mut c.containers.engine, given, engine),
        |c| c.containers.engine.clone().into(),
    )
    .in_section(SECTION)
    .or_computed("DOCKER_HOST, else the first usual socket of Docker or podman"),
    Setting::new(
        "include_labels",
        Kind::Text("KEY=VALUE"),
        "Label that a container must have to count as a dev container",
        |c, _, given| put_list(&mut c.containers.include_labels, given, label),
        |c| {
            c.containers
                .include_labels
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect()
        },
    )
    .in_section(SECTION)
    .repeatable(),
    Setting::new(
        "discover_projects",
        Kind::Switch,
        "Look for dev containers in the projects of the working directory",
        |c, _, given| put(&mut c.containers.discover_projects, given, parse::switch),
        |c| c.containers.discover_projects.into(),
    )
    .in_section(SECTION)
    .or("true"),
    Setting::new(
        "discover_autostart",
        Kind::Switch,
        "Bring up those of them that ask for it",
        |c, _, given| put(&mut c.containers.discover_autostart, given, parse::switch),
        |c| c.containers.discover_autostart.into(),
    )
    .in_section(SECTION)
    .or("false"),
    Setting::new(
        "inject_agent",
        Kind::Switch,
        "Run an agent inside each running dev container",
        |c, _, given| put(&mut c.containers.inject_agent, given, parse::switch),
        |c| c.containers.inject_agent.into(),
    )
    .in_section(SECTION)
    .or("false"),
    Setting::new(
        "up_timeout",
        Kind::Duration,
        "Longest time of bringing a dev container up",
        |c, _, given| {
            put(&mut c.containers.up_timeout, given, |text| {
                let timeout = parse::duration(text, Duration::ZERO..=DAY * 365)?;
                // Zero stands for the default, as for every limit of the protocol.
                Ok(if timeout.is_zero() { HOUR } else { timeout })
            })
        },
        |c| write_duration(c.containers.up_timeout).into(),
    )
    .in_section(SECTION)
    .or("1h"),
];

/// Reads the address of an engine; what is behind it is found out when it is used.
fn engine(text: &str) -> Result<String, String> {
    let rest = ["unix://", "tcp://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let is_sound = rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_control));
    if is_sound {
        return Ok(text.to_owned());
    }
    Err("expected `unix:///PATH`, `tcp://HOST:PORT` or `http://HOST:PORT`".to_owned())
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected `KEY=VALUE`".to_owned()),
    }
}
