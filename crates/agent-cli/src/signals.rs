//! What SIGINT and SIGTERM do to a run: it is dropped, which removes its temporary files.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code of a run that SIGINT ended.
const BY_SIGINT: u8 = 130;
/// The exit code of a run that SIGTERM ended, as a shell shows it.
const BY_SIGTERM: u8 = 143;

/// Waits for the exit code of a run, and cancels `interrupt` when SIGINT or SIGTERM arrives first.
///
/// A second signal ends the wait. The code is 143 when SIGTERM ended the run.
///
/// # Errors
///
/// When signals cannot be received.
pub async fn until_signaled(
    interrupt: CancellationToken,
    run: impl Future<Output = u8>,
) -> io::Result<u8> {
    let mut signals = Signals {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
    };
    let mut run = std::pin::pin!(run);
    let by_signal = tokio::select! {
        code = &mut run => return Ok(code),
        code = signals.next() => code,
    };
    interrupt.cancel();
    tokio::select! {
        code = &mut run => Ok(if code == BY_SIGINT { by_signal } else { code }),
        code = signals.next() => Ok(code),
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// The exit code for the next signal.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => BY_SIGINT,
            _ = self.terminate.recv() => BY_SIGTERM,
        }
    }
}
