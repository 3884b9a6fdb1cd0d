//! `signal_process`, `delete_process` and the end of the service: what ends processes.

use std::{sync::Arc, time::Duration};

use agent_api::{
    Caller, DeleteProcessResponse, ProcessId, SignalProcessRequest, SignalProcessResponse,
    SignalScope,
};
use agent_exec::{Scope, Signal, Tree};
use futures_util::{StreamExt, future::join_all, stream};
use tokio::time::timeout;

use crate::{
    Error, ForgetReason, Processes, SignalError,
    process::{Process, Status},
    retention,
};

/// Longest wait for output to close after everything was killed: what holds it open then is not
/// ours to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Closed processes whose survivors are looked for at the same time.
const LATE_ENDS: usize = 16;

impl Processes {
    /// Sends a signal to a process, its group, or its tree.
    ///
    /// `SIGKILL` to the tree is answered when nothing of it is left.
    ///
    /// # Errors
    ///
    /// [`SignalError`], of which the request's own come first; [`Error::NoProcess`],
    /// [`Error::Forgotten`], [`Error::ShuttingDown`], [`Error::Store`].
    ///
    /// # Cancellation
    ///
    /// A signal that is being sent is sent.
    #[tracing::instrument(level = "debug", name = "proc.signal_process", skip_all, fields(process.id = %id))]
    pub async fn signal_process(
        &self,
        caller: &Caller,
        id: ProcessId,
        req: SignalProcessRequest,
    ) -> Result<SignalProcessResponse, Error> {
        let (signal, scope) = checked(&req)?;
        let process = self.find(caller, id).await?;
        if scope == Scope::Leader && !process.look(Status::is_running) {
            return Err(SignalError::Exited.into());
        }
        let tree = process.tree.clone().ok_or(SignalError::NoTree)?;
        let work = async move {
            let count = tree.signal(signal, scope).await.map_err(SignalError::Tree)?;
            let message = match count {
                1 => format!("{signal} was sent to 1 process."),
                count => format!("{signal} was sent to {count} processes."),
            };
            Ok(SignalProcessResponse { message })
        };
        self.shared.change(work).await
    }

    /// Kills a process with its tree and forgets it; answers when that is done.
    ///
    /// Survivors of a process that exited run on if it was started so.
    ///
    /// # Errors
    ///
    /// [`Error::NoProcess`], [`Error::Forgotten`], [`Error::ShuttingDown`], [`Error::Store`].
    ///
    /// # Cancellation
    ///
    /// A delete that has begun runs to its end.
    #[tracing::instrument(level = "debug", name = "proc.delete_process", skip_all, fields(process.id = %id))]
    pub async fn delete_process(
        &self,
        caller: &Caller,
        id: ProcessId,
    ) -> Result<DeleteProcessResponse, Error> {
        let process = self.find(caller, id).await?;
        let store = self.shared.store().await?.clone();
        let shared = Arc::clone(&self.shared);
        let reason = ForgetReason::Deleted;
        let work = async move {
            if !retention::begin(&shared, &process, reason) {
                let reason = process.look(|status| status.removed).unwrap_or(reason);
                return Err(Error::Forgotten { id, reason });
            }
            if let Some(tree) = ended_tree(&process) {
                tree.kill().await;
            }
            retention::finish(&shared, &store, &process, reason).await;
            Ok(DeleteProcessResponse { message: "The process is deleted.".to_owned() })
        };
        self.shared.change(work).await
    }

    /// Refuses new starts, ends every process, and waits for their records to say so.
    ///
    /// Each tree is asked to end, and killed after the grace of the configuration. Survivors of
    /// processes that exited are ended too, unless they were started to be kept.
    pub async fn shutdown(&self) {
        let shared = &self.shared;
        shared.stop.cancel();
        let starting = shared.table.lock().starting();
        for mut outcome in starting {
            let _ = outcome.wait_for(Option::is_some).await;
        }
        let processes = shared.table.lock().processes();
        let strays = shared.strays.lock().clone();
        let grace = shared.config.kill_grace;
        let (closed_ones, open_ones): (Vec<_>, Vec<_>) =
            processes.iter().partition(|process| process.look(Status::is_closed));
        let ends = join_all(open_ones.iter().map(|process| end(process, grace)));
        let stray_ends = join_all(strays.iter().map(|tree| tree.end(grace)));
        let late_ends = stream::iter(closed_ones)
            .for_each_concurrent(LATE_ENDS, |process| end_survivors(process, grace));
        tokio::join!(ends, stray_ends, late_ends);
        let closes = join_all(open_ones.iter().map(|process| closed(process)));
        let _ = timeout(CLOSE_TIMEOUT, closes).await;
        shared.cut.cancel();
        shared.tasks.close();
        shared.tasks.wait().await;
    }

    /// Kills every tree at once, those that are being ended too; records may not say so.
    ///
    /// For an agent whose time to stop is over. Only survivors that were started to be kept are
    /// left.
    pub async fn kill_all(&self) {
        let shared = &self.shared;
        shared.stop.cancel();
        let processes = shared.table.lock().processes();
        let strays = shared.strays.lock().clone();
        let kills = join_all(processes.iter().filter_map(|process| ended_tree(process)).map(kill));
        tokio::join!(kills, join_all(strays.iter().map(kill)));
    }
}

async fn kill(tree: &Tree) {
    tree.kill().await;
}

/// The tree of a process, unless what is left of it is to be kept.
fn ended_tree(process: &Process) -> Option<&Tree> {
    let is_running = process.look(Status::is_running);
    let keeps_survivors = process.record.request().keep_children && !is_running;
    process.tree.as_ref().filter(|_| !keeps_survivors)
}

/// Reads a request, each part checked before the next.
fn checked(req: &SignalProcessRequest) -> Result<(Signal, Scope), SignalError> {
    if req.signal.is_empty() {
        return Err(SignalError::Required);
    }
    let signal = Signal::parse(&req.signal).ok_or(SignalError::Unsupported)?;
    let scope = match req.scope {
        SignalScope::Tree => Scope::Tree,
        SignalScope::Group => Scope::Group,
        SignalScope::Leader => Scope::Leader,
        _ => return Err(SignalError::UnknownScope),
    };
    Ok((signal, scope))
}

async fn end(process: &Process, grace: Duration) {
    if let Some(tree) = ended_tree(process) {
        tree.end(grace).await;
    }
}

/// Ends what a closed process left; nearly always that is nothing, and ending looks more than once.
async fn end_survivors(process: &Process, grace: Duration) {
    if let Some(tree) = ended_tree(process)
        && tree.has_members().await
    {
        tree.end(grace).await;
    }
}

/// Waits until the output is closed, or for the exit alone where survivors may hold it.
async fn closed(process: &Process) {
    let keeps_survivors = process.record.request().keep_children;
    let mut status = process.watch();
    // The sender lives in the process, so waiting cannot fail.
    let _ = status
        .wait_for(|status| status.is_closed() || (keeps_survivors && !status.is_running()))
        .await;
}
