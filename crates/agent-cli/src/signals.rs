//! What signals do to a run: a command that asked for them gets them; otherwise the run is dropped,
//! which removes its temporary files and restores the terminal.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

/// Signals that wait for a command; a person does not press that many keys, so more are dropped.
const WAITING: usize = 16;

/// A signal that this process received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LocalSignal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGQUIT: Ctrl-\.
    Quit,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal went away.
    Hangup,
    /// SIGWINCH: the terminal has another size.
    Resized,
    /// SIGCONT: the process was stopped and goes on.
    Continued,
}

impl LocalSignal {
    const ALL: [Self; 6] = [
        Self::Interrupt,
        Self::Quit,
        Self::Terminate,
        Self::Hangup,
        Self::Resized,
        Self::Continued,
    ];

    fn kind(self) -> SignalKind {
        match self {
            Self::Interrupt => SignalKind::interrupt(),
            Self::Quit => SignalKind::quit(),
            Self::Terminate => SignalKind::terminate(),
            Self::Hangup => SignalKind::hangup(),
            Self::Resized => SignalKind::window_change(),
            // tokio has no name for it.
            Self::Continued => SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()),
        }
    }

    /// Name of the signal if it asks a process to end, else `None`.
    pub(crate) fn ending(self) -> Option<&'static str> {
        match self {
            Self::Interrupt => Some("SIGINT"),
            Self::Quit => Some("SIGQUIT"),
            Self::Terminate => Some("SIGTERM"),
            Self::Hangup => Some("SIGHUP"),
            Self::Resized | Self::Continued => None,
        }
    }

    /// The exit code of a run that the signal ended, as a shell shows it: 128 and its number.
    pub(crate) fn exit_code(self) -> u8 {
        u8::try_from(self.kind().as_raw_value()).map_or(u8::MAX, |number| 128 + number)
    }
}

/// Where signals go. Clones lead to the same place.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    listener: Arc<Mutex<Option<mpsc::Sender<LocalSignal>>>>,
}

impl Signals {
    /// Gives a signal to the command that listens; `false` when none does.
    pub fn offer(&self, signal: LocalSignal) -> bool {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        let offered = listener.as_ref().map(|listener| listener.try_send(signal));
        matches!(offered, Some(Ok(()) | Err(mpsc::error::TrySendError::Full(_))))
    }

    /// Listens from now on, until the receiver is dropped.
    pub(crate) fn listen(&self) -> mpsc::Receiver<LocalSignal> {
        let (sender, receiver) = mpsc::channel(WAITING);
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }
}

/// Waits for a signal that asks to end.
pub(crate) async fn ending(signals: &mut mpsc::Receiver<LocalSignal>) -> LocalSignal {
    loop {
        match signals.recv().await {
            Some(signal) if signal.ending().is_some() => return signal,
            Some(_) => {}
            None => std::future::pending().await,
        }
    }
}

/// Waits for the exit code of a run. A signal goes to the command that listens; if none does, one
/// that asks to end cancels `interrupt`, and another one ends the wait.
///
/// The code is 128 and the number of the signal when that ended the run.
///
/// # Errors
///
/// When signals cannot be received.
pub async fn until_signaled(
    interrupt: CancellationToken,
    signals: Signals,
    run: impl Future<Output = u8>,
) -> io::Result<u8> {
    let mut received = Received::new()?;
    let mut run = std::pin::pin!(run);
    let mut by_signal = None;
    loop {
        let signal = tokio::select! {
            code = &mut run => return Ok(match by_signal {
                Some(by_signal) if code == LocalSignal::Interrupt.exit_code() => by_signal,
                _ => code,
            }),
            signal = received.next() => signal,
        };
        if signals.offer(signal) || signal.ending().is_none() {
            continue;
        }
        if by_signal.replace(signal.exit_code()).is_some() {
            return Ok(signal.exit_code());
        }
        interrupt.cancel();
    }
}

struct Received(Vec<(LocalSignal, Signal)>);

impl Received {
    fn new() -> io::Result<Self> {
        let all = LocalSignal::ALL.into_iter();
        all.map(|which| Ok((which, signal(which.kind())?))).collect::<io::Result<_>>().map(Self)
    }

    async fn next(&mut self) -> LocalSignal {
        std::future::poll_fn(|ctx| {
            for (which, signal) in &mut self.0 {
                if signal.poll_recv(ctx).is_ready() {
                    return std::task::Poll::Ready(*which);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_goes_to_the_command_that_listens_as_long_as_it_does() {
        let signals = Signals::default();
        assert!(!signals.offer(LocalSignal::Interrupt));
        let mut received = signals.listen();
        assert!(signals.offer(LocalSignal::Hangup));
        assert_eq!(received.try_recv(), Ok(LocalSignal::Hangup));
        drop(received);
        assert!(!signals.offer(LocalSignal::Interrupt));
    }

    #[test]
    fn a_run_that_a_signal_ended_has_the_code_of_shells() {
        let codes = LocalSignal::ALL.map(LocalSignal::exit_code);
        assert_eq!(codes[..4], [130, 131, 143, 129]);
    }
}
