//! What runs in a terminal: its arguments, variables and directory, and where a program is found;
//! starting it is the backend's.

use std::{
    env::split_paths,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    sync::Arc,
};

use agent_exec::{Child, Command, Environment, Launcher, Limits, Pty, Size, Stdio, Terminal};
use rustix::fs::{Access, access};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::{Error, Workspace, environment};

/// A program with everything it gets but its terminal.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Environment,
    pub(crate) workdir: PathBuf,
}

impl Program {
    /// What a command means in a workspace.
    ///
    /// # Errors
    ///
    /// The command cannot be anything.
    pub(crate) async fn of(workspace: Arc<dyn Workspace>, command: String) -> Result<Self, Error> {
        let ask = move || {
            let args = agent_exec::command_line(workspace.shell(), command.as_bytes());
            Ok(Self {
                args: args.map_err(Error::CommandLine)?,
                env: environment::for_terminal(workspace.environment()),
                workdir: workspace.working_directory(),
            })
        };
        blocking(ask).await?
    }

    /// Starts the program in a new pseudo terminal.
    ///
    /// # Errors
    ///
    /// There is no pseudo terminal, or the program cannot be started.
    pub(crate) async fn start(
        self,
        launcher: &Launcher,
        size: Size,
    ) -> Result<(Child, Pty), Error> {
        let Terminal { pty, far } = Terminal::open(size).map_err(Error::no_pty)?;
        let command = self.command(Stdio::Opened(far));
        let child = launcher.spawn(command).await.map_err(Error::spawn)?;
        Ok((child, pty))
    }

    /// The program on something else than a terminal.
    pub(crate) fn command(self, stdio: Stdio) -> Command {
        Command {
            args: self.args,
            workdir: self.workdir,
            env: self.env,
            stdio,
            account: None,
            limits: Limits::default(),
            // One of its own: a terminal may take the id of an earlier one, or of a process.
            id: Uuid::new_v4(),
        }
    }
}

/// The file that a name means on a search path: itself with a slash, else the first that can be
/// executed.
pub(crate) fn find(name: &OsStr, path: &OsStr) -> Option<PathBuf> {
    let can_run = |file: &PathBuf| {
        file.metadata().is_ok_and(|metadata| metadata.is_file())
            && access(file, Access::EXEC_OK).is_ok()
    };
    let name = Path::new(name);
    if name.components().count() > 1 {
        return Some(name.to_owned()).filter(can_run);
    }
    split_paths(path).map(|directory| directory.join(name)).find(can_run)
}

/// Runs what may block where it may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    spawn_blocking(work).await.map_err(|_| Error::Panicked)
}
