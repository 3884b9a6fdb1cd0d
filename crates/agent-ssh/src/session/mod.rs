//! A session: one channel in which a client has a shell, a command or a subsystem.
//!
//! ```text
//!  setup --start--> serve ---------------------> told, closed ---> client closes
//!    |                | (requests: control)
//!    |                +--client gone------------> terminal hung up, or left alone
//!    |                +--display taken away-----> the same
//!    +----------------+--agent ends-------------> last words, closed, children ended
//! ```
//!
//! Everything of a session runs in one task, in futures beside each other: the output, the input
//! and the requests never wait for one another.

mod command;
mod contained;
mod control;
mod ending;
mod greeting;
mod pipes;
mod plan;
mod report;
mod request;
mod running;
mod setup;
mod terminal;
mod variables;

use std::{
    pin::pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use agent_ssh_protocol::{Channel, ChannelInput, ChannelOutput};
use tokio::{select, sync::SetOnce};
use tokio_util::{sync::CancellationToken, task::task_tracker::TaskTrackerToken};
use tracing::info;
use uuid::Uuid;

pub(crate) use self::running::Killable;
use self::{
    plan::{Action, Plan, Transfer},
    report::{Failure, Report},
    request::Start,
    running::Running,
    setup::Setup,
    variables::{Choice, SessionType},
};
use crate::{
    Containers,
    connection::{Context, Place},
    sftp,
    statistics::{SessionError, SessionLabels},
};

/// A session that has started.
#[derive(Debug)]
struct Session {
    context: Arc<Context>,
    output: ChannelOutput,
    id: Uuid,
    labels: SessionLabels,
    /// Whether the key decided what runs.
    is_forced: AtomicBool,
    /// Where it runs, if that is not the host.
    container: Option<(Arc<dyn Containers>, Choice)>,
    /// What runs, as soon as that is known; nothing for what agentd does itself.
    running: SetOnce<Option<Running>>,
    /// The session's display was given to another.
    evicted: CancellationToken,
    /// What the client was told about the end.
    told: OnceLock<Report>,
}

/// How the work of a session came to its end.
#[derive(Debug)]
enum End {
    /// Its client was told how.
    Told,
    /// Agentd ended it, and its client was told so.
    Failed(Failure),
    ClientGone,
    Evicted,
    ShuttingDown,
}

/// Serves a session channel from its first request until both sides have closed it.
pub(crate) async fn run(
    context: Arc<Context>,
    channel: Channel,
    talking: TaskTrackerToken,
    place: Place,
) {
    let Channel { input, output, mut requests } = channel;
    let mut setup = Setup::default();
    let stop = context.stop.clone();
    let starting = setup.until_start(&mut requests, &context.grant);
    let Some(Some(start)) = stop.run_until_cancelled(starting).await else {
        output.close();
        return;
    };
    let (kind, choice) = setup.variables.take_own();
    // What asks for a container has no effect where there are none.
    let container = context.server.containers().cloned().zip(choice);
    let labels = SessionLabels { magic_type: kind.family, pty: setup.terminal.is_some() };
    let session = Session {
        id: Uuid::new_v4(),
        labels,
        is_forced: AtomicBool::new(context.grant.forced.is_some()),
        container,
        running: SetOnce::new(),
        evicted: CancellationToken::new(),
        told: OnceLock::new(),
        output,
        context,
    };
    session.started(&start, &kind);
    let end = {
        let has_terminal = labels.pty;
        let mut serving = pin!(session.serve(setup, start, input));
        let control = pin!(session.control(&mut requests));
        select! {
            // What ends a session goes before what happens in it.
            biased;
            () = stop.cancelled() => End::ShuttingDown,
            () = control => {
                if has_terminal {
                    End::ClientGone
                } else {
                    // A command without a terminal runs whether or not its client waits for it.
                    select! {
                        biased;
                        () = stop.cancelled() => End::ShuttingDown,
                        _ = session.running.wait() => End::ClientGone,
                        end = &mut serving => end,
                    }
                }
            }
            () = session.evicted.cancelled() => End::Evicted,
            end = &mut serving => end,
        }
    };
    drop(requests);
    session.finish(end, talking, place).await;
}

impl Session {
    /// Does what the client asked for, and tells it how that ended.
    async fn serve(&self, setup: Setup, start: Start, input: ChannelInput) -> End {
        let done = self.act(setup, start, input).await;
        let (report, end) = match done {
            Ok(report) => (report, End::Told),
            Err(failure) => {
                // Nothing runs that could be signaled, unless it was started.
                let _ = self.running.set(None);
                failure.tell(&self.output, self.labels.pty).await;
                (Report::Status(failure.status()), End::Failed(failure))
            }
        };
        self.tell(report);
        self.output.eof();
        self.output.close();
        end
    }

    /// Does what the client asked for. A command has told its end itself, because its output may
    /// go on after that.
    async fn act(
        &self,
        setup: Setup,
        start: Start,
        input: ChannelInput,
    ) -> Result<Report, Failure> {
        let context = &self.context;
        let plan = Plan::new(start, context.grant.forced.as_deref());
        match plan.transfer().filter(|_| !context.server.config.allow_file_transfer) {
            Some(Transfer::Program) => return Err(Failure::TransferBlocked),
            Some(Transfer::Subsystem) => return Err(Failure::SftpBlocked),
            None => {}
        }
        match &plan.action {
            Action::Sftp if self.container.is_some() => Err(Failure::SftpInContainer),
            Action::Sftp => self.sftp(input).await.map(|()| Report::Status(0)),
            Action::Unsupported(name) => {
                Err(Failure::Unsupported(String::from_utf8_lossy(name).into_owned()))
            }
            Action::LoginShell | Action::Text(_) | Action::Nothing => {
                match self.container.clone() {
                    // On the heap: most sessions would hold the room for it.
                    Some(container) => {
                        Box::pin(self.command_in_container(setup, plan, container, input)).await
                    }
                    None => self.command(setup, plan, input).await,
                }
            }
        }
    }

    async fn sftp(&self, input: ChannelInput) -> Result<(), Failure> {
        let _ = self.running.set(None);
        let server = &self.context.server;
        let workspace = Arc::clone(&server.workspace);
        let places = move || (workspace.working_directory(), workspace.home().to_owned());
        let workers = &server.sftp_workers;
        let (start, home) = workers.run(places).await.map_err(|_| Failure::Stopping)?;
        server.counters.sftp_started();
        let config = sftp::Config { start, home };
        let served = sftp::serve(input, self.output.clone(), config, workers).await;
        served.map_err(|error| {
            server.counters.sftp_failed();
            Failure::Sftp(error)
        })
    }

    /// Notes what runs, for requests, for the end of the session and for that of the agent.
    fn set_running(&self, running: Running) -> &Running {
        self.context.server.running.lock().insert(self.id, running.killable());
        let _ = self.running.set(Some(running));
        self.running.get().and_then(Option::as_ref).expect("set just now")
    }

    /// Tells the client how the session ended; once.
    fn tell(&self, report: Report) {
        if self.told.get().is_some() {
            return;
        }
        report.send(&self.output);
        self.context.unfinished.fetch_sub(1, Ordering::AcqRel);
        let _ = self.told.set(report);
    }

    fn started(&self, start: &Start, kind: &SessionType) {
        self.context.unfinished.fetch_add(1, Ordering::AcqRel);
        self.context.server.counters.session_started(self.labels);
        info!(
            connection.id = self.context.id,
            session.id = %self.id,
            session.r#type = kind.text,
            request = start.name(),
            pty = if self.labels.pty { "yes" } else { "no" },
            container = self.container.as_ref().map(|(_, choice)| choice.shown()),
            "ssh session started"
        );
    }

    fn failed(&self, error: SessionError) {
        self.context.server.counters.session_failed(self.labels, error);
    }
}
