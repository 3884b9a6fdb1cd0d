//! What the processes must be told about the world; they read no environment themselves.

use std::{path::PathBuf, time::Duration};

use agent_exec::{Account, Environment};

/// Where the processes keep their things, and how much of everything they may keep.
#[derive(Clone, Debug)]
pub struct Config {
    /// The agent's own directory, which must exist; `processes` inside belongs to the service.
    pub state_dir: PathBuf,
    /// Home of the agent's user: where processes start without any other directory.
    pub home: PathBuf,
    /// Where processes start, if it exists at that time; else the home.
    pub directory: Option<PathBuf>,
    /// Most bytes of output retained of one process, both streams together.
    ///
    /// 64 MiB by default: the output of a large build, and a thousandth of a usual disk.
    pub output_quota_bytes: u64,
    /// Most bytes of output retained of all processes together; 1 GiB by default.
    pub total_output_quota_bytes: u64,
    /// Most processes that run at the same time; further starts are refused. 512 by default.
    pub max_running: usize,
    /// Time between SIGTERM and SIGKILL at a timeout and at the shutdown; 5 s by default.
    pub kill_grace: Duration,
    /// How long a closed process is kept; an hour by default.
    pub retention: Duration,
    /// Most processes that are kept after their exit; 1000 by default.
    pub max_exited: usize,
    /// How long it is known that a process was forgotten; a day by default.
    pub tombstones: Duration,
    /// Most forgotten processes that are known; 10 000 by default.
    pub max_tombstones: usize,
}

impl Config {
    /// The production configuration for a state directory and a home.
    pub fn new(state_dir: impl Into<PathBuf>, home: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            home: home.into(),
            directory: None,
            output_quota_bytes: 64 * 1024 * 1024,
            total_output_quota_bytes: 1024 * 1024 * 1024,
            max_running: 512,
            kill_grace: Duration::from_secs(5),
            retention: Duration::from_secs(60 * 60),
            max_exited: 1000,
            tombstones: Duration::from_secs(24 * 60 * 60),
            max_tombstones: 10_000,
        }
    }

    /// The directory to start in now; looks at the disk.
    pub(crate) fn working_directory(&self) -> PathBuf {
        match &self.directory {
            Some(directory) if directory.is_dir() => directory.clone(),
            _ => self.home.clone(),
        }
    }
}

/// Knows the environment that every process begins with.
pub trait SessionEnvironment: Send + Sync + std::fmt::Debug {
    /// The variables of a session of an account, or of the agent's own.
    ///
    /// The layers 1 and 3 to 8 of the protocol's session environment. May look at the disk and the
    /// user database; it is called where blocking is allowed.
    fn session(&self, account: Option<&Account>) -> Environment;
}
