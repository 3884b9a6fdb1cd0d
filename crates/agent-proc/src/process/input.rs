//! The input of a process: who may write into it, in which order, and how long anybody waits.

use std::{io, pin::Pin, sync::Arc, time::Duration};

use agent_api::WriteProcessInputResponse;
use agent_exec::{Pty, Sender};
use bytes::Bytes;
use futures_util::poll;
use tokio::{
    sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::Status;
use crate::InputError;

/// Bodies that wait for one process; further ones wait at their clients.
const MAX_WAITING: usize = 16;

/// The input of one process.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    kind: Kind,
    /// The asynchronous mutex is the queue: it is given in the order of asking, and held while a
    /// body is on its way, so that bodies do not mix.
    end: Arc<Mutex<End>>,
    /// Bounds the bodies in memory.
    waiting: Arc<Semaphore>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Null,
    Pipe,
    Terminal,
}

/// Our end of an input.
#[derive(Debug)]
enum End {
    Closed,
    Pipe(Sender),
    Terminal(Arc<Pty>),
}

/// A body that has its place in the queue.
pub(crate) struct Queued {
    turn: Turn,
    body: Bytes,
    deadline: Instant,
    _waiting: OwnedSemaphorePermit,
}

enum Turn {
    Waits(Pin<Box<dyn Future<Output = OwnedMutexGuard<End>> + Send>>),
    Has(OwnedMutexGuard<End>),
}

/// What became of a body, and whether the input is closed now because nothing reads it.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) answer: Result<WriteProcessInputResponse, InputError>,
    pub(crate) found_closed: bool,
}

impl Input {
    /// An input that was never open, or is not any more.
    pub(crate) fn none() -> Self {
        Self::new(Kind::Null, End::Closed)
    }

    /// The input of a process of an earlier agent, which nobody holds.
    pub(crate) fn lost(was_open: bool, is_terminal: bool) -> Self {
        let kind = match (is_terminal, was_open) {
            (true, _) => Kind::Terminal,
            (false, true) => Kind::Pipe,
            (false, false) => Kind::Null,
        };
        Self::new(kind, End::Closed)
    }

    pub(crate) fn pipe(sender: Sender) -> Self {
        Self::new(Kind::Pipe, End::Pipe(sender))
    }

    pub(crate) fn terminal(terminal: Arc<Pty>) -> Self {
        Self::new(Kind::Terminal, End::Terminal(terminal))
    }

    fn new(kind: Kind, end: End) -> Self {
        let waiting = Arc::new(Semaphore::new(MAX_WAITING));
        Self { kind, end: Arc::new(Mutex::new(end)), waiting }
    }

    /// Checks that there ever was an input that may be closed.
    pub(crate) fn check_closable(&self) -> Result<(), InputError> {
        match self.kind {
            Kind::Null => Err(InputError::NeverOpen),
            Kind::Terminal => Err(InputError::Terminal),
            Kind::Pipe => Ok(()),
        }
    }

    /// Gives a body its place behind those that came before; `None` when there was none until the
    /// deadline.
    ///
    /// # Cancellation
    ///
    /// The body is dropped.
    pub(crate) async fn queue(
        &self,
        body: Bytes,
        wait: Duration,
    ) -> Result<Option<Queued>, InputError> {
        if self.kind == Kind::Null {
            return Err(InputError::NeverOpen);
        }
        let deadline = Instant::now() + wait;
        let waiting = Arc::clone(&self.waiting).acquire_owned();
        let Ok(waiting) = timeout_at(deadline, waiting).await else { return Ok(None) };
        let _waiting = waiting.expect("never closed");
        // Asked for here and not in the task that writes, because tasks begin in any order.
        let mut asked: Pin<Box<dyn Future<Output = _> + Send>> =
            Box::pin(Arc::clone(&self.end).lock_owned());
        let turn = match poll!(&mut asked) {
            std::task::Poll::Ready(end) => Turn::Has(end),
            std::task::Poll::Pending => Turn::Waits(asked),
        };
        Ok(Some(Queued { turn, body, deadline, _waiting }))
    }

    /// Closes the input behind the bodies that were queued before; answers whether it was open.
    pub(crate) async fn close(&self) -> bool {
        let mut end = self.end.lock().await;
        !matches!(std::mem::replace(&mut *end, End::Closed), End::Closed)
    }
}

impl Queued {
    /// Writes the body once it is its turn; ends at the deadline, when waiting ends for everybody,
    /// and at the exit of the process.
    pub(crate) async fn write(
        self,
        mut status: watch::Receiver<Status>,
        waits: CancellationToken,
    ) -> Written {
        let Self { turn, body, deadline, _waiting } = self;
        let turn = async {
            match turn {
                Turn::Has(end) => end,
                Turn::Waits(asked) => asked.await,
            }
        };
        let mut written = 0;
        let work = async {
            let mut end = turn.await;
            let result = end.write_all(&body, &mut written).await;
            let found_closed = result.as_ref().is_err_and(is_broken);
            if found_closed {
                *end = End::Closed;
            }
            (result, found_closed)
        };
        // The sender lives in the process, which this is a part of.
        let exited = status.wait_for(|status| !status.is_running());
        let outcome = tokio::select! {
            biased;
            _ = exited => Some((Err(InputError::Exited), false)),
            outcome = timeout_at(deadline, work) => outcome.ok(),
            () = waits.cancelled() => None,
        };
        let (result, found_closed) = outcome.unwrap_or((Ok(()), false));
        let answer = match result {
            // Part of the body is there; that it is only a part is said.
            Err(error) if written == 0 => Err(error),
            Ok(()) | Err(_) => Ok(WriteProcessInputResponse {
                written_bytes: written as u64,
                complete: written == body.len(),
            }),
        };
        Written { answer, found_closed }
    }
}

fn is_broken(error: &InputError) -> bool {
    matches!(error, InputError::Closed)
}

impl End {
    /// Writes everything, counting in `written` what has been.
    ///
    /// # Cancellation
    ///
    /// What is counted was written, and nothing else.
    async fn write_all(&self, body: &[u8], written: &mut usize) -> Result<(), InputError> {
        loop {
            let rest = &body[*written..];
            let wrote = match self {
                Self::Closed => return Err(InputError::Closed),
                _ if rest.is_empty() => return Ok(()),
                Self::Pipe(sender) => sender.write(rest).await,
                Self::Terminal(terminal) => terminal.write(rest).await,
            };
            *written += wrote.map_err(refused)?;
        }
    }
}

fn refused(error: io::Error) -> InputError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => InputError::Closed,
        _ => InputError::Io(error),
    }
}
