//! A fake engine: the container `web` runs, `old` does not, and there is no other.

use std::sync::atomic::{AtomicBool, Ordering};

use agent_api::{Classify, ErrorCode};
use agent_exec::{
    Cgroups, Command, Environment, Foreign, ForeignError, Launcher, Limits, Stdio, command_line,
};
use agent_ssh::{ContainerCommand, Containers};
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::local;

#[derive(Debug)]
pub(crate) struct Fleet {
    /// Whether there are no containers at all.
    pub(super) is_off: AtomicBool,
    /// What was asked for.
    pub(super) asked: Mutex<Vec<ContainerCommand>>,
    /// A start needs one of these.
    pub(super) starts: Semaphore,
    launcher: Launcher,
}

impl Default for Fleet {
    fn default() -> Self {
        let config = agent_exec::Config { cgroups: Cgroups::Off, ..Default::default() };
        Self {
            is_off: AtomicBool::new(false),
            asked: Mutex::default(),
            starts: Semaphore::new(1000),
            launcher: Launcher::new(config),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("container `{0}` not found")]
    NoContainer(String),
    #[error("container `{0}` is not running")]
    NotRunning(String),
    #[error("there is no user `{0}` in the container")]
    NoUser(String),
    #[error("not a command")]
    CommandLine(#[source] agent_exec::CommandLineError),
    #[error("the engine refused")]
    Engine(#[source] std::io::Error),
}

impl Classify for Refusal {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoContainer(_) | Self::NoUser(_) => ErrorCode::NotFound,
            Self::NotRunning(_) => ErrorCode::Conflict,
            Self::CommandLine(_) => ErrorCode::InvalidArgument,
            Self::Engine(_) => ErrorCode::BadGateway,
        }
    }
}

impl Fleet {
    /// One that starts nothing before it may.
    pub(super) fn held() -> Self {
        Self { starts: Semaphore::new(0), ..Self::default() }
    }

    async fn start(&self, command: ContainerCommand) -> Result<Foreign, Refusal> {
        let ContainerCommand { container, user, text, variables, terminal } = command;
        match container.as_str() {
            "web" | "4f66ad" => {}
            "old" => return Err(Refusal::NotRunning(container)),
            _ => return Err(Refusal::NoContainer(container)),
        }
        if let Some(user) = user.clone().filter(|user| user != "me") {
            return Err(Refusal::NoUser(user));
        }
        let args = command_line("/bin/sh".as_ref(), &text.unwrap_or_default());
        let mut env: Environment = variables.into_iter().collect();
        env.set("PATH", "/usr/bin:/bin");
        env.set("INSIDE", container);
        if let Some(terminal) = terminal.as_ref().filter(|terminal| !terminal.term.is_empty()) {
            env.set("TERM", &terminal.term);
        }
        let command = Command {
            args: args.map_err(Refusal::CommandLine)?,
            workdir: "/".into(),
            env,
            // Of no importance to who starts it.
            stdio: Stdio::Terminal(agent_exec::Size::default()),
            account: None,
            limits: Limits::default(),
            id: Uuid::new_v4(),
        };
        let size = terminal.map(|terminal| terminal.size);
        local::start(&self.launcher, command, size).await.map_err(Refusal::Engine)
    }
}

#[async_trait]
impl Containers for Fleet {
    fn is_enabled(&self) -> bool {
        !self.is_off.load(Ordering::Relaxed)
    }

    async fn exec(&self, command: ContainerCommand) -> Result<Foreign, ForeignError> {
        self.asked.lock().push(command.clone());
        let start = self.starts.acquire().await.expect("it is never closed");
        start.forget();
        self.start(command).await.map_err(ForeignError::new)
    }
}

impl Fleet {
    /// The only thing that was asked for.
    #[track_caller]
    pub(super) fn only(&self) -> ContainerCommand {
        let mut asked = self.asked.lock();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked.remove(0)
    }

    /// Waits until something was asked for.
    pub(super) async fn is_asked(&self) {
        crate::harness::until(|| !self.asked.lock().is_empty()).await;
    }
}
