//! The environment of a session, layer over layer; a later one wins, and no name occurs twice.
//!
//! ```text
//!  1 agentd's own, without what is private to it
//!  2 client        what it sends
//!  3 account       USER, LOGNAME, SHELL, HOME
//!  4 agent         WORKSPACE_*
//!  5 [env]
//!  6 [[secrets]]
//!  7 [env_override]
//!  8 search path   STATE_DIR/bin in front of PATH
//! ```
//!
//! Layer 9 is the connection's, and whoever has one lays it.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use agent_exec::{Account, Environment};

use super::expand::expand;
use crate::{Config, Variables};

/// The layers of one agent.
#[derive(Clone)]
pub(crate) struct Layers {
    inherited: Environment,
    user: Option<String>,
    shell: PathBuf,
    home: PathBuf,
    /// Layer 4.
    agent: Environment,
    /// Layers 4 to 7.
    configured: Environment,
    bin_dir: PathBuf,
}

/// What agentd keeps for itself: variables that describe its own terminal or connection.
const PRIVATE: [&str; 5] =
    ["TERM", "SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "SSH_ORIGINAL_COMMAND"];
/// What it keeps for itself because a token, or the way to one, may be in it.
const PRIVATE_PREFIXES: [&str; 2] = ["AGENTD_", "AGENTCTL_"];
/// Search path where neither the environment nor the configuration has one.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Shell of an account that names none.
const DEFAULT_SHELL: &str = "/bin/sh";

impl Layers {
    /// The layers of a configuration, and of the variables that its secrets give.
    pub(crate) fn new(config: &Config, secrets: &[(String, OsString)], bin_dir: &Path) -> Self {
        let own = &config.inherited.0;
        let inherited = own
            .iter()
            .filter(|(name, _)| !is_secret(name) && !PRIVATE.iter().any(|private| name == private));
        let agent = agent(config);
        let mut configured = agent.clone();
        lay(&mut configured, &config.env, own);
        configured.extend(secrets.iter().map(|(name, value)| (name, value)));
        lay(&mut configured, &config.env_override, own);
        Self {
            inherited: inherited.collect(),
            user: config.user.clone(),
            shell: config.shell.clone(),
            home: config.home.clone(),
            agent,
            configured,
            bin_dir: bin_dir.to_owned(),
        }
    }

    /// The environment of a session of an account, or of agentd's own.
    pub(crate) fn session(&self, account: Option<&Account>) -> Environment {
        self.session_of(&[], account)
    }

    /// Layer 4 alone, for commands that this machine's other layers do not concern.
    pub(crate) fn agent_variables(&self) -> Vec<(OsString, OsString)> {
        let owned = |(name, value): (&OsStr, &OsStr)| (name.to_owned(), value.to_owned());
        self.agent.iter().map(owned).collect()
    }

    /// The same with layer 2: variables of a client, of which the last of a name counts.
    pub(crate) fn session_of(
        &self,
        client: &[(OsString, OsString)],
        account: Option<&Account>,
    ) -> Environment {
        let mut env = self.inherited.clone();
        env.extend(client.iter().cloned());
        self.lay_account(&mut env, account);
        env.extend(self.configured.clone());
        self.lay_path(&mut env);
        env
    }

    fn lay_account(&self, env: &mut Environment, account: Option<&Account>) {
        let name = account.map(|account| &account.name).or(self.user.as_ref());
        if let Some(name) = name {
            env.set("USER", name);
            env.set("LOGNAME", name);
        }
        match account {
            Some(account) => env.set("HOME", &account.home),
            None if env.get("HOME").is_none() => env.set("HOME", &self.home),
            None => {}
        }
        let shell = match account.filter(|account| !account.is_own()) {
            None => self.shell.clone(),
            Some(other) if !other.shell.as_os_str().is_empty() => other.shell.clone(),
            Some(_) => {
                let inherited = env.get("SHELL").map(PathBuf::from);
                inherited.filter(|shell| shell.is_absolute()).unwrap_or(DEFAULT_SHELL.into())
            }
        };
        env.set("SHELL", shell);
    }

    fn lay_path(&self, env: &mut Environment) {
        // An empty search path would be the current directory, which nobody means.
        let is_set = |path: &&OsStr| !path.is_empty();
        let present = env.get("PATH").filter(is_set).or(self.inherited.get("PATH").filter(is_set));
        let mut path = self.bin_dir.clone().into_os_string();
        path.push(":");
        path.push(present.unwrap_or(OsStr::new(DEFAULT_PATH)));
        env.set("PATH", path);
    }
}

/// Layer 4.
fn agent(config: &Config) -> Environment {
    let mut env = Environment::new();
    env.set("WORKSPACE_AGENT", "true");
    env.set("WORKSPACE_AGENT_NAME", &config.agent_name);
    let configured = [
        ("WORKSPACE_NAME", &config.workspace_name),
        ("WORKSPACE_OWNER_NAME", &config.owner_name),
        ("WORKSPACE_ID", &config.workspace_id),
    ];
    for (name, value) in configured {
        if let Some(value) = value {
            env.set(name, value);
        }
    }
    env
}

/// Layers 5 and 7: values in which agentd's own variables, but no secret ones, are replaced.
fn lay(env: &mut Environment, variables: &Variables, own: &BTreeMap<OsString, OsString>) {
    let lookup = |name: &OsStr| own.get(name).filter(|_| !is_secret(name)).map(OsString::as_os_str);
    env.extend(variables.0.iter().map(|(name, value)| (name, expand(value, lookup))));
}

fn is_secret(name: &OsStr) -> bool {
    PRIVATE_PREFIXES.iter().any(|prefix| name.as_bytes().starts_with(prefix.as_bytes()))
}

/// Names only: values may be secrets.
impl std::fmt::Debug for Layers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layers")
            .field("inherited", &self.inherited)
            .field("configured", &self.configured)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
