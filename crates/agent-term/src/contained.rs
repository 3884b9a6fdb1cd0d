//! A program on a terminal in a container: how it starts, is served like one on the host, and ends.

use std::{io, sync::Arc, time::Duration};

use agent_exec::{Foreign, ForeignData, ForeignHandle, Size};
use bytes::Bytes;
use tokio::{
    io::AsyncWriteExt,
    task::yield_now,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    ContainerCommand, Error,
    buffered::{DRAIN_BYTES, Far, Screen},
    control::{Control, until},
    environment::TERM,
    raw::overdue,
    service::Shared,
    statistics::ErrorType,
    terminal::Why,
};

/// After the exit, how long nothing must come until everything that the program wrote is there.
/// Only the engine knows the end of its output, and says it where nobody else holds the terminal.
const QUIET: Duration = Duration::from_millis(500);
/// How long a terminal that cannot be read may take to say how its program ended.
const EXIT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an engine may take to change a size: nothing is shown meanwhile.
const RESIZE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long an engine may take to hang a program up, which has five seconds to end.
const END_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one may take to kill a program.
const KILL_TIMEOUT: Duration = Duration::from_secs(1);

/// Where a program runs that does not run on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) container: String,
    pub(crate) user: Option<String>,
}

/// A program in a container.
#[derive(Debug)]
pub(crate) struct Contained {
    program: Foreign,
    /// Nothing more comes of it.
    is_over: bool,
}

impl Contained {
    /// Starts what a terminal of this size is to run.
    ///
    /// # Errors
    ///
    /// There are no containers, or not this one, or the program cannot be started.
    pub(crate) async fn start(
        shared: &Arc<Shared>,
        place: &Place,
        text: String,
        size: Size,
    ) -> Result<Self, Error> {
        let containers = Arc::clone(shared.containers().ok_or(Error::ContainersOff)?);
        let Place { container, user } = place.clone();
        let command = ContainerCommand { container, user, text, size, term: TERM };
        let owner = Arc::clone(shared);
        let start = async move {
            tokio::select! {
                started = containers.exec(command) => started.map_err(Error::Container),
                // The service waits for this.
                () = overdue(&owner) => Err(Error::ShuttingDown),
            }
        };
        let program = Foreign::start(&shared.tasks, start).await?;
        Ok(Self { program, is_over: false })
    }

    /// Shows what it prints and types what is typed until it ends or the terminal does.
    pub(crate) async fn live(&mut self, screen: &mut Screen, control: &mut Control) -> Why {
        let Self { program: Foreign { input, output, handle }, is_over } = self;
        let mut exit = handle.wait();
        let mut typed = Bytes::new();
        // When a terminal that cannot be read is given up.
        let mut deadline = None;
        loop {
            tokio::select! {
                event = control.next() => {
                    let far = Far::Contained(&**handle);
                    if let Some(cause) = screen.handle(control, far, event).await {
                        return Why::Cause(cause);
                    }
                }
                status = &mut exit => return Why::Exited(Some(status)),
                written = input.write(&typed), if !typed.is_empty() => {
                    screen.wrote(&mut typed, some(written));
                }
                taken = screen.take_typed(), if typed.is_empty() => typed = taken,
                () = yield_now(), if screen.is_behind() => screen.show_more(control),
                piece = output.next(), if !*is_over && !screen.is_behind() => match piece {
                    Some(Ok(ForeignData::Output(bytes) | ForeignData::ErrorOutput(bytes))) => {
                        screen.show_piece(control, bytes);
                        // Other tasks wait for this thread.
                        yield_now().await;
                    }
                    Some(Err(error)) => {
                        let error = agent_api::io_text(&error);
                        warn!(%error, "a terminal in a container cannot be read");
                        screen.failed(ErrorType::OutputReader);
                        (*is_over, deadline) = (true, Some(Instant::now() + EXIT_TIMEOUT));
                    }
                    None => *is_over = true,
                },
                () = until(deadline) => return Why::Failed,
            }
        }
    }

    /// Shows what it left behind.
    pub(crate) async fn drain(&mut self, screen: &mut Screen, control: &Control) {
        let mut rest = DRAIN_BYTES;
        loop {
            while screen.is_behind() {
                yield_now().await;
                screen.show_more(control);
            }
            if self.is_over || rest == 0 {
                return;
            }
            match timeout(QUIET, self.program.output.next()).await {
                Ok(Some(Ok(ForeignData::Output(bytes) | ForeignData::ErrorOutput(bytes)))) => {
                    rest = rest.saturating_sub(bytes.len());
                    screen.show_piece(control, bytes);
                }
                Ok(Some(Err(_)) | None) | Err(_) => return,
            }
        }
    }

    /// Takes its terminal away and waits until it is gone, or kills it when there is no time left.
    pub(crate) async fn end(self, kill: &CancellationToken) {
        let Foreign { handle, .. } = self.program;
        let hanging_up = timeout(END_TIMEOUT, handle.hang_up());
        if kill.run_until_cancelled(hanging_up).await.is_none() {
            let killed = async {
                handle.kill().await;
                handle.wait().await;
            };
            let _ = timeout(KILL_TIMEOUT, killed).await;
        }
    }
}

/// Changes the size of a terminal in a container.
///
/// # Errors
///
/// The engine refuses it, or does not answer.
pub(crate) async fn resize(handle: &dyn ForeignHandle, size: Size) -> io::Result<()> {
    timeout(RESIZE_TIMEOUT, handle.resize(size)).await?
}

/// A terminal that takes nothing has been closed.
fn some(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Ok(0) => Err(io::ErrorKind::BrokenPipe.into()),
        written => written,
    }
}
