//! A command that runs in a container: how it ends, and what is done to it meanwhile.

use std::{io, sync::Arc, time::Duration};

use agent_exec::{ExitStatus, ForeignHandle, Scope, Signal, Size};
use async_trait::async_trait;
use bollard::{Docker, errors::Error};
use tokio::{
    sync::OnceCell,
    task::spawn_blocking,
    time::{Instant, sleep, timeout},
};
use tracing::warn;

use super::{
    helper::{Marker, Who},
    host::{self, OtherTree},
    output::Flow,
    size::Sizes,
};

/// The code of a command whose container stopped, if the engine has none: killed.
const KILLED: i32 = 137;
/// What a shell answers for a program that is not there, and for one that cannot be executed.
const NOT_FOUND: i32 = 127;
const NOT_EXECUTABLE: i32 = 126;
/// When a command whose output goes on is looked at for the first time.
const FIRST_LOOK: Duration = Duration::from_millis(100);
/// Between two looks: first, longest when it should end any moment, longest otherwise, and longest
/// when its end is told by somebody else.
const PAUSE: Duration = Duration::from_millis(1);
const SOON: Duration = Duration::from_millis(50);
const LATER: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_secs(5);
/// Longest time without an answer of the engine.
const GIVE_UP: Duration = Duration::from_secs(10);
/// Longest wait for the start of a command whose output has ended already.
const NEVER: Duration = Duration::from_secs(2);
/// Longest wait for a command's start and for its last words.
const START: Duration = Duration::from_secs(10);
/// How long a command may go on without its terminal.
const GRACE: Duration = Duration::from_secs(5);

/// A command in a container.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) docker: Docker,
    /// Full id of the container.
    pub(super) container: String,
    /// The engine's id of the command.
    pub(super) exec: String,
    /// The user as the engine was told.
    pub(super) user: Option<String>,
    pub(super) has_terminal: bool,
    /// What it is found by where the table of processes is not the engine's.
    pub(super) marker: Option<Marker>,
    pub(super) flow: Arc<Flow>,
    pub(super) ended: OnceCell<ExitStatus>,
    pub(super) tree: OnceCell<Option<Arc<OtherTree>>>,
    pub(super) sizes: Sizes,
}

/// What the engine says of a command.
#[derive(Clone, Copy, Debug)]
enum Look {
    /// It is about to start, or its end has not been told.
    Waiting,
    /// It runs, as this process on the engine's machine if that is told.
    Running(Option<u32>),
    Ended(i32),
    /// The engine does not know it any more, and so no code.
    Gone,
    /// The engine cannot be asked.
    Unknown,
}

impl Handle {
    /// Waits for the end and the engine's code.
    async fn until_ended(&self) -> ExitStatus {
        // Most commands are short, and their output ends when they do.
        let _ = timeout(FIRST_LOOK, self.flow.ended()).await;
        let mut pause = PAUSE;
        let mut answered = Instant::now();
        loop {
            match self.look().await {
                Look::Ended(code) => return ExitStatus::Exited(code),
                Look::Gone => return ExitStatus::Exited(KILLED),
                Look::Running(pid) => {
                    answered = Instant::now();
                    self.pause(pid, &mut pause).await;
                    continue;
                }
                // With its output ended it will not start any more.
                Look::Waiting if self.flow.has_ended() && answered.elapsed() > NEVER => {
                    return ExitStatus::Exited(KILLED);
                }
                Look::Unknown if answered.elapsed() > GIVE_UP => {
                    warn!(exec.id = %self.exec, "the engine does not tell how a command ended");
                    return ExitStatus::Lost;
                }
                Look::Waiting | Look::Unknown => {}
            }
            self.pause(None, &mut pause).await;
        }
    }

    /// Waits until another look is worth it: something ended, or long enough.
    async fn pause(&self, pid: Option<u32>, pause: &mut Duration) {
        let is_over = self.flow.has_ended();
        let tree = match pid {
            Some(pid) => self.tree_of(pid).await,
            None => None,
        };
        let output_ends = async {
            if is_over {
                std::future::pending::<()>().await;
            }
            self.flow.ended().await;
        };
        let Some(tree) = tree else {
            let _ = timeout(*pause, output_ends).await;
            *pause = (*pause * 2).min(LATER);
            return;
        };
        let is_gone = timeout(Duration::ZERO, tree.ended()).await.is_ok();
        if is_over || is_gone {
            // The engine is about to learn it, too.
            let ends =
                async { if is_gone { std::future::pending().await } else { tree.ended().await } };
            let _ = timeout(*pause, ends).await;
            *pause = (*pause * 2).min(if is_gone { SOON } else { LATER });
            return;
        }
        *pause = PAUSE;
        tokio::select! {
            () = output_ends => {}
            () = tree.ended() => {}
            () = sleep(SELDOM) => {}
        }
    }

    async fn look(&self) -> Look {
        match self.docker.inspect_exec(&self.exec).await {
            Ok(state) => {
                let pid = state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
                match (state.running, state.exit_code) {
                    (Some(true), _) => Look::Running(pid),
                    (_, Some(code)) => Look::Ended(self.code(code, pid).await),
                    (_, None) => Look::Waiting,
                }
            }
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Look::Gone,
            Err(_) => Look::Unknown,
        }
    }

    /// The code as the protocol has it. Some engines say for a program that is not there what is
    /// said for one that cannot be executed, and tell the difference in words only.
    async fn code(&self, code: i64, pid: Option<u32>) -> i32 {
        let code = i32::try_from(code.rem_euclid(256)).unwrap_or(KILLED);
        if code != NOT_EXECUTABLE || pid.is_some() {
            return code;
        }
        let _ = timeout(START, self.flow.ended()).await;
        let words = String::from_utf8_lossy(self.flow.first());
        let is_missing = ["executable file not found", "no such file or directory"]
            .into_iter()
            .any(|cause| words.contains(cause));
        if words.contains("exec: \"") && is_missing { NOT_FOUND } else { code }
    }

    /// The processes of the command, if they are in the table here.
    async fn tree_of(&self, pid: u32) -> Option<Arc<OtherTree>> {
        self.tree.get_or_init(|| host::find(pid, &self.container)).await.clone()
    }

    /// Signals those who are meant; answers whether that was anybody.
    async fn reach(&self, signal: Signal, who: Who) -> io::Result<bool> {
        let known = self.tree.get().cloned().flatten();
        let tree = match (known, self.started().await?) {
            (Some(tree), _) => Some(tree),
            (None, Some(pid)) => self.tree_of(pid).await,
            // What it left behind has its mark.
            (None, None) if who == Who::Tree && self.marker.is_some() => None,
            (None, None) => return Ok(false),
        };
        if let Some(tree) = tree {
            let reached = spawn_blocking(move || signal_tree(&tree, signal, who)).await;
            let reached = reached.map_err(io::Error::other)?;
            match (reached, &self.marker) {
                (Err(error), Some(_)) if error.kind() == io::ErrorKind::PermissionDenied => {}
                (reached, _) => return Ok(reached? > 0),
            }
        }
        let unseen = "the processes of the container cannot be seen from here";
        let marker =
            self.marker.as_ref().ok_or(io::Error::new(io::ErrorKind::Unsupported, unseen))?;
        let user = self.user.as_deref();
        marker.signal(&self.docker, &self.container, user, signal, who).await
    }

    /// Waits until the command has started; answers its process, or `None` when it has ended.
    async fn started(&self) -> io::Result<Option<u32>> {
        if self.ended.initialized() {
            return Ok(None);
        }
        let deadline = Instant::now() + START;
        loop {
            match self.look().await {
                Look::Running(Some(pid)) => return Ok(Some(pid)),
                Look::Ended(_) | Look::Gone => return Ok(None),
                Look::Running(None) | Look::Waiting | Look::Unknown => {}
            }
            if Instant::now() >= deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            sleep(SOON / 10).await;
        }
    }

    /// Waits until the command is gone, at most for a while; answers whether it is.
    async fn is_gone_within(&self, limit: Duration) -> bool {
        let gone = async {
            match self.tree.get() {
                Some(Some(tree)) => tree.ended().await,
                _ => drop(self.wait().await),
            }
        };
        timeout(limit, gone).await.is_ok()
    }

    /// Signals and notes in the log what does not work.
    async fn try_reach(&self, signal: Signal, who: Who) {
        if let Err(error) = self.reach(signal, who).await {
            let error = agent_api::io_text(&error);
            warn!(exec.id = %self.exec, %signal, %error, "a command in a container is not signaled");
        }
    }
}

#[async_trait]
impl ForeignHandle for Handle {
    async fn resize(&self, size: Size) -> io::Result<()> {
        self.sizes.set(size).await.map_err(io::Error::other)
    }

    async fn signal(&self, signal: Signal) -> io::Result<bool> {
        if self.ended.initialized() {
            return Ok(false);
        }
        self.reach(signal, if self.has_terminal { Who::Foreground } else { Who::Tree }).await
    }

    async fn hang_up(&self) {
        for signal in [Signal::HUP, Signal::CONT] {
            self.try_reach(signal, Who::Groups).await;
        }
        if !self.is_gone_within(GRACE).await {
            self.try_reach(Signal::KILL, Who::Leader).await;
            self.is_gone_within(GRACE).await;
        }
    }

    async fn kill(&self) {
        self.try_reach(Signal::KILL, Who::Tree).await;
    }

    async fn wait(&self) -> ExitStatus {
        *self.ended.get_or_init(|| self.until_ended()).await
    }
}

fn signal_tree(tree: &OtherTree, signal: Signal, who: Who) -> io::Result<usize> {
    match who {
        Who::Tree => tree.signal(signal, Scope::Tree),
        Who::Foreground => tree.signal_foreground(signal),
        Who::Leader => tree.signal(signal, Scope::Leader),
        Who::Groups => {
            // The foreground is asked for first: the command's own end would hide it.
            let foreground = tree.signal_foreground(signal);
            let own = tree.signal(signal, Scope::Group)?;
            Ok(own + foreground.unwrap_or(0))
        }
    }
}
