//! The service: its terminals by id, who creates one and who waits, and how all of them end.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use agent_api::{ListTerminalsResponse, OpenTerminalRequest, TerminalId};
use agent_exec::Launcher;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, oneshot},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tracing::{Instrument, info_span};

use crate::{
    Attachment, Config, Containers, Error, Statistics, Workspace,
    attachment::{Command, Join, Line, Wanted},
    control::{Bounds, Control},
    entry::{Entry, Phase, Table, Tenancy},
    raw,
    request::{self, Creation},
    size,
    statistics::Counters,
    terminal,
};

/// Terminals of the workspace: opened, listed and closed by their ids.
///
/// Cheap to clone; the clones are one service. Dropping the last clone ends every terminal.
#[derive(Clone, Debug)]
pub struct Terminals {
    pub(crate) shared: Arc<Shared>,
    _alive: Arc<DropGuard>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) launcher: Launcher,
    pub(crate) workspace: Arc<dyn Workspace>,
    containers: OnceLock<Arc<dyn Containers>>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) stop: CancellationToken,
    /// Programs that still end are killed.
    pub(crate) kill: CancellationToken,
    pub(crate) tasks: TaskTracker,
    table: Arc<Table>,
    last_number: AtomicU64,
}

/// What a request finds at its id.
enum Found {
    /// Nothing was there, and a new terminal will answer.
    Created(oneshot::Receiver<Result<Attachment, Error>>),
    There(Arc<Entry>),
}

impl Terminals {
    /// Makes the service; touches nothing.
    pub fn new(config: Config, launcher: Launcher, workspace: Arc<dyn Workspace>) -> Self {
        let stop = CancellationToken::new();
        let shared = Shared {
            config,
            launcher,
            workspace,
            containers: OnceLock::new(),
            counters: Arc::default(),
            stop: stop.clone(),
            kill: CancellationToken::new(),
            tasks: TaskTracker::new(),
            table: Arc::new(Mutex::new(HashMap::new())),
            last_number: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared), _alive: Arc::new(stop.drop_guard()) }
    }

    /// Lets terminals that name a container run there; without it they are refused. The first call
    /// counts, for all clones.
    #[must_use]
    pub fn with_containers(self, containers: Arc<dyn Containers>) -> Self {
        let _ = self.shared.containers.set(containers);
        self
    }

    /// Joins the terminal of an id, or creates it.
    ///
    /// Of several callers for a new id one creates the terminal and the others wait and join. One
    /// that finds a terminal about to end waits for that, and creates the next.
    ///
    /// # Errors
    ///
    /// What [`Error`] says; a terminal that could not be started leaves its id free, and everybody
    /// who waited for it gets the same error.
    ///
    /// # Cancellation
    ///
    /// A terminal that is being created is created all the same.
    #[tracing::instrument(
        name = "term.open_terminal",
        level = "debug",
        skip_all,
        fields(terminal.id = %id)
    )]
    pub async fn open_terminal(
        &self,
        id: TerminalId,
        req: OpenTerminalRequest,
    ) -> Result<Attachment, Error> {
        self.shared.open(id, req).await
    }

    /// Lists the terminals, the oldest first.
    pub fn list_terminals(&self) -> ListTerminalsResponse {
        let mut entries: Vec<_> = self.shared.table.lock().values().cloned().collect();
        entries.sort_unstable_by_key(|entry| entry.number);
        ListTerminalsResponse { terminals: entries.iter().map(|entry| entry.record()).collect() }
    }

    /// Ends a terminal and waits until its program has ended and its id is free, at most about 5 s.
    ///
    /// # Errors
    ///
    /// [`Error::NoTerminal`]; a terminal that ends already is none of it.
    ///
    /// # Cancellation
    ///
    /// The terminal ends all the same.
    #[tracing::instrument(
        name = "term.close_terminal",
        level = "debug",
        skip_all,
        fields(terminal.id = %id)
    )]
    pub async fn close_terminal(&self, id: TerminalId) -> Result<(), Error> {
        let found = self.shared.table.lock().get(&id).cloned();
        let entry = found.ok_or(Error::NoTerminal { id })?;
        // Waits in the line while the terminal is starting.
        let _ = entry.line.commands.send(Command::Close);
        entry.done().await;
        Ok(())
    }

    /// Serves a client of the raw framing on a byte stream; returns at once.
    ///
    /// The stream is closed when the client or the terminal ends, and with the service.
    pub fn serve_raw<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let serving = raw::serve(Arc::clone(&self.shared), stream);
        self.shared.tasks.spawn(serving.instrument(info_span!("term.raw")));
    }

    /// The figures of this moment.
    pub fn statistics(&self) -> Statistics {
        self.shared.counters.snapshot()
    }

    /// Ends every terminal, all at the same time, refuses new ones, and waits until nothing is
    /// left, at most about 5 s.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// Ends every terminal at once: kills its program and whatever that started, and waits until
    /// nothing is left.
    pub async fn kill_all(&self) {
        self.shared.kill.cancel();
        self.shutdown().await;
    }
}

impl Shared {
    /// What runs programs in containers, if that is on.
    pub(crate) fn containers(&self) -> Option<&Arc<dyn Containers>> {
        self.containers.get().filter(|containers| containers.is_enabled())
    }

    /// Does [`Terminals::open_terminal`].
    pub(crate) async fn open(
        self: &Arc<Self>,
        id: TerminalId,
        req: OpenTerminalRequest,
    ) -> Result<Attachment, Error> {
        let (wanted, creation) = request::check(req)?;
        loop {
            if self.stop.is_cancelled() {
                return Err(Error::ShuttingDown);
            }
            match self.find(id, wanted, &creation)? {
                Found::Created(answer) => {
                    let attachment = answer.await.map_err(|_| Error::Panicked)??;
                    return Ok(attachment.used());
                }
                Found::There(entry) => {
                    if let Some(attachment) = self.join(&entry, wanted).await? {
                        return Ok(attachment.used());
                    }
                }
            }
        }
    }

    /// Finds the terminal of an id, or begins to create it.
    fn find(
        self: &Arc<Self>,
        id: TerminalId,
        wanted: Wanted,
        creation: &Creation,
    ) -> Result<Found, Error> {
        let mut table = self.table.lock();
        if let Some(entry) = table.get(&id) {
            return Ok(Found::There(Arc::clone(entry)));
        }
        let max = self.config.max;
        if table.len() >= max {
            return Err(Error::TooManyTerminals { max });
        }
        let number = self.last_number.fetch_add(1, Ordering::Relaxed);
        let (line, commands) = Line::new(Arc::clone(&self.counters));
        let size = wanted.size.unwrap_or_else(size::default);
        let entry = Arc::new(Entry::new(id, number, creation, (line, size)));
        table.insert(id, Arc::clone(&entry));
        drop(table);
        let (reply, answer) = oneshot::channel();
        let join = Join { wanted, reply };
        self.begin(entry, commands, join);
        Ok(Found::Created(answer))
    }

    fn begin(
        self: &Arc<Self>,
        entry: Arc<Entry>,
        commands: mpsc::UnboundedReceiver<Command>,
        join: Join,
    ) {
        let tenancy = Tenancy::new(Arc::clone(&self.table), Arc::clone(&entry));
        let bounds = Bounds {
            max_attached: self.config.max_attached,
            idle_timeout: self.config.idle_timeout,
        };
        let span = info_span!("term.terminal", terminal.id = %entry.id);
        let control = Control::new(entry, commands, bounds, self.stop.clone());
        let life = terminal::run(Arc::clone(self), tenancy, control, join);
        self.tasks.spawn(life.instrument(span));
    }

    /// Joins a terminal once it is ready; `None` when it is over instead.
    async fn join(&self, entry: &Entry, wanted: Wanted) -> Result<Option<Attachment>, Error> {
        let mut phases = entry.phases();
        let started = phases.wait_for(|phase| !matches!(phase, Phase::Starting)).await;
        // The entry has the sender.
        let phase = started.expect("the sender is there").clone();
        if let Phase::Failed(error) = phase {
            return Err(error);
        }
        let (reply, answer) = oneshot::channel();
        let asked = entry.line.commands.send(Command::Join(Join { wanted, reply }));
        // Without an answer the terminal is closing.
        if asked.is_ok()
            && let Ok(answer) = answer.await
        {
            return answer.map(Some);
        }
        entry.done().await;
        Ok(None)
    }
}
