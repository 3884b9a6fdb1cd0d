//! One run of a script, from its text to its status.

use std::{path::Path, pin::pin, sync::Arc, time::Duration};

use agent_api::ScriptStatus;
use agent_exec::{
    Child, Command, CommandLineError, ErrorOutput, Exit, ExitStatus, Input, Limits, Receiver,
    SpawnError, Stdio,
};
use agent_proc::SessionEnvironment;
use tokio::{task::spawn_blocking, time::timeout};
use tracing::warn;
use uuid::Uuid;

use super::{Configured, Shared, log::ScriptLog};
use crate::{session::Sessions, state_dir::make_private_dir};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) status: ScriptStatus,
    pub(super) exit_code: i32,
}

/// Time from TERM to KILL for a script that takes too long.
const KILL_GRACE: Duration = Duration::from_secs(10);
/// How long the output is read on after the script has exited.
const OUTPUT_GRACE: Duration = Duration::from_secs(10);
/// Exit code of a script that could not be started.
const NOT_STARTED: i32 = 255;
/// Bytes of output in memory.
const BUFFER_BYTES: usize = 64 * 1024;

/// Why a script was not started.
#[derive(Debug, thiserror::Error)]
enum NotStarted {
    #[error(transparent)]
    CommandLine(#[from] CommandLineError),
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    #[error("the agent stops")]
    Stopping,
}

/// Runs a script to its end; `limit` is the longest time that it gets.
pub(super) async fn run(
    shared: &Shared,
    configured: &Configured,
    limit: Option<Duration>,
) -> Ended {
    let id = Uuid::new_v4();
    let log = Arc::clone(&configured.log);
    // Opening may wait for the disk. Without a runtime nothing is started either.
    let _ = spawn_blocking(move || log.reopen()).await;
    match start(shared, configured, id).await {
        Ok(child) => {
            let ended = follow(child, configured, limit).await;
            shared.trees.leave(id).await;
            ended
        }
        Err(error) => {
            let reason = agent_api::causes(Some(&error)).unwrap_or_default();
            warn!(script = configured.script.name, error = reason, "cannot start the script");
            let log = Arc::clone(&configured.log);
            let line = format!("agentd: {reason}\n");
            let _ = spawn_blocking(move || log.append(line.as_bytes())).await;
            Ended { status: ScriptStatus::ExitFailure, exit_code: NOT_STARTED }
        }
    }
}

async fn start(shared: &Shared, configured: &Configured, id: Uuid) -> Result<Child, NotStarted> {
    let script = configured.script.clone();
    let (sessions, data_dir) = (shared.sessions.clone(), shared.data_dir.join(&script.name));
    let prepare = move || command(&sessions, &script.script, &data_dir, id);
    let prepared = spawn_blocking(prepare).await.map_err(|_| NotStarted::Stopping)?;
    let child = shared.launcher.spawn(prepared?).await?;
    if shared.trees.add(id, child.tree.clone()) {
        return Ok(child);
    }
    child.tree.kill().await;
    child.wait().await;
    shared.trees.leave(id).await;
    Err(NotStarted::Stopping)
}

/// Looks at the disk and makes the script's directories.
fn command(
    sessions: &Sessions,
    script: &str,
    data_dir: &Path,
    id: Uuid,
) -> Result<Command, CommandLineError> {
    let args = sessions.command_line(script.as_bytes())?;
    for dir in [data_dir, sessions.bin_dir()] {
        if let Err(error) = make_private_dir(dir) {
            let error = agent_api::io_text(&error);
            warn!(error, path = %dir.display(), "cannot make a directory of scripts");
        }
    }
    let mut env = sessions.session(None);
    env.set("WORKSPACE_SCRIPT_DATA_DIR", data_dir);
    env.set("WORKSPACE_SCRIPT_BIN_DIR", sessions.bin_dir());
    // By this the tree finds members that have detached themselves.
    env.set("WORKSPACE_PROCESS_ID", id.to_string());
    Ok(Command {
        args,
        workdir: sessions.working_directory(),
        env,
        stdio: Stdio::Pipes { stdin: Input::Null, stderr: ErrorOutput::Merged },
        account: None,
        limits: Limits::default(),
        id,
    })
}

/// Copies the output and waits for the end.
async fn follow(mut child: Child, configured: &Configured, limit: Option<Duration>) -> Ended {
    let stdout = child.stdout.take().expect("pipes were asked for");
    let mut copied = pin!(copy(stdout, Arc::clone(&configured.log)));
    let mut is_copied = false;
    let mut exited = pin!(exit_within(&child, limit));
    let (exit, is_timed_out) = loop {
        tokio::select! {
            exited = &mut exited => break exited,
            () = &mut copied, if !is_copied => is_copied = true,
        }
    };
    if !is_copied {
        is_copied = timeout(OUTPUT_GRACE, copied).await.is_ok();
    }
    if !is_copied {
        let seconds = OUTPUT_GRACE.as_secs();
        warn!(
            script = configured.script.name,
            "the script has exited and something still holds its output after {seconds} s, pipes \
             left open"
        );
    }
    Ended { status: status(exit.status, is_timed_out, is_copied), exit_code: code(exit.status) }
}

/// Waits for the exit; after `limit` the whole tree is ended, and the answer says so.
async fn exit_within(child: &Child, limit: Option<Duration>) -> (Exit, bool) {
    let Some(limit) = limit else { return (child.wait().await, false) };
    match timeout(limit, child.wait()).await {
        Ok(exit) => (exit, false),
        Err(_) => {
            child.tree.end(KILL_GRACE).await;
            (child.wait().await, true)
        }
    }
}

async fn copy(stdout: Receiver, log: Arc<ScriptLog>) {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = match stdout.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => length,
        };
        let log = Arc::clone(&log);
        let append = move || {
            log.append(&buffer[..length]);
            buffer
        };
        let Ok(back) = spawn_blocking(append).await else { return };
        buffer = back;
    }
}

fn status(exit: ExitStatus, is_timed_out: bool, is_copied: bool) -> ScriptStatus {
    match exit {
        _ if is_timed_out => ScriptStatus::TimedOut,
        ExitStatus::Exited(0) if is_copied => ScriptStatus::Ok,
        ExitStatus::Exited(0) => ScriptStatus::PipesLeftOpen,
        _ => ScriptStatus::ExitFailure,
    }
}

fn code(exit: ExitStatus) -> i32 {
    match exit {
        ExitStatus::Exited(code) => code,
        ExitStatus::Signaled { signal, .. } => 128 + signal,
        ExitStatus::Lost => -1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_follows_from_exit_timeout_and_output() {
        let killed = ExitStatus::Signaled { signal: 9, core_dumped: false };
        let cases = [
            (ExitStatus::Exited(0), false, true, ScriptStatus::Ok, 0),
            (ExitStatus::Exited(0), false, false, ScriptStatus::PipesLeftOpen, 0),
            (ExitStatus::Exited(1), false, true, ScriptStatus::ExitFailure, 1),
            (ExitStatus::Exited(1), false, false, ScriptStatus::ExitFailure, 1),
            (killed, false, true, ScriptStatus::ExitFailure, 137),
            (killed, true, true, ScriptStatus::TimedOut, 137),
            (ExitStatus::Exited(0), true, true, ScriptStatus::TimedOut, 0),
            (ExitStatus::Lost, false, true, ScriptStatus::ExitFailure, -1),
        ];
        for (exit, is_timed_out, is_copied, expected, expected_code) in cases {
            assert_eq!(status(exit, is_timed_out, is_copied), expected, "{exit:?}");
            assert_eq!(code(exit), expected_code, "{exit:?}");
        }
    }
}
