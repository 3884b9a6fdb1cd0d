//! `containers`: containers as a table, once or watched; and which one `--container` means.

use std::{collections::BTreeMap, time::SystemTime};

use agent_sdk::{
    AgentConn, Reconnect,
    api::{Container, ContainerPort, ListContainersRequest, ListContainersResponse},
    find_dev_container, follow_containers,
};
use futures_util::StreamExt as _;

use super::{columns_of, devcontainer, ps_table::age};
use crate::{Error, columns::cut, format::without_controls, output::Output, palette::Part};

const EXAMPLES: &str = "\
All containers of the machine, the newest first; with labels only those that have them all. With
--watch each change is a line, and a lost connection is made anew. With --json there is the agent's
response, which has the dev containers, too; with --watch one a line.

Examples:
  agentctl containers
  agentctl containers ls --label devcontainer.local_folder --label tier=web
  agentctl containers --watch
  agentctl containers --json | jq -r '.containers[] | select(.running) | .name'";

const HEAD: [&str; 6] = ["ID", "NAME", "IMAGE", "STATUS", "PORTS", "AGE"];

/// Digits of an id that are shown, as engines do.
const DIGITS: usize = 12;

/// Arguments of `containers`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ContainersArgs {
    /// What is done anyway.
    #[arg(value_name = "ls", value_parser = ["ls"], hide = true)]
    _list: Option<String>,
    /// Only containers with this label, or this label and value; may be repeated
    #[arg(long, short, value_name = "KEY[=VALUE]", value_parser = label)]
    label: Vec<String>,
    /// Go on with every change
    #[arg(long, short)]
    watch: bool,
}

fn label(text: &str) -> Result<String, String> {
    match text.split('=').next() {
        None | Some("") => Err("expected KEY or KEY=VALUE".to_owned()),
        Some(_) => Ok(text.to_owned()),
    }
}

pub(crate) async fn run(
    args: &ContainersArgs,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let request = ListContainersRequest { label: args.label.clone() };
    if args.watch {
        return watch(request, conn, out).await;
    }
    let list = conn.list_containers(request).await?;
    if out.json { out.json(&list).await } else { print(&list, out).await }
}

async fn watch(
    request: ListContainersRequest,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let mut lists = follow_containers(conn, request, Reconnect::default());
    let mut last: Option<ListContainersResponse> = None;
    while let Some(list) = lists.next().await.transpose()? {
        match &last {
            _ if out.json => out.json(&list).await?,
            None => print(&list, out).await?,
            Some(last) => {
                for line in changes(last, &list) {
                    let line = out.name(&line).into_owned();
                    out.line(line).await?;
                }
                for warning in list.warnings.iter().filter(|it| !last.warnings.contains(it)) {
                    out.note(format_args!("warning: {warning}"));
                }
            }
        }
        out.flush().await?;
        last = Some(list);
    }
    Ok(())
}

async fn print(list: &ListContainersResponse, out: &mut Output<'_>) -> Result<(), Error> {
    let now = SystemTime::now();
    let rows = list.containers.iter().map(|container| row(container, now));
    table(HEAD, rows, out).await?;
    for warning in &list.warnings {
        out.note(format_args!("warning: {warning}"));
    }
    Ok(())
}

/// Prints rows under their heads, each no wider than the screen.
pub(super) async fn table<const N: usize>(
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let mut all = vec![head.map(str::to_owned)];
    all.extend(rows);
    let width = out.io.screen.as_ref().map(|screen| usize::from(screen.size().cols));
    let mut lines = columns_of(&all).into_iter();
    if let Some(head) = lines.next() {
        out.line(out.paint(Part::Heading, cut(&head, width))).await?;
    }
    for line in lines {
        out.line(cut(&line, width)).await?;
    }
    Ok(())
}

fn row(container: &Container, now: SystemTime) -> [String; 6] {
    let ports: Vec<_> = container.ports.iter().map(port).collect();
    [
        short(&container.id).to_owned(),
        or_dash(&container.name),
        or_dash(&container.image),
        status(container),
        or_dash(&ports.join(", ")),
        age(container.created_at.as_unix_ms() / 1000, now),
    ]
}

/// `running`, `exited …`, or the engine's word where that says more, such as `paused`.
fn status(container: &Container) -> String {
    let Container { status, state, running, .. } = container;
    let is_more = (*running && state != "running") || (!running && state != "exited");
    or_dash(if is_more { state } else { status })
}

fn port(port: &ContainerPort) -> String {
    let host = match port.host_ip.contains(':') {
        true => format!("[{}]", port.host_ip),
        false => port.host_ip.clone(),
    };
    format!("{host}:{}->{}/{}", port.host_port, port.port, port.network)
}

pub(super) fn short(id: &str) -> &str {
    id.get(..DIGITS).unwrap_or(id)
}

pub(super) fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { without_controls(text).into_owned() }
}

/// What is different in a later list, a line for each container and each dev container.
fn changes(before: &ListContainersResponse, after: &ListContainersResponse) -> Vec<String> {
    let (before, after) = (lines(before), lines(after));
    let gone = before.iter().filter(|(key, _)| !after.contains_key(*key));
    let gone = gone.map(|(_, (what, _))| format!("{what}: removed"));
    let new = after.iter().filter(|(key, line)| before.get(*key) != Some(*line));
    gone.chain(new.map(|(_, (what, state))| format!("{what}: {state}"))).collect()
}

/// What is shown of each, under a key that nothing else has.
fn lines(list: &ListContainersResponse) -> BTreeMap<String, (String, String)> {
    let containers = list.containers.iter().map(|it| {
        let what = format!("container {} {}", short(&it.id), it.name);
        (format!("container {}", it.id), (what, status(it)))
    });
    let dev_containers = list.devcontainers.iter().map(|it| {
        let what = format!("dev container {}", devcontainer::name(it));
        (format!("dev container {}", it.id), (what, devcontainer::state(it)))
    });
    containers.chain(dev_containers).collect()
}

/// Finds the running container that a person means: by id, name, unique beginning of an id, or the
/// name of a dev container.
///
/// # Errors
///
/// [`Error::Refused`] when none or several are meant, with the names of those that run.
pub(super) async fn resolve(
    operation: &'static str,
    conn: &dyn AgentConn,
    name: &str,
) -> Result<Container, Error> {
    let list = conn.list_containers(ListContainersRequest::default()).await?;
    let running = || list.containers.iter().filter(|container| container.running);
    let exact = running().find(|it| it.id == name || it.name == name);
    let mut alike = running().filter(|it| !name.is_empty() && it.id.starts_with(name));
    let found = exact.or_else(|| match (alike.next(), alike.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    });
    let of_dev = || find_dev_container(&list.devcontainers, name).ok()?.container.as_ref();
    if let Some(container) = found.or_else(|| of_dev().filter(|container| container.running)) {
        return Ok(container.clone());
    }
    let names: Vec<_> = running().map(|container| container.name.as_str()).collect();
    let message = match names[..] {
        [] => format!("no container `{name}` runs, and no other either"),
        _ => format!("no container `{name}` runs; running are {}", names.join(", ")),
    };
    Err(Error::Refused { operation, message })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn container(json: serde_json::Value) -> Container {
        let mut whole = serde_json::json!({
            "id": "4f66ad9a5b2c4b0e", "name": "cat", "image": "i", "running": true,
            "status": "running", "state": "running", "created_at": "1970-01-01T00:00:05.000Z",
        });
        whole.as_object_mut().unwrap().append(&mut json.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn a_container_is_a_row() {
        let ports = serde_json::json!([
            {"port": 8080, "network": "tcp", "host_ip": "0.0.0.0", "host_port": 80},
            {"port": 53, "network": "udp", "host_ip": "::1", "host_port": 53},
        ]);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(125);
        let check = |json, expected| assert_eq!(row(&container(json), now), expected);
        check(
            serde_json::json!({ "ports": ports }),
            [
                "4f66ad9a5b2c",
                "cat",
                "i",
                "running",
                "0.0.0.0:80->8080/tcp, [::1]:53->53/udp",
                "2m 0s",
            ]
            .map(str::to_owned),
        );
        let exited = serde_json::json!({"running": false, "state": "exited", "name": "a\nb",
            "status": "exited with code 3"});
        check(
            exited,
            ["4f66ad9a5b2c", "a?b", "i", "exited with code 3", "-", "2m 0s"].map(str::to_owned),
        );
    }

    #[test]
    fn the_engines_word_is_shown_where_it_says_more() {
        for (running, state, status, expected) in [
            (true, "running", "running", "running"),
            (true, "paused", "running", "paused"),
            (false, "exited", "exited successfully", "exited successfully"),
            (false, "created", "exited successfully", "created"),
        ] {
            let json = serde_json::json!({"running": running, "state": state, "status": status});
            assert_eq!(super::status(&container(json)), expected);
        }
    }

    #[test]
    fn changes_are_lines() {
        let list = |containers: &[(&str, &str)]| ListContainersResponse {
            containers: containers
                .iter()
                .map(|(id, state)| container(serde_json::json!({"id": id, "state": state})))
                .collect(),
            ..Default::default()
        };
        let before = list(&[("aa", "running"), ("bb", "running"), ("cc", "running")]);
        let after = list(&[("bb", "paused"), ("cc", "running"), ("dd", "running")]);
        assert_eq!(
            changes(&before, &after),
            ["container aa cat: removed", "container bb cat: paused", "container dd cat: running"]
        );
        assert!(changes(&after, &after).is_empty());
    }
}
