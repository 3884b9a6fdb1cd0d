//! `start_process`: an id is claimed, a process is spawned and followed; or an earlier start of
//! the same is answered.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use agent_api::{
    AbsolutePath, Caller, ProcessId, ProcessLimits, StartProcessRequest, StartProcessResponse,
    Stdin, Timestamp,
};
use agent_exec::{
    Account, Child, Command, Environment, ErrorOutput, Input as CommandInput, Limits, Refused,
    Size, SpawnError, Stdio,
};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::Instant,
};
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    Error, Processes, StartError,
    journal::Journals,
    process::{Copier, CopierHandle, Input, Life, Process, Source, Status},
    request::{self, Digest},
    service::{Event, Shared},
    store::{Record, Request, State, Store},
    table::{Entry, Outcome},
};

/// Answered by whoever claims an id.
enum Claim {
    /// The process of an earlier start of the same.
    Attached(Arc<Process>),
    /// A start that somebody else makes.
    Waits(watch::Receiver<Outcome>),
    /// The id is the caller's.
    Begins(Begun),
}

/// An id that is being started; it is free again when this is dropped.
struct Begun {
    shared: Arc<Shared>,
    id: ProcessId,
    outcome: watch::Sender<Outcome>,
}

/// A checked start with everything that was looked up for it.
struct Prepared {
    req: StartProcessRequest,
    id: ProcessId,
    caller: Caller,
    digest: Digest,
}

impl Processes {
    /// Starts a process, or attaches to the one that the same request with the same id started.
    ///
    /// Answers when the program executes. The process outlives the request and its client.
    ///
    /// # Errors
    ///
    /// [`Error::Start`], which tells everything that can be wrong with a start; [`Error::Store`].
    ///
    /// # Cancellation
    ///
    /// A start that has begun runs to its end.
    #[tracing::instrument(level = "debug", name = "proc.start_process", skip_all)]
    pub async fn start_process(
        &self,
        caller: &Caller,
        req: StartProcessRequest,
    ) -> Result<StartProcessResponse, Error> {
        let req = request::checked(req).map_err(Arc::new)?;
        let store = self.shared.store().await?.clone();
        let id = req.id.unwrap_or_else(random_id);
        let digest = request::digest(&req, caller.chat);
        match self.shared.claim(&store, id, digest, caller).map_err(Arc::new)? {
            Claim::Attached(process) => Ok(answer(&process, false)),
            Claim::Waits(mut outcome) => {
                let told = outcome.wait_for(Option::is_some).await;
                let told = told.ok().and_then(|told| told.clone());
                let process = told.unwrap_or_else(|| Err(Arc::new(StartError::Panicked)))?;
                Ok(answer(&process, false))
            }
            Claim::Begins(begun) => {
                let prepared = Prepared { req, id, caller: caller.clone(), digest };
                let shared = Arc::clone(&self.shared);
                // All of it in one go, because each way to the pool and back costs as much as the
                // rest. Each start holds one of the places or ends soon, which bounds them.
                let work = move || {
                    let outcome = shared.launch(&store, prepared).map_err(Arc::new);
                    begun.tell(&outcome);
                    let process = outcome?;
                    Ok(answer(&process, true))
                };
                self.shared.run_blocking(work).await
            }
        }
    }
}

/// An id that nothing has.
pub(crate) fn random_id() -> ProcessId {
    ProcessId::from_uuid(Uuid::new_v4()).expect("a random UUID is not nil")
}

fn answer(process: &Process, started: bool) -> StartProcessResponse {
    let (id, pid) = (process.id(), process.pid);
    StartProcessResponse { id, started, attached: !started, pid }
}

fn hex(digest: &Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Begun {
    /// Tells those that wait what the start came to.
    fn tell(self, outcome: &Result<Arc<Process>, Arc<StartError>>) {
        if let Ok(process) = outcome {
            self.shared.table.lock().started(Arc::clone(process));
            // What ended before it was in the table is looked for again.
            if !process.look(Status::is_running) {
                self.shared.retention.notify_one();
            }
        } else {
            self.shared.table.lock().free(self.id);
        }
        self.outcome.send_replace(Some(outcome.clone()));
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        // Untold only by a defect.
        if self.outcome.borrow().is_none() {
            self.shared.table.lock().free(self.id);
        }
    }
}

impl Shared {
    /// Decides what an id means for a start, before anything else is looked at.
    fn claim(
        self: &Arc<Self>,
        store: &Store,
        id: ProcessId,
        digest: Digest,
        caller: &Caller,
    ) -> Result<Claim, StartError> {
        let mut table = self.table.lock();
        let same =
            |is_same: bool, claim| if is_same { Ok(claim) } else { Err(StartError::OtherRequest) };
        match table.get(id) {
            Some(Entry::Started(process)) => {
                let is_same = process.record.request().digest == hex(&digest);
                same(is_same, Claim::Attached(process))
            }
            Some(Entry::Starting(starting)) => {
                same(starting.digest == digest, Claim::Waits(starting.outcome))
            }
            Some(Entry::Forgetting { reason, .. }) => Err(StartError::Forgotten { id, reason }),
            None => {
                if let Some(tombstone) = store.tombstone(id) {
                    return Err(StartError::Forgotten { id, reason: tombstone.reason });
                }
                let outcome = table.begin(id, digest, caller.chat);
                Ok(Claim::Begins(Begun { shared: Arc::clone(self), id, outcome }))
            }
        }
    }

    /// Starts a process and follows it; blocks.
    fn launch(
        self: &Arc<Self>,
        store: &Store,
        prepared: Prepared,
    ) -> Result<Arc<Process>, StartError> {
        if self.stop.is_cancelled() {
            return Err(StartError::ShuttingDown);
        }
        let limits = limits(prepared.req.limits);
        let user = prepared.req.user.as_deref();
        let account = user.map(account).transpose()?.flatten();
        if !self.launcher.supports_blocking(&limits) {
            return Err(StartError::LimitsUnsupported(None));
        }
        let max = self.config.max_running;
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| StartError::TooManyRunning { max })?;
        let workdir = workdir(&self.config, &prepared.req, account.as_ref());
        let env = environment(self, &prepared, account.as_ref());
        let (record, journals) =
            store.create(record_of(&prepared, &workdir), state_of(&prepared.req));
        match self.launcher.spawn_blocking(&command(&prepared, workdir, env, account, limits)) {
            Ok(child) => {
                let process = self.follow(&prepared, record, journals, child, place);
                // What it prints is taken already, however long the disk takes.
                process.update(|state| state.pid = Some(process.pid));
                Ok(process)
            }
            Err(error) => {
                store.discard(&record, &journals);
                Err(refused(&prepared.req, error))
            }
        }
    }

    /// Begins to copy what a process prints and to wait for its end.
    fn follow(
        self: &Arc<Self>,
        prepared: &Prepared,
        record: Record,
        journals: Journals,
        mut child: Child,
        place: OwnedSemaphorePermit,
    ) -> Arc<Process> {
        let timeout = prepared.req.timeout_ms.map(|ms| Instant::now() + Duration::from_millis(ms));
        let terminal = child.terminal.take().map(Arc::new);
        let input = match (&terminal, child.stdin.take()) {
            (Some(terminal), _) => Input::terminal(Arc::clone(terminal)),
            (None, Some(pipe)) => Input::pipe(pipe),
            (None, None) => Input::none(),
        };
        let output = match (terminal.clone(), child.stdout.take()) {
            (Some(terminal), _) => Some(Source::Terminal(terminal)),
            (None, stdout) => stdout.map(Source::Pipe),
        };
        let stderr = child.stderr.take().map(Source::Pipe);
        let weak = terminal.as_ref().map_or_else(Weak::new, Arc::downgrade);
        let process = Arc::new(Process::started(record, journals.clone(), &child, weak, input));
        let (id, pid) = (process.id(), process.pid);
        let mut copiers = Vec::new();
        let streams = [(output, Some(journals.output())), (stderr, journals.stderr())];
        for (source, journal) in streams {
            if let (Some(source), Some(journal)) = (source, journal) {
                copiers.push(self.copy(id, source, journal.clone()));
            }
        }
        let event =
            Event::Exited { id, by: prepared.caller.clone(), workdir: told(prepared, &process) };
        let life = Life { process: Arc::clone(&process), child, copiers, timeout, place, event };
        let (shared, cut) = (Arc::clone(self), self.cut.clone());
        let life = async move { cut.run_until_cancelled(life.run(shared)).await };
        self.tasks.spawn(life.instrument(tracing::info_span!("proc.life", process.id = %id)));
        self.started.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        tracing::info!(process.id = %id, pid, "started");
        process
    }

    fn copy(
        &self,
        id: ProcessId,
        source: Source,
        journal: crate::journal::Journal,
    ) -> CopierHandle {
        let (copier, handle) = Copier::new(source, journal);
        let span = tracing::info_span!("proc.copy", process.id = %id);
        self.tasks.spawn(copier.run(self.cut.clone()).instrument(span));
        handle
    }
}

/// The directory of the request as an event tells it.
fn told(prepared: &Prepared, process: &Process) -> Option<AbsolutePath> {
    let _given = prepared.req.workdir.as_ref()?;
    AbsolutePath::parse(&process.record.request().workdir).ok()
}

/// Looks a user up and checks that processes may be started for it; `None` for the agent's own.
fn account(user: &str) -> Result<Option<Account>, StartError> {
    let found = Account::lookup(user).map_err(StartError::Account)?;
    let own = rustix::process::geteuid();
    let user = user.to_owned();
    match found {
        // The agent may run as somebody who is in no database.
        None if user == own.as_raw().to_string() => Ok(None),
        None => Err(StartError::UnknownUser { user }),
        Some(account) if account.is_own() || own.is_root() => Ok(Some(account)),
        Some(_) => Err(StartError::OtherUser { user }),
    }
}

fn limits(limits: Option<ProcessLimits>) -> Limits {
    let ProcessLimits { memory_bytes, cpu_percent, pids } = limits.unwrap_or_default();
    Limits { memory_bytes, cpu_percent, pids }
}

/// Where the process starts; looks at the disk.
fn workdir(
    config: &crate::Config,
    req: &StartProcessRequest,
    account: Option<&Account>,
) -> PathBuf {
    match (&req.workdir, account) {
        (Some(workdir), _) if workdir.is_empty() => config.working_directory(),
        (Some(workdir), _) if Path::new(workdir).is_absolute() => PathBuf::from(workdir),
        (Some(workdir), _) => config.working_directory().join(workdir),
        (None, Some(account)) => account.home.clone(),
        (None, None) => config.working_directory(),
    }
}

/// The layers of the environment, the later ones winning.
fn environment(shared: &Shared, prepared: &Prepared, account: Option<&Account>) -> Environment {
    let mut env = shared.session.session(account);
    if prepared.req.terminal.is_some() {
        env.set("TERM", "xterm-256color");
    }
    env.extend(&prepared.req.env);
    env.set("WORKSPACE_PROCESS_ID", prepared.id.to_string());
    match prepared.caller.chat {
        Some(chat) => env.set("WORKSPACE_CHAT_ID", chat.to_string()),
        None => drop(env.remove("WORKSPACE_CHAT_ID")),
    }
    env
}

fn record_of(prepared: &Prepared, workdir: &Path) -> Request {
    let Prepared { req, id, caller, digest } = prepared;
    Request {
        id: *id,
        digest: hex(digest),
        chat: caller.chat,
        ancestors: caller.ancestors.clone(),
        command: req.command.clone(),
        args: req.args.clone(),
        workdir: workdir.to_string_lossy().into_owned(),
        has_workdir: req.workdir.is_some(),
        background: req.background,
        separate_stderr: req.separate_stderr,
        timeout_ms: req.timeout_ms,
        user: req.user.clone(),
        limits: req.limits,
        keep_children: req.keep_children,
    }
}

fn state_of(req: &StartProcessRequest) -> State {
    let now = Timestamp::from(SystemTime::now());
    let mut state = State::starting(now, req.stdin.unwrap_or(Stdin::Null));
    state.terminal = req.terminal;
    state
}

fn command(
    prepared: &Prepared,
    workdir: PathBuf,
    env: Environment,
    account: Option<Account>,
    limits: Limits,
) -> Command {
    let req = &prepared.req;
    let shell = |command: &String| vec!["sh".into(), "-c".into(), command.into()];
    let listed = || req.args.iter().flatten().map(Into::into).collect();
    let stdio = match req.terminal {
        Some(size) => Stdio::Terminal(Size::new(size.rows, size.cols)),
        None => Stdio::Pipes {
            stdin: match req.stdin {
                Some(Stdin::Open) => CommandInput::Pipe,
                _ => CommandInput::Null,
            },
            stderr: match req.separate_stderr {
                true => ErrorOutput::Pipe,
                false => ErrorOutput::Merged,
            },
        },
    };
    Command {
        args: req.command.as_ref().map_or_else(listed, shell),
        workdir,
        env,
        stdio,
        account: account.filter(|account| !account.is_own()),
        limits,
        id: prepared.id.uuid(),
    }
}

/// Blames the field of the request that the system refused.
fn refused(req: &StartProcessRequest, source: SpawnError) -> StartError {
    let program = if req.args.is_some() { "args" } else { "command" };
    let field = match source.refused() {
        Some(Refused::Limits) => return StartError::LimitsUnsupported(Some(source)),
        Some(Refused::Workdir) => Some("workdir"),
        Some(Refused::Program) => Some(program),
        Some(Refused::Environment) => Some("env"),
        Some(Refused::User) => Some("user"),
        None => None,
    };
    StartError::Spawn { field, source }
}
