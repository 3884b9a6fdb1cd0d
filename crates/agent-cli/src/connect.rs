//! Which agent a command talks to; how it is found is the library's matter.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use agent_sdk::{AgentClient, AgentConn, Config, Environment, caller_headers};

use crate::{Error, GlobalArgs, commands::devcontainer};

/// The name of this program where its file is not known.
const PROGRAM: &str = "agentctl";

/// How another run of this program finds the same agent. It holds no secret.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The file of this program, or its name.
    pub program: PathBuf,
    /// Variables that must be set for it, an empty value standing for none.
    pub variables: Vec<(&'static str, PathBuf)>,
    /// The target; `None` is the local agent.
    pub target: Option<String>,
    /// The file with the token, where one was named; absolute.
    pub token_file: Option<PathBuf>,
    /// The dev container, where the agent inside one is meant.
    pub dev_container: Option<String>,
}

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
    /// What finds it again.
    pub invocation: Invocation,
}

impl Connection {
    /// An agent under a name, without warnings, on a machine that is not known.
    pub fn new(conn: Arc<dyn AgentConn>, name: impl Into<String>) -> Self {
        let name = name.into();
        let invocation = Invocation {
            program: PathBuf::from(PROGRAM),
            variables: Vec::new(),
            target: Some(name.clone()),
            token_file: None,
            dev_container: None,
        };
        Self { conn, name, warnings: Vec::new(), directory: None, invocation }
    }

    /// The agent inside a dev container of this one.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when it is not known which is meant, [`Error::Agent`] when there is no agent
    /// in it, or none that answers.
    pub(crate) async fn inside(&self, name: &str) -> Result<Self, Error> {
        let found = devcontainer::find(&*self.conn, name).await?;
        let conn = self.conn.connect_dev_container(found.id).await?;
        let invocation =
            Invocation { dev_container: Some(name.to_owned()), ..self.invocation.clone() };
        let name = format!("{name} of {}", self.name);
        // Its directories are not those of this machine.
        Ok(Self { conn, name, warnings: Vec::new(), directory: None, invocation })
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
    let environment = Environment::from_process();
    let found = environment.resolve(target, args.token_file.as_deref())?;
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
    let token_file = args.token_file.clone().or_else(|| environment.token_file.clone());
    let invocation = Invocation::in_environment(&environment, target, token_file);
    Ok(Connection { conn, name, warnings, directory, invocation })
}

impl Invocation {
    /// What means the same agent wherever and from whichever directory it is run.
    fn in_environment(
        environment: &Environment,
        target: Option<&str>,
        token_file: Option<PathBuf>,
    ) -> Self {
        let target = target.or(environment.target.as_deref());
        let mut variables = Vec::new();
        let mut keep = |name, path: &Option<PathBuf>| {
            variables.extend(path.as_ref().map(|path| (name, absolute(path))));
        };
        match target {
            // An address needs nothing else.
            Some(target) if target.contains(':') => {}
            Some(_) => {
                keep("AGENTCTL_CONFIG", &environment.config_file);
                keep("XDG_CONFIG_HOME", &environment.config_home);
            }
            None => {
                keep("AGENTCTL_TARGET", &Some(PathBuf::new()));
                keep("XDG_STATE_HOME", &environment.state_home);
            }
        }
        Self {
            program: std::env::current_exe().unwrap_or_else(|_| PathBuf::from(PROGRAM)),
            variables,
            target: target.map(str::to_owned),
            token_file: token_file.as_deref().map(absolute),
            dev_container: None,
        }
    }
}

/// The same path from anywhere; an empty one stays as it is.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
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
    use super::*;

    #[test]
    fn an_agent_is_found_again_from_anywhere() {
        let environment = Environment {
            target: Some("work".to_owned()),
            config_file: Some("/etc/agents.toml".into()),
            state_home: Some("/state".into()),
            ..Environment::default()
        };
        let check =
            |environment: &Environment, target, expected: (Option<&str>, &[(&str, &str)])| {
                let found = Invocation::in_environment(environment, target, Some("token".into()));
                assert_eq!(found.target.as_deref(), expected.0);
                let variables = expected.1.iter().map(|(name, path)| (*name, PathBuf::from(path)));
                assert_eq!(found.variables, variables.collect::<Vec<_>>());
                assert!(found.token_file.unwrap().is_absolute() && found.program.is_absolute());
            };
        let named = [("AGENTCTL_CONFIG", "/etc/agents.toml")];
        check(&environment, None, (Some("work"), &named));
        check(&environment, Some("unix:/s"), (Some("unix:/s"), &[]));
        let local = [("AGENTCTL_TARGET", ""), ("XDG_STATE_HOME", "/state")];
        check(&Environment { target: None, ..environment.clone() }, None, (None, &local));
    }

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
