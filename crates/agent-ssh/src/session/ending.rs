//! What becomes of a session when its work is done, its client is gone or the agent ends.

use std::{sync::atomic::Ordering, time::Duration};

use agent_exec::{Child, Scope, Signal, TreeError, hang_up};
use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::info;

use super::{
    End, Session,
    report::Report,
    running::{Contained, Here, Running},
};
use crate::connection::{Place, SHUTTING_DOWN};

/// Time from the first signals to `SIGKILL` when the agent ends.
const GRACE: Duration = Duration::from_secs(5);
/// Longest wait for a client to take the last words.
const LAST_WORDS: Duration = Duration::from_millis(250);
/// Between two looks at children that are ending: first and longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));
/// After this long something cannot be killed.
const GIVE_UP: Duration = Duration::from_millis(500);

impl Session {
    /// Ends a session whose work has come to this end; its channel is closed when this returns.
    pub(super) async fn finish(self, end: End, talking: TaskTrackerToken, place: Place) {
        if let End::Failed(failure) = &end
            && let Some(kind) = failure.kind()
        {
            self.failed(kind);
        }
        if matches!(end, End::ShuttingDown) {
            let _ = timeout(LAST_WORDS, self.last_words()).await;
        }
        self.output.close();
        drop(talking);
        let is_cut = !matches!(end, End::Told | End::Failed(_));
        if is_cut && !self.context.connection.is_closed() {
            // Only the channel ended; the connection may still end in good order.
            self.context.unfinished.fetch_sub(1, Ordering::AcqRel);
        }
        self.ended(&end);
        let Self { context, output, id, labels, running, .. } = self;
        if let Some(running) = running.into_inner().flatten() {
            match end {
                End::ShuttingDown => match running {
                    Running::Here(here) => end_children(here).await,
                    Running::Contained(contained) => end_contained(contained).await,
                },
                End::ClientGone | End::Evicted => leave(running).await,
                End::Told | End::Failed(_) => drop(running),
            }
        }
        context.server.running.lock().remove(&id);
        context.server.counters.session_ended(labels);
        // A client that does not close its side keeps the place.
        context.stop.run_until_cancelled(output.closed()).await;
        drop(place);
    }

    /// Tells a terminal why it closes; returns when that, and everything before, is on its way.
    async fn last_words(&self) {
        if self.labels.pty {
            let line = Bytes::from(format!("\r\n{SHUTTING_DOWN}\r\n"));
            let _ = self.output.write(line).await;
        }
        self.output.close();
        self.output.flushed().await;
    }

    /// Logs the end.
    fn ended(&self, end: &End) {
        let reason = match end {
            End::Told => "ended".to_owned(),
            End::Failed(failure) => failure.reason(),
            End::ClientGone => "client gone".to_owned(),
            End::Evicted => "display taken away".to_owned(),
            End::ShuttingDown => "agent shutting down".to_owned(),
        };
        let (status, signal) = match self.told.get() {
            Some(Report::Status(status)) => (Some(*status), None),
            Some(Report::Signal { name, .. }) => (None, Some(name.as_str())),
            None => (None, None),
        };
        info!(
            connection.id = self.context.id,
            session.id = %self.id,
            status,
            signal,
            reason,
            "ssh session ended"
        );
    }
}

/// Leaves a command whose client is gone: one on a terminal loses that, another only its pipes.
async fn leave(running: Running) {
    match running {
        Running::Here(Here { child, terminal: Some(terminal) }) => {
            hang_up(&child, terminal).await;
        }
        Running::Contained(Contained { handle, has_terminal: true, .. }) => {
            // An engine that does not answer is no reason to wait for ever.
            let _ = timeout(2 * GRACE, handle.hang_up()).await;
        }
        Running::Here(_) | Running::Contained(_) => {}
    }
}

/// Ends what a session runs because the agent ends: the jobs of its terminal, or its process
/// group.
async fn end_children(here: Here) {
    let Here { child, terminal } = here;
    let (scope, signals): (_, &[Signal]) = match &terminal {
        Some(_) => (Scope::Session, &[Signal::HUP, Signal::CONT, Signal::TERM]),
        None => (Scope::Group, &[Signal::TERM]),
    };
    for signal in signals {
        let _ = child.tree.signal(*signal, scope).await;
    }
    drop(terminal);
    if !is_gone(&child, scope, Signal::CONT, GRACE).await {
        is_gone(&child, scope, Signal::KILL, GIVE_UP).await;
    }
    let _ = timeout(GIVE_UP, child.wait()).await;
}

/// The same for a session in a container.
async fn end_contained(contained: Contained) {
    let Contained { handle, has_terminal, .. } = contained;
    let signals: &[Signal] = match has_terminal {
        true => &[Signal::HUP, Signal::CONT, Signal::TERM],
        false => &[Signal::TERM],
    };
    let ended = async {
        for signal in signals {
            let _ = handle.signal(*signal).await;
        }
        if has_terminal {
            // What is not in the foreground, such as a shell that runs something, hears of it too.
            handle.hang_up().await;
        }
        let mut pause = PAUSES.0;
        loop {
            match handle.signal(Signal::CONT).await {
                Ok(true) => sleep(pause).await,
                Ok(false) => return,
                // Nobody can be asked; what is known is when the command itself has ended.
                Err(_) => break,
            }
            pause = (pause * 2).min(PAUSES.1);
        }
        handle.wait().await;
    };
    if timeout(GRACE, ended).await.is_err() {
        let _ = timeout(GIVE_UP, handle.kill()).await;
    }
}

/// Waits until nothing of a scope is left, sending a signal at each look; `false` after `most`.
///
/// A process that is stopped acts on what it was sent before only when it goes on.
async fn is_gone(child: &Child, scope: Scope, signal: Signal, most: Duration) -> bool {
    let deadline = Instant::now() + most;
    let mut pause = PAUSES.0;
    loop {
        if matches!(child.tree.signal(signal, scope).await, Err(TreeError::NoMember)) {
            return true;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        sleep(pause.min(left)).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}
