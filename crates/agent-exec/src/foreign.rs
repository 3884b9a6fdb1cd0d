//! Commands that run where the launcher cannot reach, such as in a container: what their starter
//! hands over, and what can be done to them. How they are started is not known here.

use std::{fmt, io, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::AsyncWrite;

use crate::{ExitStatus, Signal, Size};

/// A running command, in three parts that can be used beside each other.
pub struct Foreign {
    /// Its standard input, or what is typed into its terminal; a shutdown is the end of it.
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

/// What a foreign command prints, in order; a reader that stalls stops the command.
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

    /// Takes its terminal away: `SIGHUP`, then `SIGCONT`, and after five seconds `SIGKILL`. Returns
    /// when it is gone.
    async fn hang_up(&self);

    /// Kills it and everything that it started.
    async fn kill(&self);

    /// How it ended; may be asked any number of times.
    async fn wait(&self) -> ExitStatus;
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Foreign").field("handle", &self.handle).finish_non_exhaustive()
    }
}
