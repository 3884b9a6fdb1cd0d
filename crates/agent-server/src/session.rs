//! What every command of a workspace starts with, whoever runs it: environment, directory, and the
//! way from a text to arguments.

mod expand;
mod layers;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use agent_exec::{Account, CommandLineError, Environment, command_line};
use agent_proc::SessionEnvironment;

use layers::Layers;

use crate::Config;

/// The sessions of one agent; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Sessions {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    layers: Layers,
    shell: PathBuf,
    directory: Option<PathBuf>,
    home: PathBuf,
    account: String,
    bin_dir: PathBuf,
}

impl Sessions {
    /// Sessions of a configuration, with the variables that its secrets give.
    pub(crate) fn new(config: &Config, secrets: &[(String, OsString)]) -> Self {
        let bin_dir = config.state_dir.join("bin");
        // An account without a name is known by its number.
        let number = || rustix::process::geteuid().as_raw().to_string();
        Self {
            shared: Arc::new(Shared {
                layers: Layers::new(config, secrets, &bin_dir),
                shell: config.shell.clone(),
                directory: config.directory.clone(),
                home: config.home.clone(),
                account: config.user.clone().unwrap_or_else(number),
                bin_dir,
            }),
        }
    }

    /// The arguments with which the text of a script or an SSH command runs.
    pub(crate) fn command_line(&self, raw: &[u8]) -> Result<Vec<OsString>, CommandLineError> {
        command_line(&self.shared.shell, raw)
    }

    /// Where a session starts: the configured directory, else home, else the root, whichever
    /// exists now. Looks at the disk.
    pub(crate) fn working_directory(&self) -> PathBuf {
        let configured = self.shared.directory.as_ref().into_iter().chain([&self.shared.home]);
        let existing = configured.into_iter().find(|path| path.is_dir());
        existing.map_or_else(|| PathBuf::from("/"), PathBuf::clone)
    }

    /// The directory in front of every `PATH`.
    pub(crate) fn bin_dir(&self) -> &Path {
        &self.shared.bin_dir
    }
}

impl SessionEnvironment for Sessions {
    fn session(&self, account: Option<&Account>) -> Environment {
        self.shared.layers.session(account)
    }
}

impl agent_ssh::Workspace for Sessions {
    fn environment(&self, client: &[(OsString, OsString)]) -> Environment {
        self.shared.layers.session_of(client, None)
    }

    fn working_directory(&self) -> PathBuf {
        self.working_directory()
    }

    fn shell(&self) -> &Path {
        &self.shared.shell
    }

    fn home(&self) -> &Path {
        &self.shared.home
    }

    fn account(&self) -> &str {
        &self.shared.account
    }
}

impl agent_containers::Workspace for Sessions {
    fn cli_environment(&self) -> Environment {
        self.shared.layers.session(None)
    }

    fn agent_variables(&self) -> Vec<(OsString, OsString)> {
        self.shared.layers.agent_variables()
    }
}

impl agent_term::Workspace for Sessions {
    fn environment(&self) -> Environment {
        self.shared.layers.session(None)
    }

    fn working_directory(&self) -> PathBuf {
        self.working_directory()
    }

    fn shell(&self) -> &Path {
        &self.shared.shell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_starts_in_the_first_directory_that_exists() {
        let dir = tempfile::tempdir().unwrap();
        let (configured, home) = (dir.path().join("configured"), dir.path().join("home"));
        let config = Config { directory: Some(configured.clone()), ..Config::new("/state", &home) };
        let sessions = Sessions::new(&config, &[]);
        assert_eq!(sessions.working_directory(), Path::new("/"));
        std::fs::create_dir(&home).unwrap();
        assert_eq!(sessions.working_directory(), home);
        std::fs::create_dir(&configured).unwrap();
        assert_eq!(sessions.working_directory(), configured);
        std::fs::remove_dir(&configured).unwrap();
        std::fs::write(&configured, "").unwrap();
        assert_eq!(sessions.working_directory(), home);
    }
}
