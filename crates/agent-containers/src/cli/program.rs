//! Where the command is, and what it is started with.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use agent_exec::{Command, Environment, ErrorOutput, Input, Limits, Stdio};
use rustix::fs::{Access, access};
use uuid::Uuid;

/// The name of the command.
const PROGRAM: &str = "devcontainer";
/// Where programs are looked up without a `PATH`, as when one is started.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whether a directory of `PATH` has the command.
///
/// Relative directories do not count: which they are depends on the dev container.
pub(super) fn is_installed(environment: &Environment) -> bool {
    let path = environment.get("PATH").unwrap_or(OsStr::new(DEFAULT_PATH));
    let directories = path.as_bytes().split(|byte| *byte == b':').map(OsStr::from_bytes);
    directories.map(Path::new).filter(|directory| directory.is_absolute()).any(|directory| {
        let program = directory.join(PROGRAM);
        program.is_file() && access(&program, Access::EXEC_OK).is_ok()
    })
}

/// Arguments of `devcontainer up`.
pub(super) fn up(folder: &Path, config: Option<&Path>, remove_existing: bool) -> Vec<OsString> {
    let mut args = of_folder(&["up", "--log-format", "json"], folder, config);
    if remove_existing {
        args.push("--remove-existing-container".into());
    }
    args
}

/// Arguments of `devcontainer read-configuration`.
pub(super) fn read_configuration(folder: &Path, config: Option<&Path>) -> Vec<OsString> {
    of_folder(&["read-configuration", "--include-merged-configuration"], folder, config)
}

fn of_folder(first: &[&str], folder: &Path, config: Option<&Path>) -> Vec<OsString> {
    let mut args: Vec<OsString> = [PROGRAM].iter().chain(first).map(OsString::from).collect();
    args.extend(["--workspace-folder".into(), folder.into()]);
    if let Some(config) = config {
        args.extend(["--config".into(), config.into()]);
    }
    args
}

/// The whole command, in the folder if it exists; looks at the disk.
pub(super) fn command(
    id: Uuid,
    args: Vec<OsString>,
    folder: &Path,
    mut env: Environment,
) -> Command {
    // By this the processes of its tree are found where there is no cgroup.
    env.set("WORKSPACE_PROCESS_ID", id.to_string());
    let home = env.get("HOME").map(PathBuf::from);
    let candidates = [Some(folder.to_owned()), home].into_iter().flatten();
    let workdir = candidates.into_iter().find(|path| path.is_absolute() && path.is_dir());
    Command {
        args,
        workdir: workdir.unwrap_or_else(|| "/".into()),
        env,
        stdio: Stdio::Pipes { stdin: Input::Null, stderr: ErrorOutput::Pipe },
        account: None,
        limits: Limits::default(),
        id,
    }
}
