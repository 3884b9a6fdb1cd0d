//! What the service must be told about the world; it reads no environment itself.

use std::{ffi::OsString, path::PathBuf, time::Duration};

/// Search path of `screen` where none is told.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How many terminals there may be, how much of them is kept, and for how long.
#[derive(Clone, Debug)]
pub struct Config {
    /// The agent's own directory: the configuration of `screen` is written to `screen` below it.
    pub state_dir: PathBuf,
    /// Where `screen` is looked for, as in `PATH`.
    pub path: OsString,
    /// Most terminals at the same time, those that end included; further ones are refused. The
    /// default is 64.
    pub max: usize,
    /// Most connections of one terminal; further ones are refused. The default is 32.
    pub max_attached: usize,
    /// Most lines of scrollback of one terminal. The default, 10,000, is what people scroll through.
    pub scrollback_lines: usize,
    /// Most memory of one terminal's state in bytes, beyond the two screens, which always fit. The
    /// default, 32 MiB, holds the default scrollback of usual lines.
    pub max_memory_bytes: usize,
    /// How long a terminal lives without a connection. The default, 5 minutes, outlasts a change of
    /// networks.
    pub idle_timeout: Duration,
}

impl Config {
    /// The defaults, with a state directory.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            path: DEFAULT_PATH.into(),
            max: 64,
            max_attached: 32,
            scrollback_lines: 10_000,
            max_memory_bytes: 32 * 1024 * 1024,
            idle_timeout: Duration::from_secs(300),
        }
    }
}
