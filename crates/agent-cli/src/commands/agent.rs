//! `health`, `lifecycle`, `config`, `metrics`: what the agent says about itself.

use agent_sdk::{
    AgentConn,
    api::{Health, Lifecycle},
};
use serde::Serialize;

use crate::{Error, format::human_time, output::Output, palette::Part};

const HEALTH_EXAMPLES: &str = "\
Needs no token. Fails while the agent is stopping, and when there is none.

Examples:
  agentctl health
  agentctl health --quiet && echo serving";

const LIFECYCLE_EXAMPLES: &str = "\
Examples:
  agentctl lifecycle
  agentctl status --json | jq -r .state";

const CONFIG_EXAMPLES: &str = "\
Examples:
  agentctl config | jq .";

const METRICS_EXAMPLES: &str = "\
Examples:
  agentctl metrics | grep agent_http_requests_total";

/// Arguments of `health`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = HEALTH_EXAMPLES)]
pub struct HealthArgs {}

/// Arguments of `lifecycle`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = LIFECYCLE_EXAMPLES)]
pub struct LifecycleArgs {}

/// Arguments of `config`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = CONFIG_EXAMPLES)]
pub struct ConfigArgs {}

/// Arguments of `metrics`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = METRICS_EXAMPLES)]
pub struct MetricsArgs {}

pub(crate) async fn health(conn: &dyn AgentConn, out: &mut Output<'_>) -> Result<(), Error> {
    if !conn.check_health().await? {
        let message = "the agent is shutting down".to_owned();
        return Err(Error::Refused { operation: "check_health", message });
    }
    let status = "ok".to_owned();
    out.done(&Health { status }, "ok").await
}

pub(crate) async fn lifecycle(conn: &dyn AgentConn, out: &mut Output<'_>) -> Result<(), Error> {
    let lifecycle = conn.get_lifecycle().await?;
    if out.json { out.json(&lifecycle).await } else { print(&lifecycle, out).await }
}

async fn print(lifecycle: &Lifecycle, out: &mut Output<'_>) -> Result<(), Error> {
    let state = out.paint(Part::Heading, word(&lifecycle.state));
    out.line(format_args!("state    {state}")).await?;
    for change in &lifecycle.history {
        let line = format!("{}  {}", human_time(change.at), word(&change.state));
        out.line(format_args!("history  {line}")).await?;
    }
    for run in &lifecycle.scripts {
        let code = run.exit_code.map(|code| format!(", exit code {code}")).unwrap_or_default();
        let (stage, status) = (word(&run.stage), word(&run.status));
        let name = out.name(&run.name).into_owned();
        let line = format!("{}  {name} ({stage}): {status}{code}", human_time(run.started_at));
        out.line(format_args!("script   {line}")).await?;
    }
    Ok(())
}

/// A value of a string enum as the wire has it, with spaces.
fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word.replace('_', " "),
        _ => "unknown".to_owned(),
    }
}

pub(crate) async fn config(conn: &dyn AgentConn, out: &mut Output<'_>) -> Result<(), Error> {
    out.text(&conn.get_debug_config().await?).await
}

pub(crate) async fn metrics(conn: &dyn AgentConn, out: &mut Output<'_>) -> Result<(), Error> {
    out.text(&conn.get_metrics().await?).await
}

#[cfg(test)]
mod tests {
    use agent_sdk::api::{LifecycleState, ScriptStatus};

    use super::*;

    #[test]
    fn states_are_words() {
        assert_eq!(word(&LifecycleState::StartError), "start error");
        assert_eq!(word(&ScriptStatus::Ok), "ok");
    }
}
