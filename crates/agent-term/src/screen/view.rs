//! One connection's `screen`: what it draws goes to the connection, what the connection types goes
//! to it; the session itself is not known here.

use std::{io, sync::Arc};

use agent_exec::{Child, ExitStatus, Pty, Size, hang_up};
use bytes::{Buf, Bytes};
use tokio::{
    sync::{Notify, watch},
    task::yield_now,
};
use tokio_util::sync::CancellationToken;

use super::control::Controls;
use crate::{
    Error,
    input::InputQueue,
    outbox::Outbox,
    statistics::{Counters, ErrorType},
};

/// Most output that is read before anything else gets its turn.
const READ_BYTES: usize = 64 * 1024;
/// Most output that is read after the end: more than the system keeps.
const DRAIN_BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct View {
    pub(super) controls: Arc<Controls>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) queue: Arc<InputQueue>,
    pub(super) counters: Arc<Counters>,
    pub(super) sizes: watch::Receiver<Size>,
    /// The connection has taken what it had and wants to see all of it again.
    pub(super) again: Arc<Notify>,
    pub(super) stop: CancellationToken,
    /// Told of each output.
    pub(super) printed: Arc<Notify>,
    /// Told of the first output at each new size.
    pub(super) drawn: Arc<Notify>,
    /// Whether there was output at the present size.
    pub(super) is_fitted: bool,
}

/// How a view ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It was told to.
    Stopped,
    /// Its `screen` ended.
    Ended(ExitStatus),
    /// It could not be started, or not be read.
    Failed,
}

/// What ended one `screen`.
enum Why {
    Again,
    Left(Left),
}

impl View {
    /// Shows until somebody ends it.
    pub(super) async fn run(mut self, mut started: (Child, Pty)) -> Left {
        loop {
            let (child, pty) = started;
            let why = self.show(&child, &pty).await;
            if !matches!(why, Why::Left(Left::Ended(_))) {
                hang_up(&child, pty).await;
            }
            match why {
                Why::Left(left) => {
                    self.queue.close();
                    return left;
                }
                Why::Again => match self.start_again().await {
                    Ok(again) => started = again,
                    Err(_) => {
                        self.counters.failed(ErrorType::ScreenSpawn);
                        self.queue.close();
                        return Left::Failed;
                    }
                },
            }
            // What the new one draws is the whole screen.
            self.outbox.resume(Bytes::new());
        }
    }

    async fn start_again(&mut self) -> Result<(Child, Pty), Error> {
        let size = *self.sizes.borrow_and_update();
        self.is_fitted = false;
        self.controls.view().start(self.controls.launcher(), size).await
    }

    async fn show(&mut self, child: &Child, pty: &Pty) -> Why {
        let mut exit = std::pin::pin!(child.wait());
        let mut typed = Bytes::new();
        let mut is_hung_up = false;
        loop {
            tokio::select! {
                exit = &mut exit => {
                    self.drain(pty).await;
                    return Why::Left(Left::Ended(exit.status));
                }
                () = self.stop.cancelled() => return Why::Left(Left::Stopped),
                () = self.again.notified() => return Why::Again,
                Ok(()) = self.sizes.changed() => {
                    let size = *self.sizes.borrow_and_update();
                    if pty.resize(size).is_err() {
                        self.counters.failed(ErrorType::Resize);
                    }
                    self.is_fitted = false;
                }
                written = pty.write(&typed), if !typed.is_empty() => {
                    self.wrote(&mut typed, written);
                }
                taken = self.queue.take(), if typed.is_empty() => typed = taken,
                ready = pty.readable(), if !is_hung_up => {
                    let read = ready.and_then(|ready| {
                        let read = self.read(pty);
                        if matches!(&read, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
                            ready.clear();
                        }
                        read
                    });
                    match read {
                        Ok(0) => is_hung_up = true,
                        Ok(_) => yield_now().await,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(_) => {
                            self.counters.failed(ErrorType::ScreenOutputReader);
                            return Why::Left(Left::Failed);
                        }
                    }
                }
            }
        }
    }

    async fn drain(&mut self, pty: &Pty) {
        let mut read = 0;
        while let Ok(more @ 1..) = self.read(pty) {
            read += more;
            if read > DRAIN_BYTES {
                return;
            }
            yield_now().await;
        }
    }

    /// Hands on what is there: how much, 0 when nobody will print any more.
    fn read(&mut self, pty: &Pty) -> io::Result<usize> {
        let mut buffer = [0; READ_BYTES];
        let length = pty.try_read(&mut buffer)?;
        if length > 0 {
            self.outbox.push(&Bytes::copy_from_slice(&buffer[..length]));
            self.printed.notify_one();
            if !std::mem::replace(&mut self.is_fitted, true) {
                self.drawn.notify_one();
            }
        }
        Ok(length)
    }

    fn wrote(&self, typed: &mut Bytes, written: io::Result<usize>) {
        let length = match written {
            Ok(length) => length,
            Err(error) => {
                if error.kind() != io::ErrorKind::BrokenPipe {
                    self.counters.failed(ErrorType::ScreenWrite);
                }
                typed.len()
            }
        };
        typed.advance(length);
        self.queue.done(length);
    }
}
