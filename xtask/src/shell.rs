//! Running programs and reading the environment: the only file of the tasks that does either.
//!
//! It knows no task; what is run, and what a failure means, is the caller's business.

#![expect(
    clippy::disallowed_methods,
    reason = "a repository task is a command line that runs other command lines"
)]

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// How often a wait looks again.
const GLANCE: Duration = Duration::from_millis(20);

/// Returns the folder of the workspace's manifest.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace")
}

/// Returns an environment variable, unless it is absent, empty or not UTF-8.
pub(crate) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Tells whether this is a CI run, where a missing component is a failure.
pub(crate) fn is_ci() -> bool {
    env("CI").is_some_and(|value| value != "false" && value != "0")
}

/// Tells whether the tasks run as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Returns where a program is: on `PATH`, or among the administrator's programs, which `PATH` may lack.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"])
        .filter(|dir| !dir.is_empty())
        .map(|dir| Path::new(dir).join(name))
        .find(|file| {
            file.metadata()
                .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        })
}

/// Returns a command that runs in the workspace's folder, without standard input.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).stdin(Stdio::null());
    // `cargo run` describes xtask to its child. A build script that is rebuilt when one of these
    // changes would be built twice: once under `cargo`, once under `cargo xtask`.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

/// Returns a command that runs the cargo that runs this task.
pub(crate) fn cargo() -> Command {
    command(env("CARGO").unwrap_or_else(|| "cargo".to_owned()))
}

/// Runs a command to its end, its output shown as it comes.
///
/// # Errors
///
/// The program cannot be started or did not exit with 0; the text has the command line.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| starting(command))?;
    ended_well(command, status)
}

/// Runs a command to its end and returns its standard output.
///
/// # Errors
///
/// As [`run`], and output that is not UTF-8; the text ends in the program's standard error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| starting(command))?;
    if let Err(failure) = ended_well(command, output.status) {
        bail!("{failure}\n{}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` did not print text", line(command)))
}

/// Runs a command and tells whether it exited with 0, its output unseen.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Starts a command that is ended with the returned guard.
///
/// # Errors
///
/// The program cannot be started.
pub(crate) fn spawn(command: &mut Command) -> Result<Owned> {
    let child = command.spawn().with_context(|| starting(command))?;
    Ok(Owned { child })
}

/// A started process that does not outlive this value.
#[derive(Debug)]
pub(crate) struct Owned {
    /// The process, for its pipes and id.
    pub(crate) child: Child,
}

impl Owned {
    /// Waits for the process to end, at most `limit`; returns none when it still runs.
    ///
    /// # Errors
    ///
    /// The process cannot be waited for.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let child = &mut self.child;
        let mut status = child.try_wait()?;
        if status.is_none() {
            wait_until(limit, || {
                status = child.try_wait().ok().flatten();
                status.is_some()
            });
        }
        Ok(status)
    }

    /// Asks the process to end with SIGTERM and gives it `grace`; then it is killed.
    pub(crate) fn terminate(&mut self, grace: Duration) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed())
            && self.child.try_wait().ok().flatten().is_none()
        {
            // It may have ended in between; the wait below notices.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let _ = self.wait(grace);
        }
        // Does nothing to a process that was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks at a condition until it holds, at most `limit`; returns whether it held.
pub(crate) fn wait_until(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(GLANCE);
    }
}

fn ended_well(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed: {status}", line(command));
    }
    Ok(())
}

fn starting(command: &Command) -> String {
    format!("cannot start `{}`", line(command))
}

/// Returns a command as a person would type it, quotes left out.
pub(crate) fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(program)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
