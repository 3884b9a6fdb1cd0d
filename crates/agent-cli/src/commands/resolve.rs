//! `resolve`: a path without symbolic links.

use agent_sdk::{AgentConn, api::ResolvePathRequest};

use crate::{Error, output::Output};

const EXAMPLES: &str = "\
The end of the path need not exist.

Examples:
  agentctl resolve /srv/app/current
  agentctl resolve /srv/app/current/new-file";

/// Arguments of `resolve`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ResolveArgs {
    /// Path
    path: String,
}

pub(crate) async fn run(
    args: &ResolveArgs,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let response = conn.resolve_path(ResolvePathRequest { path: args.path.clone() }).await?;
    if out.json {
        return out.json(&response).await;
    }
    let path = out.name(&response.resolved_path).into_owned();
    out.line(path).await
}
