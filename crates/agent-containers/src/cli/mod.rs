//! Runs the official devcontainer command and understands what it prints.

use std::{path::PathBuf, sync::Arc, time::Duration};

use agent_exec::Launcher;
use tokio_util::sync::CancellationToken;

use crate::{Workspace, customizations::Customizations, logs::LogWriter};

/// The devcontainer command of a workspace; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Cli {
    launcher: Launcher,
    workspace: Arc<dyn Workspace>,
    docker_host: Option<String>,
}

/// What is to be brought up.
#[derive(Clone, Debug)]
pub(crate) struct Up {
    /// The folder on the host.
    pub(crate) workspace_folder: PathBuf,
    /// Its devcontainer.json, if that is known.
    pub(crate) config_path: Option<PathBuf>,
    /// Whether a container that is there is replaced.
    pub(crate) remove_existing: bool,
}

/// How bringing up went. With a container and an error, a lifecycle hook failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UpOutcome {
    /// The container, as the command names it.
    pub(crate) container_id: Option<String>,
    /// What went wrong.
    pub(crate) error: Option<String>,
    /// Whether it took too long.
    pub(crate) timed_out: bool,
}

/// Whose configuration is to be read.
#[derive(Clone, Debug)]
pub(crate) struct ReadConfiguration {
    /// The folder on the host.
    pub(crate) workspace_folder: PathBuf,
    /// Its devcontainer.json, if that is known.
    pub(crate) config_path: Option<PathBuf>,
    /// Name of the dev container.
    pub(crate) name: String,
    /// Its container.
    pub(crate) container_id: String,
    /// Label `devcontainer.metadata` of the container.
    pub(crate) metadata: Option<String>,
}

/// Why a configuration could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CliError {
    /// The command failed; the text says how.
    #[error("{0}")]
    Failed(String),
}

impl Cli {
    /// A command that is looked up on the workspace's `PATH` at each use; `docker_host` is set
    /// for it as `DOCKER_HOST`.
    pub(crate) fn new(
        launcher: Launcher,
        workspace: Arc<dyn Workspace>,
        docker_host: Option<String>,
    ) -> Self {
        Self { launcher, workspace, docker_host }
    }

    /// Whether the command can be found now; blocking.
    pub(crate) fn is_installed(&self) -> bool {
        let _ = (&self.launcher, &self.workspace, &self.docker_host);
        todo!()
    }

    /// Brings a dev container up; returns when the command has ended.
    ///
    /// Never fails: what went wrong is in the outcome. The log is written and ended. At `timeout`
    /// or `stop` the command is ended with everything that it started.
    pub(crate) async fn up(
        &self,
        up: Up,
        log: LogWriter,
        timeout: Duration,
        stop: &CancellationToken,
    ) -> UpOutcome {
        let _ = (up, log, timeout, stop);
        todo!()
    }

    /// Reads the merged configuration of a dev container that has a container.
    pub(crate) async fn read_configuration(
        &self,
        read: ReadConfiguration,
    ) -> Result<Customizations, CliError> {
        let _ = read;
        todo!()
    }
}
