//! What the service must be told about the world; it reads no environment itself.

use std::{ffi::OsString, path::PathBuf};

/// Search path of the `git` that is run where none is told.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where the service keeps its state, whose settings count, and how much is watched.
#[derive(Clone, Debug)]
pub struct Config {
    /// The agent's own directory: the paths of chats are kept in `git` below it, which is made
    /// when the first is recorded.
    pub state_dir: PathBuf,
    /// Home of the agent's user, whose excludes file counts.
    pub home: PathBuf,
    /// The user's `XDG_CONFIG_HOME`, absolute; without one, `.config` in the home.
    pub xdg_config_home: Option<PathBuf>,
    /// Where `git` is looked for, as in `PATH`; it reads repositories of rare formats.
    pub path: OsString,
    /// Most directories that are watched for events together; repositories beyond are polled.
    ///
    /// The default, 65,536, takes about 70 MiB of kernel memory when it is used up (inotify(7)).
    pub max_watches: usize,
    /// Most repositories that are followed at the same time, whoever asks; further ones are
    /// refused. The default, 1024, is four connections that watch as many as they may.
    pub max_repositories: usize,
}

impl Config {
    /// A configuration for a state directory and a home.
    pub fn new(state_dir: impl Into<PathBuf>, home: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            home: home.into(),
            xdg_config_home: None,
            path: DEFAULT_PATH.into(),
            max_watches: 65_536,
            max_repositories: 1024,
        }
    }
}
