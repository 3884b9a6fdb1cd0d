//! What the file operations must be told about the world; they read no environment themselves.

use std::path::PathBuf;

/// Where the operations work and what they must leave alone.
#[derive(Clone, Debug)]
pub struct Config {
    /// Home of the agent's user: the start of `relativity: home`, and protected.
    pub home: PathBuf,
    /// Where searches without paths look, if it exists at that time; else the home.
    pub directory: Option<PathBuf>,
    /// The agent's own directory: uploads that cannot be written beside their target are spooled
    /// here, and it is protected. It must exist before the first such upload.
    pub state_dir: PathBuf,
    /// The process's file mode creation mask, which a new file's default mode obeys.
    ///
    /// Told, because reading it means changing it for a moment (umask(2)).
    pub umask: u32,
}

impl Config {
    /// A configuration for a home and a state directory, with the usual mask of 022.
    pub fn new(home: impl Into<PathBuf>, state_dir: impl Into<PathBuf>) -> Self {
        Self { home: home.into(), directory: None, state_dir: state_dir.into(), umask: 0o022 }
    }

    /// The directory to work in now.
    pub(crate) fn working_directory(&self) -> PathBuf {
        match &self.directory {
            Some(directory) if directory.is_dir() => directory.clone(),
            _ => self.home.clone(),
        }
    }
}
