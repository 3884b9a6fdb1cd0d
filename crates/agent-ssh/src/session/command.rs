//! The command of a session: what it is given, how it starts, and its path to the client.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use agent_exec::{Command, ErrorOutput, Input, Limits, Stdio, Terminal, command_line};
use agent_ssh_protocol::ChannelInput;
use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::{
    Session,
    greeting::Greeting,
    pipes,
    plan::{Action, Plan},
    report::{Failure, Report},
    running::{Here, Running},
    setup::{Setup, WantedTerminal},
    terminal,
    variables::Added,
};
use crate::{
    Workspace,
    agent::{self, AgentContext, AgentForward},
    statistics::SessionError,
    x11::{self, X11Context, X11Forward, X11Request},
};

/// What was made for a session beside its command, and goes with it.
#[derive(Debug, Default)]
struct Forwards {
    agent: Option<AgentForward>,
    x11: Option<X11Forward>,
}

impl Session {
    /// Runs a command to its end, and everything that it wrote to the client.
    pub(super) async fn command(
        &self,
        setup: Setup,
        plan: Plan,
        input: ChannelInput,
    ) -> Result<Report, Failure> {
        let Setup { terminal, variables, wants_agent, x11 } = setup;
        let forwards = self.forwards(wants_agent, x11).await?;
        let (pty, far, term) = match terminal {
            Some(WantedTerminal { terminal: Terminal { pty, far }, term, .. }) => {
                (Some(pty), Some(far), term)
            }
            None => (None, None, Vec::new()),
        };
        if pty.is_some() && plan.greets {
            self.greet().await;
        }
        let stdio = match far {
            Some(far) => Stdio::Opened(far),
            None => Stdio::Pipes { stdin: Input::Pipe, stderr: ErrorOutput::Pipe },
        };
        let wanted = Wanted {
            action: plan.action,
            client: variables.into_layer(),
            tty: pty.as_ref().map(|pty| (pty.path().to_owned(), term)),
            original_command: plan.original_command,
        };
        let mut child = self.spawn(wanted, stdio, &forwards).await?;
        let ends = pipes::Ends::take(&mut child);
        let running = self.set_running(Running::Here(Here { child, terminal: pty }));
        let report = match (running, ends) {
            (Running::Here(Here { child, terminal: Some(pty) }), _) => {
                terminal::run(self, child, pty, input).await
            }
            (Running::Here(Here { child, .. }), Some(ends)) => {
                pipes::run(self, child, ends, input).await
            }
            _ => Err(Failure::Lost),
        };
        drop(forwards);
        report
    }

    async fn spawn(
        &self,
        wanted: Wanted,
        stdio: Stdio,
        forwards: &Forwards,
    ) -> Result<agent_exec::Child, Failure> {
        let (server, id, peer) = (&self.context.server, self.id, self.context.peer);
        let workspace = server.workspace.clone();
        let agent = forwards.agent.as_ref().map(|agent| agent.path.clone());
        let display =
            forwards.x11.as_ref().map(|x11| (x11.display.clone(), x11.xauthority.clone()));
        let prepare = move || {
            let args = wanted.arguments(&*workspace)?;
            let mut env = workspace.environment(&wanted.client);
            let added = Added {
                peer,
                terminal: wanted.tty.as_ref().map(|(tty, term)| (tty.as_path(), term.as_slice())),
                agent: agent.as_deref(),
                display: display.as_ref().map(|(name, file)| (name.as_str(), file.as_path())),
                original_command: wanted.original_command.as_deref(),
            };
            added.lay(&mut env);
            let (workdir, limits) = (workspace.working_directory(), Limits::default());
            Ok(Command { args, workdir, env, stdio, account: None, limits, id })
        };
        let prepared = spawn_blocking(prepare).await.map_err(|_| Failure::Stopping)?;
        let prepared: Command = prepared.map_err(Failure::CommandLine)?;
        Ok(server.launcher.spawn(prepared).await?)
    }

    /// Makes the agent's socket and the display that the client asked for.
    async fn forwards(&self, agent: bool, x11: Option<X11Request>) -> Result<Forwards, Failure> {
        let (context, server) = (&self.context, &self.context.server);
        let mut forwards = Forwards::default();
        if agent {
            let context = AgentContext {
                connection: context.connection.clone(),
                state_dir: server.config.state_dir.clone(),
                links: server.links.clone(),
                tasks: server.tasks.clone(),
                stop: context.stop.clone(),
            };
            forwards.agent = Some(agent::start(&context).await.map_err(Failure::Agent)?);
        }
        if let Some(request) = x11 {
            let context = X11Context {
                connection: context.connection.clone(),
                displays: server.displays.clone(),
                counters: server.counters.clone(),
                home: server.workspace.home().to_owned(),
                tasks: server.tasks.clone(),
                stop: context.stop.clone(),
                evicted: self.evicted.clone(),
            };
            forwards.x11 = Some(x11::start(&context, request).await.map_err(Failure::X11)?);
        }
        Ok(forwards)
    }

    /// Shows banners and the message of the day; what cannot be shown is not.
    pub(super) async fn greet(&self) {
        let config = &self.context.server.config;
        let (banners, motd) = (config.banner_files.clone(), config.motd_file.clone());
        let home: PathBuf = self.context.server.workspace.home().to_owned();
        let read = move || Greeting::read(&banners, motd.as_deref(), &home);
        let Ok(Greeting { banners, motd }) = spawn_blocking(read).await else { return };
        for banner in banners {
            if self.output.write(Bytes::from(banner)).await.is_err() {
                return self.failed(SessionError::AnnouncementBanner);
            }
        }
        if !motd.is_empty() && self.output.write(Bytes::from(motd)).await.is_err() {
            self.failed(SessionError::Motd);
        }
    }
}

/// What a command is made of, from the client's side.
struct Wanted {
    action: Action,
    client: Vec<(OsString, OsString)>,
    tty: Option<(PathBuf, Vec<u8>)>,
    original_command: Option<Vec<u8>>,
}

impl Wanted {
    fn arguments(
        &self,
        workspace: &dyn Workspace,
    ) -> Result<Vec<OsString>, agent_exec::CommandLineError> {
        let shell: &Path = workspace.shell();
        match &self.action {
            Action::Text(text) => command_line(shell, text),
            Action::Nothing => {
                Ok([shell.as_os_str(), OsStr::new("-c"), OsStr::new("")].map(Into::into).into())
            }
            _ => command_line(shell, b""),
        }
    }
}
