//! Commands that run where the launcher cannot reach, such as in a container: what their starter
//! hands over, and what can be done to them. How they are started is not known here.

use std::{error::Error, fmt, io, sync::Arc};

use agent_api::{Classify, ErrorCode};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::AsyncWrite;
use tokio_util::task::TaskTracker;

use crate::{ExitStatus, Signal, Size};

/// A running command, in three parts that can be used beside each other.
///
/// Dropping the first two closes its pipes and ends nothing; the third goes on working then.
pub struct Foreign {
    /// Its standard input, or what is typed into its terminal; a shutdown is the end of it. What is
    /// written is on its way without a flush.
    pub input: Box<dyn AsyncWrite + Send + Unpin>,
    /// What it prints.
    pub output: Box<dyn ForeignOutput>,
    /// The command itself.
    pub handle: Arc<dyn ForeignHandle>,
}

/// A piece of what a command prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForeignData {
    /// From its standard output, or from its terminal.
    Output(Bytes),
    /// From its standard error, which a terminal does not have.
    ErrorOutput(Bytes),
}

/// What a foreign command prints, in order; a reader that stalls stops the command in the end.
#[async_trait]
pub trait ForeignOutput: Send {
    /// The next piece; `None` when nothing more comes.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost.
    async fn next(&mut self) -> Option<io::Result<ForeignData>>;
}

/// A foreign command, from its start until after its end.
#[async_trait]
pub trait ForeignHandle: Send + Sync + fmt::Debug {
    /// Changes the size of its terminal.
    async fn resize(&self, size: Size) -> io::Result<()>;

    /// Signals the foreground of its terminal, or without one everything that it started; `false`
    /// when there is nobody.
    async fn signal(&self, signal: Signal) -> io::Result<bool>;

    /// Whether a break on its terminal's line would interrupt: `BRKINT` set and `IGNBRK` clear
    /// (termios(3)); `false` where nobody can tell, as for a terminal that is left as it was made.
    async fn interrupts_on_break(&self) -> bool {
        false
    }

    /// Takes its terminal away: `SIGHUP`, then `SIGCONT`, and after five seconds `SIGKILL`. Returns
    /// when it is gone.
    async fn hang_up(&self);

    /// Kills it and everything that it started.
    async fn kill(&self);

    /// How it ended, as soon as that is known; may be asked any number of times, and of what it
    /// printed there may be some left.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost.
    async fn wait(&self) -> ExitStatus;
}

impl Foreign {
    /// Sees a start through, whether or not somebody waits for it; a command that nobody takes is
    /// killed.
    ///
    /// # Errors
    ///
    /// Those of the start.
    ///
    /// # Panics
    ///
    /// When the start does.
    pub async fn start<E: Send + 'static>(
        tasks: &TaskTracker,
        start: impl Future<Output = Result<Self, E>> + Send + 'static,
    ) -> Result<Self, E> {
        let owner = tasks.clone();
        let starting = async move {
            let started = start.await?;
            Ok(Unclaimed { started: Some(started), tasks: owner })
        };
        match tasks.spawn(starting).await {
            Ok(started) => Ok(started?.claim()),
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime stops, and whoever waits with it.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

/// A command that nobody has taken yet; dropped, it is killed.
struct Unclaimed {
    started: Option<Foreign>,
    tasks: TaskTracker,
}

impl Unclaimed {
    fn claim(mut self) -> Foreign {
        self.started.take().expect("only claiming takes the command")
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        let Some(Foreign { handle, .. }) = self.started.take() else { return };
        // Without a runtime there is nothing that could have reached it, or it is gone.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            self.tasks.spawn_on(async move { handle.kill().await }, &runtime);
        }
    }
}

/// Why a foreign command was not started, in the words of whoever should have.
#[derive(Clone, Debug)]
pub struct ForeignError {
    code: ErrorCode,
    cause: Arc<dyn Error + Send + Sync>,
}

impl ForeignError {
    /// Takes over a failure with its code, words and sources.
    pub fn new(failure: impl Classify + Send + Sync + 'static) -> Self {
        Self { code: failure.code(), cause: Arc::new(failure) }
    }
}

impl fmt::Display for ForeignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl Error for ForeignError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

impl Classify for ForeignError {
    fn code(&self) -> ErrorCode {
        self.code
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Foreign").field("handle", &self.handle).finish_non_exhaustive()
    }
}
