//! `ports`: what listens in the workspace.

use agent_sdk::{AgentConn, api::ListeningPort};

use crate::{Error, format::without_controls, output::Output, palette::Part};

const EXAMPLES: &str = "\
TCP ports that programs of the workspace listen on, without those of the agent. ID is that of
`agentctl ps`, where the agent started the program. With --json there is the agent's response.

Examples:
  agentctl ports
  agentctl ports --json | jq -r '.ports[] | select(.process_name == \"node\") | .port'";

const HEAD: [&str; 5] = ["PORT", "ADDRESS", "PID", "PROCESS", "ID"];

/// Arguments of `ports`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct PortsArgs {}

pub(crate) async fn run(conn: &dyn AgentConn, out: &mut Output<'_>) -> Result<(), Error> {
    let list = conn.list_listening_ports().await?;
    if out.json {
        return out.json(&list).await;
    }
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(list.ports.iter().map(row));
    let mut lines = super::columns_of(&rows).into_iter();
    if let Some(head) = lines.next() {
        out.line(out.paint(Part::Heading, head)).await?;
    }
    for line in lines {
        out.line(line).await?;
    }
    Ok(())
}

fn row(port: &ListeningPort) -> [String; 5] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let name = without_controls(&port.process_name).into_owned();
    [
        port.port.to_string(),
        port.address.to_string(),
        or_dash(port.pid.map(|pid| pid.to_string())),
        or_dash(Some(name).filter(|name| !name.is_empty())),
        or_dash(port.process_id.map(|id| id.to_string())),
    ]
}
