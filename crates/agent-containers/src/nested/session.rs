//! A command of ours in a container, its three streams attached; not what they say.

use std::{collections::VecDeque, pin::Pin, time::Duration};

use bollard::{
    container::LogOutput,
    errors::Error,
    exec::{CreateExecOptions, StartExecResults},
};
use futures_util::{Stream, StreamExt};
use tokio::io::AsyncWrite;

use super::archive::EXECUTABLE;
use crate::engine::{Engine, EngineError};

/// Bytes of stderr that are kept, the last ones.
const KEPT: usize = 4096;
/// How long the engine may take to tell how a command ended, and the pause between two questions.
const ENDED: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

/// Where and as whom commands run.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) engine: Engine,
    pub(super) container_id: String,
    /// As the engine takes it; `None` is its default.
    pub(super) user: Option<String>,
}

/// What a command reads; dropping it is the end.
pub(super) type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// A running command. Dropping it ends its input, and nobody reads what it prints any more.
pub(super) struct Session {
    pub(super) input: Input,
    pub(super) output: Printed,
    /// The engine's name of it.
    pub(super) id: String,
}

/// What a command prints.
pub(super) struct Printed {
    pub(super) pieces: Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>,
    pub(super) complaints: VecDeque<u8>,
}

impl Place {
    /// Starts `agentd` with these arguments and variables.
    pub(super) async fn start(
        &self,
        arguments: &[&str],
        variables: Vec<String>,
    ) -> Result<Session, EngineError> {
        let docker = self.engine.docker().await?;
        let mut cmd = vec![EXECUTABLE.to_owned()];
        cmd.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(false),
            env: Some(variables),
            cmd: Some(cmd),
            user: self.user.clone(),
            working_dir: Some("/".to_owned()),
            ..CreateExecOptions::default()
        };
        let said = |error| self.engine.error(error);
        let id = docker.create_exec(&self.container_id, options).await.map_err(said)?.id;
        match docker.start_exec(&id, None).await.map_err(said)? {
            StartExecResults::Attached { output, input } => {
                let output = Printed { pieces: output, complaints: VecDeque::new() };
                Ok(Session { input, output, id })
            }
            StartExecResults::Detached => {
                Err(EngineError::BadAnswer { reason: "the command is not attached".to_owned() })
            }
        }
    }

    /// Runs `agentd` with these arguments to its end: what it complained about when it failed.
    pub(super) async fn run(&self, arguments: &[&str]) -> Result<Result<(), String>, EngineError> {
        let mut session = self.start(arguments, Vec::new()).await?;
        while session.output.next().await.is_some() {}
        match self.exit_code(&session.id).await? {
            Some(0) => Ok(Ok(())),
            code => Ok(Err(session.output.complaint(code))),
        }
    }

    /// The exit code of a command whose streams have ended; `None` when the engine does not tell.
    pub(super) async fn exit_code(&self, id: &str) -> Result<Option<i64>, EngineError> {
        let docker = self.engine.docker().await?;
        let ask = async {
            loop {
                // The engine notices the end of a command a moment after that of its streams.
                let told = docker.inspect_exec(id).await;
                let told = told.map_err(|error| self.engine.error(error))?;
                if told.exit_code.is_some() {
                    return Ok(told.exit_code);
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::time::timeout(ENDED, ask).await.unwrap_or(Ok(None))
    }
}

impl Printed {
    /// The next bytes of stdout; `None` when nothing more comes, for whatever reason.
    pub(super) async fn next(&mut self) -> Option<bytes::Bytes> {
        loop {
            match self.pieces.next().await? {
                Ok(LogOutput::StdOut { message } | LogOutput::Console { message }) => {
                    return Some(message);
                }
                Ok(LogOutput::StdErr { message }) => self.complain(&message),
                Ok(LogOutput::StdIn { .. }) => {}
                Err(error) => {
                    tracing::debug!(%error, "the streams of a command broke");
                    return None;
                }
            }
        }
    }

    /// Takes something for a complaint that was printed to stdout, where an engine says why nothing was
    /// started.
    pub(super) fn complain(&mut self, text: &[u8]) {
        self.complaints.extend(text);
        let over = self.complaints.len().saturating_sub(KEPT);
        self.complaints.drain(..over);
    }

    /// The last line that it complained with, without the program's name, else its exit code.
    pub(super) fn complaint(&self, code: Option<i64>) -> String {
        let bytes: Vec<u8> = self.complaints.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
        match (last, code) {
            (Some(line), _) => line.strip_prefix("agentd: ").unwrap_or(line).to_owned(),
            (None, Some(code)) => format!("exit code {code}"),
            (None, None) => "it ended without a word".to_owned(),
        }
    }
}
