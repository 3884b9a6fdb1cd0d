//! `get_process_output`: the whole output as one bounded text, now or after a wait.

use agent_api::{
    Caller, GetProcessOutputRequest, GetProcessOutputResponse, ProcessId, WaitFor,
    limits::MAX_PROCESS_WAIT_MS,
};

use crate::{
    Error, Processes,
    journal::{Journal, View},
    process::{Process, Status},
    wait::wait_of,
};

/// Looks at an output that is forgotten faster than it is read.
const MAX_LOOKS: usize = 20;

impl Processes {
    /// Answers the output as text, with how the process stands at the same moment.
    ///
    /// Any number of callers may wait; each wait ends with its caller.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for an unknown `wait_for`, [`Error::NoProcess`], [`Error::Forgotten`],
    /// also while waiting, [`Error::ShuttingDown`] when all waits end, [`Error::Store`].
    #[tracing::instrument(level = "debug", name = "proc.get_process_output", skip_all, fields(process.id = %id))]
    pub async fn get_process_output(
        &self,
        caller: &Caller,
        id: ProcessId,
        req: GetProcessOutputRequest,
    ) -> Result<GetProcessOutputResponse, Error> {
        if req.wait_for == WaitFor::Unknown {
            let reason = "the value must be `exit`, `output` or `closed`".to_owned();
            return Err(Error::Argument { field: "wait_for", reason });
        }
        let process = self.find(caller, id).await?;
        let mut wait_expired = false;
        if req.wait {
            let time = wait_of(req.wait_ms, MAX_PROCESS_WAIT_MS);
            let waited = self.shared.wait(&process, time, happened(&process, &req));
            wait_expired = !waited.await?;
        }
        let response = snapshot(&process, wait_expired).await;
        // What was deleted meanwhile was read in part at best.
        match process.look(|status| status.removed) {
            Some(reason) => Err(Error::Forgotten { id, reason }),
            None => Ok(response),
        }
    }
}

/// Waits for what the request waits for.
async fn happened(process: &Process, req: &GetProcessOutputRequest) {
    let mut status = process.watch();
    // The senders live in the process, so waiting cannot fail.
    match req.wait_for {
        WaitFor::Closed => drop(status.wait_for(Status::is_closed).await),
        WaitFor::Output => {
            let grows = |journal: &Journal| {
                let from = req.from.unwrap_or_else(|| journal.bounds().end);
                let mut progress = journal.watch();
                async move { drop(progress.wait_for(|progress| progress.end > from).await) }
            };
            let output = grows(process.journals.output());
            let stderr = process.journals.stderr().map(grows);
            let stderr = async {
                match stderr {
                    Some(stderr) => stderr.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = output => {}
                () = stderr => {}
                _ = status.wait_for(Status::is_output_closed) => {}
            }
        }
        _ => drop(status.wait_for(|status| !status.is_running()).await),
    }
}

/// Everything at one moment, looked at again when that moment's output was forgotten before it
/// was read.
async fn snapshot(process: &Process, wait_expired: bool) -> GetProcessOutputResponse {
    let mut looks = 1;
    loop {
        let (response, is_overtaken) = look(process, wait_expired).await;
        if !is_overtaken || looks == MAX_LOOKS {
            return response;
        }
        looks += 1;
    }
}

/// One look, and whether the output was too fast for it. The status comes first, so that an exit
/// has all output before it.
async fn look(process: &Process, wait_expired: bool) -> (GetProcessOutputResponse, bool) {
    let status = process.status();
    let output_closed = status.is_output_closed();
    let mut state = status.state;
    if state.exit.is_none()
        && let Some(tree) = process.tree.clone()
    {
        let asked = tokio::task::spawn_blocking(move || tree.oom_killed());
        state.oom_killed = asked.await.unwrap_or(false);
    }
    let (output, stderr) = (process.journals.output(), process.journals.stderr());
    let bounds = output.bounds();
    let stderr = stderr.map(|stderr| (stderr, stderr.bounds()));
    let mut response = GetProcessOutputResponse {
        running: state.exit.is_none(),
        output_closed,
        exit_code: state.exit.as_ref().map(|exit| exit.code),
        signal: state.exit.and_then(|exit| exit.signal),
        timed_out: state.timed_out,
        oom_killed: state.oom_killed,
        output_start_bytes: bounds.start,
        output_end_bytes: bounds.end,
        wait_expired,
        ..GetProcessOutputResponse::default()
    };
    let View { text, is_lossy, truncated, cut_lines } = output.view(bounds.end).await;
    (response.output, response.lossy) = (text, is_lossy);
    (response.truncated, response.cut_lines) = (truncated, cut_lines);
    let mut is_overtaken = output.is_overtaken(&bounds);
    if let Some((stderr, bounds)) = stderr {
        let View { text, is_lossy, truncated, cut_lines } = stderr.view(bounds.end).await;
        (response.stderr, response.stderr_lossy) = (Some(text), is_lossy);
        response.lossy |= is_lossy;
        (response.stderr_truncated, response.stderr_cut_lines) = (truncated, cut_lines);
        is_overtaken |= stderr.is_overtaken(&bounds);
    }
    (response, is_overtaken)
}
