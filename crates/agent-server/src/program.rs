//! What belongs to the process and not to an agent in it: subscriber, runtime, signals, exit.

use std::{
    error::Error,
    io::{self, IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use agent_exec::Children;
use rustix::process::{getpid, kill_process};
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};
use tracing_subscriber::layer::SubscriberExt;

use crate::{
    Config, Logs, StartError, StderrFormat, Stopped,
    system::{self, reaper},
};

/// Exit code for a bad flag, variable or configuration.
pub const BAD_USAGE: u8 = 64;
/// Exit code for a start that failed and a stop that was cut.
pub const FAILED: u8 = 1;

/// Most threads that serve requests; few, because none of them waits for anything but sockets.
const MAX_WORKERS: usize = 8;
/// Most threads for calls that may block, such as those on files.
const MAX_BLOCKING: usize = 64;

/// Longest wait for what was cut.
const CUT_TIMEOUT: Duration = Duration::from_millis(250);

/// The signals that mean something to the program.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    child: Signal,
}

/// Prepares the process: log, open files, orphans, runtime.
///
/// # Errors
///
/// [`StartError::Process`] when there are no threads to be had.
pub fn prepare(config: &Config) -> Result<(Runtime, Logs), StartError> {
    let format = if io::stderr().is_terminal() { StderrFormat::Text } else { StderrFormat::Json };
    let logs = Logs::start(Some(format)).map_err(StartError::Process)?;
    let layer = logs.layer(config.log_level.clone());
    let subscriber = tracing_subscriber::registry().with(layer);
    // Only a second call could fail, and it would keep the first one's subscriber.
    let _ = tracing::subscriber::set_global_default(subscriber);
    std::panic::set_hook(Box::new(log_panic));
    system::raise_open_files();
    if let Err(error) = reaper::adopt_orphans() {
        tracing::warn!(error = agent_api::io_text(&error), "orphans go to somebody else");
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.min(MAX_WORKERS))
        .max_blocking_threads(MAX_BLOCKING)
        .thread_name("agentd")
        .enable_all()
        .build()
        .map_err(StartError::Process)?;
    Ok((runtime, logs))
}

/// A panic says where; its message may quote what it was working on, which no log may have.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(location, "panicked");
}

impl Signals {
    /// Listens from now on, so that a signal that comes early is not lost.
    ///
    /// # Errors
    ///
    /// [`StartError::Process`] when a handler cannot be installed.
    pub fn listen() -> Result<Self, StartError> {
        let on = |kind| signal(kind).map_err(StartError::Process);
        // The handler stays though nobody listens: a write beyond a limit of file sizes
        // (`RLIMIT_FSIZE`) is then refused, where the signal would have ended agentd.
        drop(on(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?);
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hang_up: on(SignalKind::hangup())?,
            child: on(SignalKind::child())?,
        })
    }

    /// Waits for a signal that asks to stop, and meanwhile reopens the log and collects orphans,
    /// leaving alone the children that somebody waits for.
    pub async fn stop_requested(&mut self, logs: &Logs, children: &Children) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => logs.reopen(),
                _ = self.child.recv() => reap(children),
                () = children.changed() => reap(children),
            }
        }
    }
}

fn reap(children: &Children) {
    // The system has no process ids below 1, so a failed conversion is nobody's.
    let owns = |pid: i32| u32::try_from(pid).is_ok_and(|pid| children.owns(pid));
    let reaped = reaper::reap_orphans(&owns);
    if reaped > 0 {
        tracing::debug!(reaped, "orphans");
    }
}

/// Sends the process `SIGTERM` when its stdin ends: whoever started it has died or wants it to.
pub fn stop_at_eof() {
    // It waits in a read until the process ends, so no runtime may wait for it.
    std::thread::spawn(|| {
        // A stdin that breaks has nobody behind it either.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        // The only way to fail is a process that is gone.
        let _ = kill_process(getpid(), rustix::process::Signal::TERM);
    });
}

/// Writes text that was asked for to stdout.
pub fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(FAILED),
    }
}

/// Writes one line with an error and its causes to stderr.
pub fn fail(error: &(dyn Error + 'static), code: u8) -> ExitCode {
    let causes = agent_api::causes(Some(error)).unwrap_or_default().replace('\n', " ");
    // Nobody is left to tell when stderr is gone.
    let _ = writeln!(io::stderr(), "agentd: {causes}");
    ExitCode::from(code)
}

/// Ends the runtime and says how the stop went.
///
/// Tasks that were cut get a moment to clear away what they have begun, such as unfinished files.
pub fn finish(runtime: Runtime, logs: &Logs, stopped: Result<Stopped, StartError>) -> ExitCode {
    runtime.shutdown_timeout(CUT_TIMEOUT);
    logs.flush(CUT_TIMEOUT);
    match stopped {
        Ok(Stopped::Clean) => ExitCode::SUCCESS,
        Ok(Stopped::Cut) => ExitCode::from(FAILED),
        Err(error) => fail(&error, FAILED),
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::Signals;

    #[tokio::test]
    async fn a_file_that_is_too_large_does_not_end_the_process() {
        let _signals = Signals::listen().unwrap();
        kill_process(getpid(), Signal::XFSZ).unwrap();
    }
}
