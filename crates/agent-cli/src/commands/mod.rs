//! The commands, one file for each or for a few that belong together: what can be typed, which
//! operation is called, what is printed.

pub(crate) mod agent;
pub(crate) mod cat;
pub(crate) mod completions;
pub(crate) mod containers;
pub(crate) mod devcontainer;
pub(crate) mod edit;
pub(crate) mod exec;
mod feed;
pub(crate) mod find;
pub(crate) mod git;
pub(crate) mod grep;
mod grep_lines;
pub(crate) mod input;
pub(crate) mod logs;
pub(crate) mod ls;
pub(crate) mod ping;
mod ping_summary;
pub(crate) mod port_forward;
pub(crate) mod ports;
mod process_id;
pub(crate) mod ps;
mod ps_table;
pub(crate) mod read;
pub(crate) mod resolve;
pub(crate) mod signal;
pub(crate) mod ssh;
pub(crate) mod ssh_config;
pub(crate) mod stat;
mod stream_lines;
pub(crate) mod terminal;
pub(crate) mod tree;
pub(crate) mod write;

use std::time::Duration;

use tokio::time::timeout;

use crate::{Connection, Error, GlobalArgs, args::AgentCommand, columns, copy, output::Output};

/// Runs one command.
pub(crate) async fn run(
    command: &AgentCommand,
    global: &GlobalArgs,
    connection: &Connection,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let conn = &*connection.conn;
    match command {
        AgentCommand::Ls(args) => ls::run(args, conn, out).await,
        AgentCommand::Cat(args) => cat::run(args, conn, out).await,
        AgentCommand::Read(args) => read::run(args, conn, out).await,
        AgentCommand::Write(args) => write::run(args, conn, out).await,
        AgentCommand::Edit(args) => edit::run(args, conn, out).await,
        AgentCommand::Cp(args) => copy::run(args, conn, out).await,
        AgentCommand::Stat(args) => stat::run(args, conn, out).await,
        AgentCommand::Mkdir(args) => tree::mkdir(args, conn, out).await,
        AgentCommand::Mv(args) => tree::mv(args, conn, out).await,
        AgentCommand::Rm(args) => tree::rm(args, conn, out).await,
        AgentCommand::Grep(args) => grep::run(args, conn, out).await,
        AgentCommand::Find(args) => find::run(args, conn, out).await,
        AgentCommand::Resolve(args) => resolve::run(args, conn, out).await,
        AgentCommand::Git(args) => git::run(args, global, connection, out).await,
        AgentCommand::Exec(args) => exec::run(args, conn, out).await,
        AgentCommand::Ps(args) => ps::run(args, conn, out).await,
        AgentCommand::Input(args) => input::run(args, conn, out).await,
        AgentCommand::Signal(args) => signal::signal(args, conn, out).await,
        AgentCommand::Kill(args) => signal::kill(args, conn, out).await,
        AgentCommand::Terminal(args) => terminal::run(args, conn, out).await,
        AgentCommand::Containers(args) => containers::run(args, conn, out).await,
        AgentCommand::Devcontainer(args) => devcontainer::run(args, connection, out).await,
        AgentCommand::Ports(_) => ports::run(conn, out).await,
        AgentCommand::PortForward(args) => port_forward::run(args, connection, out).await,
        AgentCommand::Ssh(args) => ssh::run(args, connection, out).await,
        AgentCommand::SshConfig(args) => ssh_config::run(args, connection, out).await,
        AgentCommand::Health(_) => agent::health(conn, out).await,
        AgentCommand::Lifecycle(_) => agent::lifecycle(conn, out).await,
        AgentCommand::Logs(args) => logs::run(args, conn, out).await,
        AgentCommand::Config(_) => agent::config(conn, out).await,
        AgentCommand::Metrics(_) => agent::metrics(conn, out).await,
        AgentCommand::Ping(args) => ping::run(args, conn, &connection.name, out).await,
    }
}

/// The rows of a table as lines: two blanks between columns, the last of which is as wide as it is.
fn columns_of<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| columns::width(&row[column])).max();
    let widths: Vec<usize> = (0..N - 1).filter_map(width).collect();
    let line = |row: &[String; N]| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let blanks = width - columns::width(cell) + 2;
            line.push_str(&format!("{cell}{:blanks$}", ""));
        }
        line + &row[N - 1]
    };
    rows.iter().map(line).collect()
}

/// Gives up on an agent that does not answer: it may be stopped, or nothing but its socket is left.
///
/// # Errors
///
/// [`agent_sdk::Error::Timeout`] when the work takes longer than the limit.
async fn within<T>(
    limit: Duration,
    operation: &'static str,
    work: impl Future<Output = Result<T, agent_sdk::Error>>,
) -> Result<T, agent_sdk::Error> {
    let timed_out = Err(agent_sdk::Error::Timeout { operation, after: limit });
    timeout(limit, work).await.unwrap_or(timed_out)
}

/// Does the same with each of several things: one that fails is reported and the others go on.
///
/// # Errors
///
/// With one thing its own error, with several [`Error::Reported`]. An interrupt, a closed stdout or
/// bad usage ends everything at once.
async fn each<'t>(
    things: &'t [String],
    out: &mut Output<'_>,
    mut act: impl AsyncFnMut(&'t str, &mut Output<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut result = Ok(());
    for thing in things {
        match act(thing, out).await {
            Ok(()) => {}
            Err(error) if things.len() == 1 || is_final(&error) => return Err(error),
            Err(error) => {
                if let Some(text) = error.report() {
                    out.problem(text);
                }
                result = Err(Error::Reported);
            }
        }
    }
    result
}

/// Tells whether going on with other things would be pointless or wrong.
pub(crate) fn is_final(error: &Error) -> bool {
    match error {
        Error::Usage(_) | Error::Stdout(_) | Error::Interrupted => true,
        Error::Agent(error) => ends_the_conversation(error),
        Error::Local { source, .. } => source.kind() == std::io::ErrorKind::StorageFull,
        _ => false,
    }
}

/// Tells whether the agent will not answer the next request either.
fn ends_the_conversation(error: &agent_sdk::Error) -> bool {
    use agent_sdk::{Error as Sdk, api::ErrorCode};
    match error {
        Sdk::Connect { .. } | Sdk::Timeout { .. } => true,
        Sdk::Api { code, .. } => {
            matches!(code, ErrorCode::Unauthenticated | ErrorCode::Unavailable)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use agent_sdk::{AgentClient, Config};
    use tokio::net::UnixListener;

    /// An agent that takes connections and never answers, as long as the other two values live.
    pub(super) fn silent_agent() -> (AgentClient, UnixListener, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let target = format!("unix:{}", path.display()).parse().unwrap();
        (AgentClient::connect(target, Config::default()).unwrap(), listener, dir)
    }
}
