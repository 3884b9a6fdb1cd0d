//! What the service must be told about the world; it reads no environment itself.

use std::{path::PathBuf, time::Duration};

use uuid::Uuid;

/// Which engine is asked, what counts as a dev container, and where state is kept.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether there are containers at all.
    pub enabled: bool,
    /// Whether the agent runs inside a dev container, where there are none either.
    pub is_nested: bool,
    /// Address of the engine: `unix://PATH`, `tcp://HOST:PORT` or `http://HOST:PORT`.
    pub engine: Option<String>,
    /// What `DOCKER_HOST` says, which counts when `engine` is not given.
    pub docker_host: Option<String>,
    /// What `XDG_RUNTIME_DIR` says, below which a socket of podman is looked for.
    pub runtime_dir: Option<PathBuf>,
    /// Labels and values that a container must have, all of them, to be a dev container.
    pub include_labels: Vec<(String, String)>,
    /// Whether projects below `directory` are searched for dev containers.
    pub discover_projects: bool,
    /// Whether those that ask for it are brought up.
    pub discover_autostart: bool,
    /// Whether each running dev container gets an agent of its own.
    pub inject_agent: bool,
    /// Longest time of bringing one up.
    pub up_timeout: Duration,
    /// Dev containers of the configuration, in its order.
    pub dev_containers: Vec<ConfiguredDevContainer>,
    /// Id of the agent, the namespace of other ids.
    pub agent_id: Uuid,
    /// The agent's own directory: logs are kept in `devcontainers` below it.
    pub state_dir: PathBuf,
    /// The configured working directory, where projects are looked for.
    pub directory: Option<PathBuf>,
    /// Home of the agent's user.
    pub home: PathBuf,
}

/// A dev container of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredDevContainer {
    /// Its folder on the host, absolute and clean.
    pub workspace_folder: PathBuf,
    /// Its id, if that does not follow from the folder.
    pub id: Option<Uuid>,
    /// Its `devcontainer.json`, absolute.
    pub config_path: Option<PathBuf>,
    /// Its name, if no other fits.
    pub name: Option<String>,
    /// Makes it managed: its life belongs to the configuration.
    pub agent_id: Option<Uuid>,
    /// Whether it is brought up at the start.
    pub autostart: bool,
}

impl Config {
    /// A configuration with the defaults of everything that has one.
    pub fn new(agent_id: Uuid, state_dir: impl Into<PathBuf>, home: impl Into<PathBuf>) -> Self {
        Self {
            enabled: true,
            is_nested: false,
            engine: None,
            docker_host: None,
            runtime_dir: None,
            include_labels: Vec::new(),
            discover_projects: true,
            discover_autostart: false,
            inject_agent: false,
            up_timeout: Duration::from_secs(60 * 60),
            dev_containers: Vec::new(),
            agent_id,
            state_dir: state_dir.into(),
            directory: None,
            home: home.into(),
        }
    }
}
