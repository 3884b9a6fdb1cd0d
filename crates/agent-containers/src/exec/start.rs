//! How a command is created and started, when its container and its user are known.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
    sync::Arc,
};

use agent_exec::{Foreign, Size, command_line};
use bollard::{ClientVersion, Docker, models::ExecConfig};
use serde_json::json;
use tokio::sync::OnceCell;

use super::{
    ExecCommand, ExecError, ExecRequest, ExecTerminal,
    arguments::{HELPER, carried, sized},
    environment::Variables,
    files::Files,
    handle::Handle,
    helper::Marker,
    host,
    input::Typed,
    output::Output,
    refusal::Step,
    size::Sizes,
    subject::{Subject, is_id},
};
use crate::engine::{Engine, EngineError};

/// Since this version an engine takes the size of a terminal before the command starts.
const SIZE_AT_START: ClientVersion = ClientVersion { major_version: 1, minor_version: 42 };

/// The keys that make an engine let go of a terminal, which nobody shall: without any of its own it
/// takes CTRL-P for the first of two and keeps it back. It looks at keys that come one by one only.
const DETACH_KEYS: &str = "ctrl-^,ctrl-@,ctrl-^,ctrl-@,ctrl-^,ctrl-@,ctrl-^,ctrl-@";

/// A command on its way into a container.
pub(super) struct Start<'a> {
    pub(super) engine: &'a Engine,
    pub(super) subject: &'a Subject,
    /// What every session is told of the agent.
    pub(super) agent: Vec<(OsString, OsString)>,
}

impl Start<'_> {
    /// Creates and starts the command.
    pub(super) async fn run(self, req: ExecRequest) -> Result<Foreign, ExecError> {
        let step = Step { container: &req.container, step: "start the command" };
        let docker = self.engine.docker().await.map_err(|error| step.failed(error))?;
        let Subject { id, pid, account, user, .. } = self.subject;
        let has_terminal = req.terminal.is_some();
        let size = req.terminal.as_ref().map(|terminal| terminal.size).filter(is_size);
        let takes_size = docker.client_version() >= SIZE_AT_START;
        let console = size.filter(|_| takes_size).map(|size| [size.rows, size.cols]);
        let is_reached = host::reaches(*pid, id, account.uid).await;
        let marker = (!is_reached).then(Marker::new);

        let mut config = self.config(&req, marker.as_ref())?;
        config.console_size = console.map(|size| size.map(usize::from).to_vec());
        if let Some(size) = size.filter(|_| !takes_size)
            && self.has_helper(&docker).await.map_err(|error| step.failed(error))?
        {
            config.cmd = config.cmd.map(|args| sized(args, size));
        }
        let exec = self.create(&docker, config).await.map_err(|error| step.failed(error))?;
        let mut body = json!({ "Detach": false, "Tty": has_terminal });
        if let Some(console) = console {
            body["ConsoleSize"] = json!(console);
        }
        let upgraded = self.engine.upgrade(&format!("/exec/{exec}/start"), &body).await;
        let upgraded = upgraded.map_err(|error| step.failed(error))?;

        let output = Output::new(upgraded.read, upgraded.ahead, has_terminal);
        let input = match has_terminal {
            true => Box::new(Typed::new(upgraded.write, output.kept())),
            false => upgraded.write,
        };
        let handle = Handle {
            sizes: Sizes::new(docker.clone(), exec.clone(), size),
            docker,
            container: id.clone(),
            exec,
            user: user.clone(),
            has_terminal,
            marker,
            flow: output.flow(),
            ended: OnceCell::new(),
            tree: OnceCell::new(),
        };
        Ok(Foreign { input, output: Box::new(output), handle: Arc::new(handle) })
    }

    /// What the engine is told of the command, but for the size of its terminal.
    fn config(&self, req: &ExecRequest, marker: Option<&Marker>) -> Result<ExecConfig, ExecError> {
        let text = match &req.command {
            ExecCommand::Login => &[][..],
            ExecCommand::Text(text) => text,
        };
        let shell = Path::new(&self.subject.account.shell);
        let args = command_line(shell, text).map_err(ExecError::CommandLine)?;
        let terminal = req.terminal.as_ref();
        let variables = self.variables(req.variables.clone(), terminal, marker);
        let (variables, bytes) = variables.split();
        Ok(ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(terminal.is_some()),
            detach_keys: terminal.map(|_| DETACH_KEYS.to_owned()),
            env: Some(variables),
            cmd: Some(carried(args, &bytes)),
            user: self.subject.user.clone(),
            working_dir: Some(self.subject.directory.clone()),
            ..ExecConfig::default()
        })
    }

    /// The variables on top of the container's own, the later layers winning.
    fn variables(
        &self,
        client: Vec<(OsString, OsString)>,
        terminal: Option<&ExecTerminal>,
        marker: Option<&Marker>,
    ) -> Variables {
        let Subject { variables: own, metadata, account, .. } = self.subject;
        let mut variables = Variables::default();
        for (name, value) in metadata.variables(own) {
            variables.set(name, value.map(OsString::from));
        }
        variables.extend(client);
        variables.log_in(account);
        variables.extend(self.agent.clone());
        if let Some(terminal) = terminal {
            // Without a word of ours the engine would choose one.
            variables.set("TERM", Some(terminal.term.clone()).filter(|term| !term.is_empty()));
        }
        if let Some((name, value)) = marker.map(Marker::variable) {
            variables.set(OsStr::new(name), Some(value.into()));
        }
        variables
    }

    async fn has_helper(&self, docker: &Docker) -> Result<bool, EngineError> {
        let container = &self.subject.id;
        let files = Files { docker, container, cache: self.engine.files() };
        files.exists(HELPER).await.map_err(|error| self.engine.error(error))
    }

    /// Creates the command; answers the engine's id of it.
    async fn create(&self, docker: &Docker, config: ExecConfig) -> Result<String, EngineError> {
        let created = docker.create_exec(&self.subject.id, config).await;
        let id = created.map_err(|error| self.engine.error(error))?.id;
        let bad = || EngineError::BadAnswer { reason: "a command without an id".to_owned() };
        Some(id).filter(|id| is_id(id)).ok_or_else(bad)
    }
}

/// Whether it is a size at all; an unknown one is 0.
fn is_size(size: &Size) -> bool {
    size.rows != 0 && size.cols != 0
}
