//! `devcontainer ls`: dev containers as a table.

use agent_sdk::{
    AgentConn,
    api::{DevContainer, ListContainersRequest},
};

use super::name;
use crate::{
    Error,
    commands::containers::{or_dash, short, table},
    output::Output,
};

const HEAD: [&str; 6] = ["NAME", "STATUS", "DIRTY", "CONTAINER", "AGENT", "FOLDER"];

pub(super) async fn run(conn: &dyn AgentConn, out: &mut Output<'_>) -> Result<(), Error> {
    let list = conn.list_containers(ListContainersRequest::default()).await?;
    if out.json {
        for dev in &list.devcontainers {
            out.json(dev).await?;
        }
        return Ok(());
    }
    table(HEAD, list.devcontainers.iter().map(row), out).await?;
    for dev in &list.devcontainers {
        if let Some(error) = &dev.error {
            out.note(format_args!("{}: {error}", name(dev)));
        }
    }
    for warning in &list.warnings {
        out.note(format_args!("warning: {warning}"));
    }
    Ok(())
}

fn row(dev: &DevContainer) -> [String; 6] {
    let container = dev.container.as_ref().map(|container| match container.name.is_empty() {
        true => short(&container.id),
        false => &container.name,
    });
    let yes = |is: bool| if is { "yes" } else { "-" }.to_owned();
    [
        or_dash(&dev.name),
        dev.status.as_str().to_owned(),
        yes(dev.dirty),
        or_dash(container.unwrap_or_default()),
        yes(dev.agent.is_some()),
        or_dash(&dev.workspace_folder),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dev_container_is_a_row() {
        let dev = |json| serde_json::from_value::<DevContainer>(json).unwrap();
        let id = "644843b5-06b1-5f62-b7eb-613019c35e4e";
        let stopped = dev(serde_json::json!({"id": id, "name": "", "workspace_folder": "/a\u{7}",
            "status": "stopped", "dirty": false}));
        assert_eq!(row(&stopped), ["-", "stopped", "-", "-", "-", "/a?"].map(str::to_owned));
        let running = dev(serde_json::json!({"id": id, "name": "web", "workspace_folder": "/w",
            "status": "running", "dirty": true,
            "agent": {"id": id, "name": "web", "directory": "/workspaces/w"},
            "container": {"id": "4f66ad9a5b2c4b0e", "name": "cat", "image": "i", "running": true,
                "status": "running", "state": "running",
                "created_at": "1970-01-01T00:00:05.000Z"}}));
        assert_eq!(row(&running), ["web", "running", "yes", "cat", "yes", "/w"].map(str::to_owned));
    }
}
