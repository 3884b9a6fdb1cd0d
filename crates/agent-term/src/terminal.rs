//! The task of a terminal, from the start of its program to the end of it; what happens in between
//! is the backend's.

use std::{ffi::OsStr, fmt, path::PathBuf, sync::Arc};

use agent_api::{TerminalBackend, TerminalExited};
use agent_exec::{ExitStatus, Signal};
use tracing::{debug, info};

use crate::{
    Attachment, Config, Error,
    attachment::{Join, Wanted},
    buffered::{Buffered, Running},
    contained::Contained,
    control::{Cause, Control},
    entry::{Phase, Tenancy},
    outbox::End,
    program::{self, Program, blocking},
    screen::Session,
    service::Shared,
    statistics::ErrorType,
};

/// What keeps a screen, and the program.
enum Backend {
    Buffered(Box<Buffered>),
    Screen(Box<Session>),
}

/// Why a terminal ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Why {
    /// Its program did, in this way if that is known.
    Exited(Option<ExitStatus>),
    /// It could not be read any more.
    Failed,
    /// It was ended.
    Cause(Cause),
}

/// Creates a terminal and sees it to its end.
pub(crate) async fn run(shared: Arc<Shared>, tenancy: Tenancy, mut control: Control, join: Join) {
    // On the heap while it lasts: the task of an idle terminal would hold the room for it.
    let started = Box::pin(start(&shared, &mut control, join.wanted)).await;
    let (backend, attachment) = match started {
        Ok(started) => started,
        Err(error) => {
            debug!(%error, "a terminal was not started");
            // The id is free before anybody hears of the failure.
            tenancy.fail(error.clone());
            let _ = join.reply.send(Err(error));
            return;
        }
    };
    info!(backend = ?tenancy.entry.backend, "a terminal was started");
    tenancy.entry.enter(Phase::Ready);
    // Whoever created it may have left; then it waits for a first connection.
    let _ = join.reply.send(Ok(attachment));
    let why = match backend {
        Backend::Buffered(buffered) => buffered.run(&shared, control, tenancy).await,
        Backend::Screen(session) => Box::pin(session.run(&shared, control, tenancy)).await,
    };
    info!(reason = %why, "a terminal ended");
}

async fn start(
    shared: &Arc<Shared>,
    control: &mut Control,
    wanted: Wanted,
) -> Result<(Backend, Attachment), Error> {
    let (workspace, entry) = (Arc::clone(&shared.workspace), control.entry());
    let (command, backend) = (entry.command.clone(), entry.backend);
    let place = entry.container.clone();
    if place.is_some() && shared.containers().is_none() {
        return Err(Error::ContainersOff);
    }
    if backend == TerminalBackend::Screen {
        if place.is_some() {
            return Err(Error::ScreenInContainer);
        }
        let config = shared.config.clone();
        let screen = blocking(move || find_screen(&config)).await?.ok_or(Error::NoScreen)?;
        let program = Program::of(workspace, command).await?;
        let started = Session::start(shared, control, wanted, (screen, program)).await;
        let (session, attachment) = started.inspect_err(|error| failed(shared, error))?;
        return Ok((Backend::Screen(Box::new(session)), attachment));
    }
    let size = control.size();
    let started = async {
        if let Some(place) = place {
            let contained = Contained::start(shared, &place, command, size).await?;
            return Ok(Running::Contained(contained));
        }
        let program = Program::of(workspace, command).await?;
        let (child, pty) = program.start(&shared.launcher, size).await?;
        Ok(Running::Here(child, pty))
    };
    // What is being started then is ended by whoever starts it.
    let started = shared.stop.run_until_cancelled(started).await;
    let started = started.unwrap_or(Err(Error::ShuttingDown));
    let program = started.inspect_err(|error| failed(shared, error))?;
    let (buffered, attachment) = Buffered::new(shared, control, wanted, program);
    Ok((Backend::Buffered(Box::new(buffered)), attachment))
}

fn failed(shared: &Shared, error: &Error) {
    let what = match error {
        Error::ShuttingDown | Error::ContainersOff => return,
        Error::ScreenNotReady | Error::ScreenConfig(_) => ErrorType::ScreenSpawn,
        _ => ErrorType::CreateCommand,
    };
    shared.counters.failed(what);
}

/// The `screen` that terminals use.
pub(crate) fn find_screen(config: &Config) -> Option<PathBuf> {
    program::find(OsStr::new("screen"), &config.path)
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(Some(ExitStatus::Exited(code))) => {
                write!(f, "its program ended with code {code}")
            }
            Self::Exited(Some(ExitStatus::Signaled { signal, .. })) => {
                write!(f, "its program was ended by {}", Signal::name_of(*signal))
            }
            Self::Exited(None | Some(ExitStatus::Lost)) => f.write_str("its program ended"),
            Self::Failed => f.write_str("it could not be read"),
            Self::Cause(Cause::Closed) => f.write_str("it was closed"),
            Self::Cause(Cause::Expired) => f.write_str("nobody was attached for too long"),
            Self::Cause(Cause::Stopped) => f.write_str("the agent stops"),
        }
    }
}

impl Cause {
    /// What connections are told.
    pub(crate) fn end(self) -> End {
        match self {
            Self::Closed | Self::Expired => End::Closed,
            Self::Stopped => End::GoingAway,
        }
    }
}

/// How a program ended, as connections are told.
pub(crate) fn exited(status: ExitStatus) -> TerminalExited {
    match status {
        ExitStatus::Exited(code) => TerminalExited { exit_code: Some(code), signal: None },
        ExitStatus::Signaled { signal, .. } => TerminalExited {
            exit_code: Some(128 + signal),
            signal: Some(Signal::name_of(signal).into_owned()),
        },
        ExitStatus::Lost => TerminalExited::default(),
    }
}
