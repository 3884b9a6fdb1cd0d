//! A fake engine: the containers `web`, `broken` and `slow` run, `old` does not, and there is no
//! other. What is shown by `broken` cannot be read, and `slow` never answers a change of size.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use agent_api::{Classify, ErrorCode};
use agent_exec::{
    Cgroups, Command, Environment, ExitStatus, Foreign, ForeignData, ForeignError, ForeignHandle,
    ForeignOutput, Launcher, Limits, Signal, Size, Stdio, command_line,
};
use agent_term::{ContainerCommand, Containers};
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
    /// Changes of size so far.
    pub(super) resizes: Arc<AtomicUsize>,
    launcher: Launcher,
}

impl Default for Fleet {
    fn default() -> Self {
        let config = agent_exec::Config { cgroups: Cgroups::Off, ..Default::default() };
        Self {
            is_off: AtomicBool::new(false),
            asked: Mutex::default(),
            starts: Semaphore::new(1000),
            resizes: Arc::default(),
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
    #[error("the command cannot be started")]
    CommandLine(#[source] agent_exec::CommandLineError),
    #[error("the engine refused")]
    Engine(#[source] io::Error),
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
        let ContainerCommand { container, user, text, size, term } = command;
        match container.as_str() {
            "web" | "broken" | "slow" => {}
            "old" => return Err(Refusal::NotRunning(container)),
            "gone" => return Err(Refusal::Engine(io::ErrorKind::ConnectionRefused.into())),
            _ => return Err(Refusal::NoContainer(container)),
        }
        if let Some(user) = user.filter(|user| user != "me") {
            return Err(Refusal::NoUser(user));
        }
        let args = command_line("/bin/sh".as_ref(), text.as_bytes());
        let mut env: Environment =
            [("PATH", "/usr/bin:/bin"), ("TERM", term)].into_iter().collect();
        env.set("INSIDE", &container);
        let command = Command {
            args: args.map_err(Refusal::CommandLine)?,
            workdir: "/".into(),
            env,
            // Of no importance to who starts it.
            stdio: Stdio::Terminal(size),
            account: None,
            limits: Limits::default(),
            id: Uuid::new_v4(),
        };
        let started = local::start(&self.launcher, command, Some(size)).await;
        let Foreign { input, mut output, handle } = started.map_err(Refusal::Engine)?;
        if container == "broken" {
            output = Box::new(Broken(output));
        }
        let is_slow = container == "slow";
        let handle = Arc::new(Watched { handle, is_slow, resizes: Arc::clone(&self.resizes) });
        Ok(Foreign { input, output, handle })
    }
}

#[async_trait]
impl Containers for Fleet {
    fn is_enabled(&self) -> bool {
        !self.is_off.load(Ordering::Relaxed)
    }

    async fn exec(&self, command: ContainerCommand) -> Result<Foreign, ForeignError> {
        self.asked.lock().push(command.clone());
        self.starts.acquire().await.expect("it is never closed").forget();
        self.start(command).await.map_err(ForeignError::new)
    }
}

/// An output that fails after its first piece.
struct Broken(Box<dyn ForeignOutput>);

#[async_trait]
impl ForeignOutput for Broken {
    async fn next(&mut self) -> Option<io::Result<ForeignData>> {
        let next = self.0.next().await;
        self.0 = Box::new(Failing);
        next
    }
}

struct Failing;

#[async_trait]
impl ForeignOutput for Failing {
    async fn next(&mut self) -> Option<io::Result<ForeignData>> {
        Some(Err(io::ErrorKind::ConnectionReset.into()))
    }
}

/// A handle whose changes of size are counted.
#[derive(Debug)]
struct Watched {
    handle: Arc<dyn ForeignHandle>,
    is_slow: bool,
    resizes: Arc<AtomicUsize>,
}

#[async_trait]
impl ForeignHandle for Watched {
    async fn resize(&self, size: Size) -> io::Result<()> {
        self.resizes.fetch_add(1, Ordering::Relaxed);
        if self.is_slow {
            std::future::pending::<()>().await;
        }
        self.handle.resize(size).await
    }

    async fn signal(&self, signal: Signal) -> io::Result<bool> {
        self.handle.signal(signal).await
    }

    async fn hang_up(&self) {
        self.handle.hang_up().await;
    }

    async fn kill(&self) {
        self.handle.kill().await;
    }

    async fn wait(&self) -> ExitStatus {
        self.handle.wait().await
    }
}
