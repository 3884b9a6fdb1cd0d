//! Which agent a command talks to; how it is found is the library's matter.

use std::sync::Arc;

use agent_sdk::{AgentClient, AgentConn, Config, Environment, caller_headers};

use crate::{Error, GlobalArgs};

/// An agent and how the person called it.
#[derive(Debug)]
pub struct Connection {
    /// The agent.
    pub conn: Arc<dyn AgentConn>,
    /// The target as it was typed, else the address that was found.
    pub name: String,
    /// What works and should still be looked at, a sentence each.
    pub warnings: Vec<String>,
}

impl Connection {
    /// An agent under a name, without warnings.
    pub fn new(conn: Arc<dyn AgentConn>, name: impl Into<String>) -> Self {
        Self { conn, name: name.into(), warnings: Vec::new() }
    }
}

/// Finds the agent that the arguments mean, in the environment of this process, and prepares to
/// talk to it; nothing is sent yet. `target` is the one of the command's own arguments.
///
/// # Errors
///
/// [`Error::Usage`] for chat ids that do not fit together, [`Error::Agent`] for a target,
/// configuration or token file that cannot be used, and when no local agent runs.
pub fn connect(args: &GlobalArgs, target: Option<&str>) -> Result<Connection, Error> {
    let caller = args.caller()?;
    let target = target.or(args.target.as_deref());
    let found = Environment::from_process().resolve(target, args.token_file.as_deref())?;
    let name = target.map_or_else(|| found.target.to_string(), str::to_owned);
    let config = Config {
        request_timeout: args.timeout,
        extra_headers: caller_headers(&caller),
        ..Config::default()
    };
    let conn = Arc::new(AgentClient::connect(found.target, config)?);
    let warnings = found.warnings.iter().map(ToString::to_string).collect();
    Ok(Connection { conn, name, warnings })
}
