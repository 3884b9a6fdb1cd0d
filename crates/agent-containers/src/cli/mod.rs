//! Runs the official devcontainer command and understands what it prints.
//!
//! ```text
//! Cli ── program  arguments, environment, where it is
//!      ├ running  what runs at the moment
//!      └ run      reads it to its end ── lines ── output  entries of the log, the outcome
//! ```

mod error;
mod lines;
mod output;
mod program;
mod run;
mod running;

use std::{ffi::OsString, path::PathBuf, sync::Arc, time::Duration};

use agent_api::DevContainerLogLevel;
use agent_exec::{Environment, Launcher, SpawnError};
use serde_json::Value;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    Workspace,
    customizations::{self, Customizations},
    logs::LogWriter,
};
pub(crate) use error::CliError;
use error::duration_text;
use lines::Line;
use output::Stream;
use run::{End, Output};
use running::{AllRunning, Running};

/// The longest line of the command, without its end.
const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;
/// Longest time of reading a configuration once.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// What is quoted of the errors of a command that failed.
const QUOTED_BYTES: usize = 1000;

/// The devcontainer command of a workspace; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Cli {
    launcher: Launcher,
    workspace: Arc<dyn Workspace>,
    docker_host: Option<String>,
    running: AllRunning,
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
    /// Whether it took too long; there is no container then.
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

impl Cli {
    /// A command that is looked up on the workspace's `PATH` at each use; `docker_host` is set
    /// for it as `DOCKER_HOST`.
    pub(crate) fn new(
        launcher: Launcher,
        workspace: Arc<dyn Workspace>,
        docker_host: Option<String>,
    ) -> Self {
        Self { launcher, workspace, docker_host, running: AllRunning::default() }
    }

    /// Whether the command can be found now; blocking.
    pub(crate) fn is_installed(&self) -> bool {
        program::is_installed(&self.workspace.cli_environment())
    }

    /// Brings a dev container up; returns when the command has ended and the log is on the disk.
    ///
    /// Never fails: what went wrong is in the outcome. At `timeout` or `stop` the command is ended
    /// with everything that it started (`SIGTERM`, after five seconds `SIGKILL`).
    ///
    /// # Cancellation
    ///
    /// The command is killed, but not what it has started outside of its process group.
    pub(crate) async fn up(
        &self,
        up: Up,
        log: LogWriter,
        timeout: Duration,
        stop: &CancellationToken,
    ) -> UpOutcome {
        let mut output = UpOutput { log, last: Vec::new() };
        // The log of the run before ends here, also when this command prints nothing.
        output.log.flush().await;
        let args = program::up(&up.workspace_folder, up.config_path.as_deref(), up.remove_existing);
        let end = match self.spawn(args, up.workspace_folder, Vec::new()).await {
            Ok(running) => run::run(running, &mut output, timeout, stop).await,
            Err(error) => return output.fail(CliError::Spawn(error)).await,
        };
        match end {
            End::Exited(exit) => output.outcome(exit).await,
            End::TimedOut => {
                let text = format!("timed out after {}", duration_text(timeout));
                UpOutcome { timed_out: true, ..output.failed(text).await }
            }
            End::Stopped => output.failed("stopped, because the agent stops".into()).await,
        }
    }

    /// Reads the merged configuration of a dev container that has a container, which takes two
    /// commands if its features have options.
    ///
    /// # Errors
    ///
    /// The command is missing, fails, takes over 30 s, or prints something else.
    ///
    /// # Cancellation
    ///
    /// As for [`Cli::up`].
    pub(crate) async fn read_configuration(
        &self,
        read: ReadConfiguration,
    ) -> Result<Customizations, CliError> {
        let mut variables = vec![
            ("WORKSPACE_AGENT_NAME".to_owned(), read.name.clone()),
            ("CONTAINER_ID".to_owned(), read.container_id.clone()),
        ];
        let metadata = read.metadata.clone();
        let (first, of_features) = self.ask(&read, variables.clone(), metadata.clone()).await?;
        if of_features.is_empty() {
            return Ok(first);
        }
        variables.extend(of_features);
        Ok(self.ask(&read, variables, metadata).await?.0)
    }

    /// Kills every command that runs with all that it started, and each that is started later.
    pub(crate) async fn kill_all(&self) {
        self.running.kill().await;
    }

    /// Reads it once; also answers the variables that it may refer to.
    async fn ask(
        &self,
        read: &ReadConfiguration,
        variables: Vec<(String, String)>,
        metadata: Option<String>,
    ) -> Result<(Customizations, Vec<(String, String)>), CliError> {
        let folder = read.workspace_folder.clone();
        let args = program::read_configuration(&folder, read.config_path.as_deref());
        let running = self.spawn(args, folder, variables).await.map_err(CliError::Spawn)?;
        let mut output = AnswerOutput::default();
        let end = run::run(running, &mut output, READ_TIMEOUT, &CancellationToken::new()).await;
        let End::Exited(exit) = end else {
            return Err(CliError::TimedOut { after: READ_TIMEOUT });
        };
        if let Some(text) = output::exit_text(exit) {
            return Err(CliError::Failed(output.explain(text)));
        }
        if output.last.is_empty() {
            return Err(CliError::NoAnswer);
        }
        // Megabytes of it may take a while.
        let understood = spawn_blocking(move || {
            let answer: Value = serde_json::from_slice(&output.last).map_err(CliError::Answer)?;
            let of_features = customizations::feature_variables(&answer);
            Ok((customizations::of_answer(&answer, metadata.as_deref()), of_features))
        });
        understood.await.unwrap_or_else(|stopped| Err(CliError::Failed(stopped.to_string())))
    }

    /// Starts the command; `variables` are those of reading a configuration, empty for the others.
    async fn spawn(
        &self,
        args: Vec<OsString>,
        folder: PathBuf,
        variables: Vec<(String, String)>,
    ) -> Result<Running, SpawnError> {
        let (cli, id) = (self.clone(), Uuid::new_v4());
        let prepare =
            spawn_blocking(move || program::command(id, args, &folder, cli.environment(variables)));
        let command = prepare.await.map_err(|stopped| SpawnError::System {
            step: "start a command while the agent's runtime stops",
            source: stopped.into(),
        })?;
        Ok(self.running.add(id, self.launcher.spawn(command).await?).await)
    }

    fn environment(&self, variables: Vec<(String, String)>) -> Environment {
        let mut env = self.workspace.cli_environment();
        if let Some(host) = &self.docker_host {
            env.set("DOCKER_HOST", host);
        }
        if variables.is_empty() {
            return env;
        }
        let agent: Environment = self.workspace.agent_variables().into_iter().collect();
        let known = [
            ("WORKSPACE_PARENT_AGENT_NAME", "WORKSPACE_AGENT_NAME"),
            ("WORKSPACE_NAME", "WORKSPACE_NAME"),
            ("WORKSPACE_OWNER_NAME", "WORKSPACE_OWNER_NAME"),
        ];
        for (name, source) in known {
            let value = agent.get(source).or(env.get(source)).unwrap_or_default().to_owned();
            env.set(name, value);
        }
        env.extend(variables);
        env
    }
}

/// Takes what `devcontainer up` prints.
#[derive(Debug)]
struct UpOutput {
    log: LogWriter,
    /// The last line of output that begins as an object.
    last: Vec<u8>,
}

impl Output for UpOutput {
    fn line(&mut self, stream: Stream, line: Line<'_>) {
        keep_last(&mut self.last, stream, line);
        if stream == Stream::Output && line.left_out > 0 {
            let length = line.bytes.len() as u64 + line.left_out;
            let text =
                format!("a line of {length} bytes was left out, the longest is {MAX_LINE_BYTES}");
            self.log.write(DevContainerLogLevel::Error, &text);
        } else if let Some(entry) = output::entry(stream, line) {
            self.log.write(entry.level, &entry.text);
        }
    }

    async fn flush(&mut self) {
        self.log.flush().await;
    }
}

impl UpOutput {
    async fn outcome(mut self, exit: agent_exec::ExitStatus) -> UpOutcome {
        let result = (!self.last.is_empty()).then_some(self.last.as_slice());
        if let Some(entry) = result.and_then(output::result_entry) {
            self.log.write(entry.level, &entry.text);
        }
        self.log.flush().await;
        output::outcome(result, exit)
    }

    async fn fail(self, error: CliError) -> UpOutcome {
        let text = agent_api::causes(Some(&error));
        self.failed(text.unwrap_or_default()).await
    }

    async fn failed(mut self, text: String) -> UpOutcome {
        self.log.write(DevContainerLogLevel::Error, &text);
        self.log.flush().await;
        UpOutcome { error: Some(text), ..UpOutcome::default() }
    }
}

/// Takes what `devcontainer read-configuration` prints.
#[derive(Debug, Default)]
struct AnswerOutput {
    last: Vec<u8>,
    /// The first line of the errors that is neither of the log, which begins with a time, nor blank.
    error: Option<String>,
}

impl Output for AnswerOutput {
    fn line(&mut self, stream: Stream, line: Line<'_>) {
        keep_last(&mut self.last, stream, line);
        let is_cause = stream == Stream::Errors && !line.bytes.starts_with(b"[");
        if is_cause && self.error.is_none() {
            let start = &line.bytes[..line.bytes.len().min(QUOTED_BYTES)];
            let text = String::from_utf8_lossy(start).trim().to_owned();
            self.error = (!text.is_empty()).then_some(text);
        }
    }

    async fn flush(&mut self) {}
}

impl AnswerOutput {
    fn explain(&self, text: String) -> String {
        match &self.error {
            Some(error) => format!("{text}: {error}"),
            None => text,
        }
    }
}

/// Keeps the last line of output that begins as an object; of one that was cut only that it was there.
fn keep_last(last: &mut Vec<u8>, stream: Stream, line: Line<'_>) {
    if stream == Stream::Output && line.bytes.starts_with(b"{") {
        let kept = if line.left_out == 0 { line.bytes } else { b"{" };
        last.clear();
        last.shrink_to(kept.len());
        last.extend_from_slice(kept);
    }
}

#[cfg(test)]
mod tests;
