//! `signal` and `kill`: what ends a process, or tells it something.

use agent_sdk::{
    AgentConn,
    api::{SignalProcessRequest, SignalScope},
};
use clap::ValueEnum;

use super::{each, process_id};
use crate::{Error, output::Output};

const SIGNAL_EXAMPLES: &str = "\
SIGNAL is a name with or without SIG, in any case. It goes to the process and everything descended
from it unless --scope says otherwise.

Examples:
  agentctl signal 5f0c2a3e HUP
  agentctl signal 5f0c2a3e term --scope leader";

const KILL_EXAMPLES: &str = "\
Sends SIGKILL to the process and everything descended from it.

Examples:
  agentctl kill 5f0c2a3e
  agentctl kill --delete 5f0c2a3e aaaaaaaa";

/// Where a signal goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    /// The process and everything descended from it.
    #[default]
    Tree,
    /// Its process group.
    Group,
    /// The process alone.
    Leader,
}

impl From<Scope> for SignalScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Tree => Self::Tree,
            Scope::Group => Self::Group,
            Scope::Leader => Self::Leader,
        }
    }
}

/// Arguments of `signal`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = SIGNAL_EXAMPLES)]
pub struct SignalArgs {
    /// Process: its id, or a beginning that no other id has
    #[arg(value_parser = process_id::check)]
    id: String,
    /// Signal
    signal: String,
    /// Who gets it: tree, group, leader
    #[arg(long, value_name = "SCOPE", value_enum, default_value_t, hide_possible_values = true)]
    scope: Scope,
}

/// Arguments of `kill`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = KILL_EXAMPLES)]
pub struct KillArgs {
    /// Processes: their ids, or beginnings that no other id has
    #[arg(required = true, value_name = "ID", value_parser = process_id::check)]
    ids: Vec<String>,
    /// Forget them too, with all they printed
    #[arg(long)]
    delete: bool,
}

pub(crate) async fn signal(
    args: &SignalArgs,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let id = process_id::find(conn, &args.id).await?;
    let request = SignalProcessRequest { signal: args.signal.clone(), scope: args.scope.into() };
    let response = conn.signal_process(id, request).await?;
    out.done(&response, &response.message).await
}

pub(crate) async fn kill(
    args: &KillArgs,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    each(&args.ids, out, async |text, out| {
        let id = process_id::find(conn, text).await?;
        if args.delete {
            let response = conn.delete_process(id).await?;
            return out.done(&response, format_args!("deleted {id}")).await;
        }
        let request =
            SignalProcessRequest { signal: "SIGKILL".to_owned(), scope: SignalScope::Tree };
        let response = conn.signal_process(id, request).await?;
        out.done(&response, format_args!("killed {id}")).await
    })
    .await
}
