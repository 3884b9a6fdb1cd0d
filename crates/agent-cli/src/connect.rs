//! Which agent a command talks to; how it is found is the library's matter.

use std::{net::IpAddr, path::PathBuf, sync::Arc};

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
    /// Where relative paths begin: the directory of this process, if the agent is on its machine.
    pub directory: Option<PathBuf>,
}

impl Connection {
    /// An agent under a name, without warnings, on a machine that is not known.
    pub fn new(conn: Arc<dyn AgentConn>, name: impl Into<String>) -> Self {
        Self { conn, name: name.into(), warnings: Vec::new(), directory: None }
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
    let directory = is_local(&found.target.to_string()).then(std::env::current_dir);
    let config = Config {
        request_timeout: args.timeout,
        extra_headers: caller_headers(&caller),
        ..Config::default()
    };
    let conn = Arc::new(AgentClient::connect(found.target, config)?);
    let warnings = found.warnings.iter().map(ToString::to_string).collect();
    // A directory that was removed is none to begin in.
    let directory = directory.and_then(Result::ok);
    Ok(Connection { conn, name, warnings, directory })
}

/// Whether a target is on this machine, or claims to be.
fn is_local(target: &str) -> bool {
    let host = target.split_once("://").map_or("", |(_, authority)| authority);
    let is_loopback = |host: &str| {
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    };
    let name = match host.strip_prefix('[') {
        Some(inner) => inner.split(']').next(),
        None => host.split(':').next(),
    };
    target.starts_with("unix:") || name.is_some_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn a_target_is_local_by_its_address() {
        for (target, expected) in [
            ("unix:/run/agentd.sock", true),
            ("http://127.0.0.1:4040", true),
            ("http://127.9.9.9", true),
            ("https://[::1]:4040", true),
            ("http://localhost:1", true),
            ("http://localhost.example.com", false),
            ("http://10.0.0.7:4040", false),
            ("http://[fe80::1]:1", false),
        ] {
            assert_eq!(is_local(target), expected, "{target}");
        }
    }
}
