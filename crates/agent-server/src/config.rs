//! What agentd is told: flags over environment over file, read once and checked here; nothing else
//! in the workspace reads them.

mod account;
mod command;
mod dev_container;
mod entry;
mod environment;
mod file;
mod parse;
mod processes;
mod read;
mod script;
mod secret;
mod size;
mod table;

use std::{
    collections::BTreeMap, ffi::OsString, fmt, net::SocketAddr, path::PathBuf, time::Duration,
};

use serde_json::{Map, Value};
use uuid::Uuid;

pub use account::Account;
pub use environment::Environment;
pub(crate) use environment::quote;
pub use processes::ProcessSettings;
pub use read::{Invocation, UsageError, read};
pub use script::Script;
pub use secret::Secret;
pub use size::{ByteSize, ParseByteSizeError};

use crate::logs::LogFilter;

/// Everything that can be set, checked.
///
/// [`Config::new`] has the production defaults; [`read`] lays file, environment and flags over
/// them.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file that was read, if any.
    pub config_file: Option<PathBuf>,
    /// Where state is kept, absolute; one running agent a directory.
    pub state_dir: PathBuf,
    /// TCP addresses; port 0 is a free one. Without any listener the agent takes
    /// [`Config::DEFAULT_ADDRESS`] or a free port, and a Unix socket.
    pub listen: Vec<SocketAddr>,
    /// Unix sockets, absolute paths.
    pub listen_unix: Vec<PathBuf>,
    /// The user's `XDG_RUNTIME_DIR`, for a socket whose usual path is too long.
    pub runtime_dir: Option<PathBuf>,
    /// Who is served over TCP.
    pub auth: Auth,
    /// A token file other than the state directory's own.
    pub token_file: Option<PathBuf>,
    /// Browser origins that may call, compared exactly.
    pub allowed_origins: Vec<String>,
    /// Home of the user that runs the agent, absolute.
    pub home: PathBuf,
    /// Mask of the modes of new files.
    pub umask: u32,
    /// Login name of the user that runs the agent.
    pub user: Option<String>,
    /// The environment that agentd was started in, the first layer of that of children.
    pub inherited: Inherited,
    /// Soft limit of open files that children get; `None` is what agentd has itself.
    pub open_files: Option<u64>,
    /// Working directory of sessions, absolute; where it is missing, home takes its place.
    pub directory: Option<PathBuf>,
    /// Shell of sessions, absolute.
    pub shell: PathBuf,
    /// Id of the agent; without one, that of the state directory.
    pub agent_id: Option<Uuid>,
    /// Name of the agent.
    pub agent_name: String,
    /// Name of the workspace.
    pub workspace_name: Option<String>,
    /// Id of the workspace.
    pub workspace_id: Option<String>,
    /// Name of the workspace's owner.
    pub owner_name: Option<String>,
    /// Which events are logged.
    pub log_level: LogFilter,
    /// Directory of the logs; without one, `log` in the state directory.
    pub log_dir: Option<PathBuf>,
    /// Longest time that open requests get at the stop.
    pub request_grace: Duration,
    /// Longest time of the whole stop.
    pub shutdown_timeout: Duration,
    /// Whether the program stops when its stdin ends.
    pub stop_at_eof: bool,
    /// Limits of the HTTP server.
    pub http: agent_http::Config,
    /// Environment of children.
    pub env: Variables,
    /// Environment of children that wins over every other layer but the connection's.
    pub env_override: Variables,
    /// Files whose content children get, in order.
    pub secrets: Vec<Secret>,
    /// What runs at the start, at the stop and by the clock, in order.
    pub scripts: Vec<Script>,
    /// Limits of processes.
    pub processes: ProcessSettings,
    /// TCP addresses of SSH; port 0 is a free one.
    pub ssh_listen: Vec<SocketAddr>,
    /// Unix sockets of SSH, absolute paths.
    pub ssh_unix: Vec<PathBuf>,
    /// File of the keys that SSH lets in, if it is not the usual one.
    pub authorized_keys: Option<PathBuf>,
    /// The SSH server; its directory, its version and its file of keys are laid over by the agent's.
    pub ssh: agent_ssh::Config,
    /// Limits of terminals; the directory and the search path are laid over by the agent's.
    pub terminals: agent_term::Config,
    /// Tunnels, and which ports are not listed.
    pub ports: agent_ports::Config,
    /// Containers and dev containers; the id and the directories are laid over by the agent's.
    pub containers: agent_containers::Config,
}

/// Who is served over TCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// Whoever presents the token.
    #[default]
    Token,
    /// Everybody; only for listeners that nobody else reaches.
    None,
}

/// Environment variables by name; `Debug` hides the values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(pub BTreeMap<String, String>);

/// The environment of a process; `Debug` hides the values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Inherited(pub BTreeMap<OsString, OsString>);

/// What stands for a value that must not be shown.
pub(crate) const REDACTED: &str = "***REDACTED***";

impl Config {
    /// The TCP address when no listener is configured; when it is taken, a free port.
    pub const DEFAULT_ADDRESS: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4040);

    /// The production defaults for a state directory and a home, both absolute.
    ///
    /// Reads nothing, so an agent in a test depends on no user's environment.
    pub fn new(state_dir: impl Into<PathBuf>, home: impl Into<PathBuf>) -> Self {
        let (state_dir, home) = (state_dir.into(), home.into());
        let mut config = Self {
            ssh_listen: Vec::new(),
            ssh_unix: Vec::new(),
            authorized_keys: None,
            ssh: agent_ssh::Config::new(&state_dir, &home),
            terminals: agent_term::Config::new(&state_dir),
            ports: agent_ports::Config::default(),
            containers: agent_containers::Config::new(Uuid::nil(), &state_dir, &home),
            config_file: None,
            state_dir,
            listen: Vec::new(),
            listen_unix: Vec::new(),
            runtime_dir: None,
            auth: Auth::default(),
            token_file: None,
            allowed_origins: Vec::new(),
            home,
            umask: environment::USUAL_UMASK,
            user: None,
            inherited: Inherited::default(),
            open_files: None,
            directory: None,
            shell: PathBuf::from(account::DEFAULT_SHELL),
            agent_id: None,
            agent_name: "localhost".to_owned(),
            workspace_name: None,
            workspace_id: None,
            owner_name: None,
            log_level: LogFilter::default(),
            log_dir: None,
            request_grace: Duration::ZERO,
            shutdown_timeout: Duration::ZERO,
            stop_at_eof: false,
            http: agent_http::Config::default(),
            env: Variables::default(),
            env_override: Variables::default(),
            secrets: Vec::new(),
            scripts: Vec::new(),
            processes: ProcessSettings::default(),
        };
        table::apply_defaults(&mut config);
        config
    }

    /// Where the logs are.
    pub fn log_dir(&self) -> PathBuf {
        self.log_dir.clone().unwrap_or_else(|| self.state_dir.join("log"))
    }

    /// The file of the keys that SSH lets in.
    pub fn authorized_keys(&self) -> PathBuf {
        let usual = || self.home.join(".ssh/authorized_keys");
        self.authorized_keys.clone().unwrap_or_else(usual)
    }

    /// The configuration in effect as JSON, by section and key, without anything secret.
    ///
    /// A setting without a value is left out. Values of `[env]` and `[env_override]` are
    /// redacted, their names and empty values stay; secrets have the names of their variables and
    /// files only.
    pub fn describe(&self) -> Value {
        let mut shown = Map::new();
        for setting in table::settings() {
            let value = (setting.show)(self);
            if !value.is_null() {
                section(&mut shown, setting.section).insert(setting.key.to_owned(), value);
            }
        }
        for free in table::FREE_SECTIONS {
            shown.insert(free.name.to_owned(), (free.variables)(self).describe());
        }
        let dev_containers = &self.containers.dev_containers;
        section(&mut shown, Some("containers")).insert(
            "dev_containers".to_owned(),
            dev_containers.iter().map(dev_container::describe).collect(),
        );
        let scripts = self.scripts.iter().map(Script::describe).collect();
        shown.insert("scripts".to_owned(), scripts);
        let secrets = self.secrets.iter().map(Secret::describe).collect();
        shown.insert("secrets".to_owned(), secrets);
        Value::Object(shown)
    }
}

fn section<'a>(
    shown: &'a mut Map<String, Value>,
    name: Option<&str>,
) -> &'a mut Map<String, Value> {
    let Some(name) = name else { return shown };
    shown
        .entry(name)
        .or_insert_with(|| Value::Object(Map::new()))
        .as_object_mut()
        .expect("a section's name is no key")
}

impl Variables {
    fn describe(&self) -> Value {
        let shown = self.0.iter().map(|(name, value)| {
            let value = if value.is_empty() { "" } else { REDACTED };
            (name.clone(), Value::from(value))
        });
        Value::Object(shown.collect())
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl fmt::Debug for Inherited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
