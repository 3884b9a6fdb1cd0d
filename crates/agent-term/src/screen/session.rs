//! A session of `screen` from its start to its end, and the views of its connections.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use agent_api::TerminalExited;
use agent_exec::{Child, ExitStatus, OtherProcess, Pty, Size, Tree};
use bytes::Bytes;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::{interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    control::{self, Controls},
    view::{Left, View},
};
use crate::{
    Attachment, Error,
    attachment::{Join, Wanted},
    control::{Cause, Control, Event},
    entry::Tenancy,
    input::{InputQueue, Room},
    outbox::End,
    program::{self, Program, blocking},
    service::Shared,
    statistics::{Counters, ErrorType},
    terminal::Why,
};

/// Time between two questions whether a session is ready.
const READY_INTERVAL: Duration = Duration::from_millis(250);
/// How long a session may take to become ready.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a view may take to see its new size.
const FIT_DELAY: Duration = Duration::from_millis(250);
/// How long a session may take to end.
const END_TIMEOUT: Duration = Duration::from_secs(5);
/// How long what was killed may take to end.
const KILL_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the server may outlive a view that saw the end of the session.
const FAREWELL: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Session {
    controls: Arc<Controls>,
    counters: Arc<Counters>,
    /// `None` when the session has ended already.
    server: Option<OtherProcess>,
    room: Arc<Room>,
    sizes: watch::Sender<Size>,
    views: JoinSet<(u64, Left)>,
    handles: HashMap<u64, Handle>,
    printed: Arc<Notify>,
    /// A view has drawn at a new size, which the window of several follows only when it is told to.
    drawn: Arc<Notify>,
    /// Tells it.
    fitting: JoinSet<()>,
    /// Of the first view, whose descendant the server is.
    tree: Tree,
}

/// What a view is told.
#[derive(Debug, Default)]
struct Handle {
    again: Arc<Notify>,
    stop: CancellationToken,
}

impl Session {
    /// Starts a session with the view of the connection that creates the terminal, and waits until
    /// it is ready.
    ///
    /// # Errors
    ///
    /// The program cannot be started, or the session does not become ready.
    pub(crate) async fn start(
        shared: &Arc<Shared>,
        control: &mut Control,
        wanted: Wanted,
        (screen, program): (PathBuf, Program),
    ) -> Result<(Self, Attachment), Error> {
        check(&program)?;
        let state_dir = shared.config.state_dir.clone();
        let config = blocking(move || control::write_config(&state_dir)).await?;
        let config = config.map_err(|source| Error::ScreenConfig(Arc::new(source)))?;
        let controls = Arc::new(Controls::new(shared.launcher.clone(), screen, config, program));
        let started = controls.view().start(&shared.launcher, control.size()).await?;
        let mut session = Self {
            controls,
            counters: Arc::clone(&shared.counters),
            server: None,
            room: Arc::default(),
            sizes: watch::Sender::new(control.size()),
            views: JoinSet::new(),
            handles: HashMap::new(),
            printed: Arc::default(),
            drawn: Arc::default(),
            fitting: JoinSet::new(),
            tree: started.0.tree.clone(),
        };
        session.fitting.spawn(fit(Arc::clone(&session.controls), Arc::clone(&session.drawn)));
        let attachment = session.show(control, wanted, None, started);
        let readied = shared.stop.run_until_cancelled(session.ready()).await;
        if let Err(error) = readied.unwrap_or(Err(Error::ShuttingDown)) {
            session.end_or_kill(&shared.kill).await;
            return Err(error);
        }
        Ok((session, attachment))
    }

    /// Attaches a connection with a view of its own.
    fn show(
        &mut self,
        control: &mut Control,
        wanted: Wanted,
        redraw: Option<Bytes>,
        started: (Child, Pty),
    ) -> Attachment {
        let queue = Arc::new(InputQueue::new(Arc::clone(&self.room)));
        let (seat, outbox, attachment) = control.seat(wanted, Arc::clone(&queue), redraw);
        let handle = Handle::default();
        let view = View {
            controls: Arc::clone(&self.controls),
            outbox,
            queue,
            counters: Arc::clone(&self.counters),
            sizes: self.sizes.subscribe(),
            again: Arc::clone(&handle.again),
            stop: handle.stop.clone(),
            printed: Arc::clone(&self.printed),
            drawn: Arc::clone(&self.drawn),
            is_fitted: false,
        };
        self.handles.insert(seat, handle);
        self.views.spawn(async move { (seat, view.run(started).await) });
        attachment
    }

    /// Waits until the session is ready, or has ended already.
    async fn ready(&mut self) -> Result<(), Error> {
        let controls = Arc::clone(&self.controls);
        let ready = async {
            let mut ticks = interval(READY_INTERVAL);
            loop {
                ticks.tick().await;
                if controls.is_ready().await
                    && let Some(pid) = controls.server_pid().await
                    && let Ok(server) = OtherProcess::watch(pid)
                {
                    return server;
                }
            }
        };
        tokio::select! {
            ready = timeout(READY_TIMEOUT, ready) => match ready {
                Ok(server) => self.server = Some(server),
                Err(_) => return Err(Error::ScreenNotReady),
            },
            // The program may be over by now.
            Some(left) = self.views.join_next() => match left {
                Ok((_, Left::Ended(ExitStatus::Exited(0)))) => {}
                _ => return Err(Error::ScreenNotReady),
            },
        }
        Ok(())
    }

    /// Serves the terminal to its end; answers why it came.
    pub(crate) async fn run(
        mut self: Box<Self>,
        shared: &Shared,
        mut control: Control,
        tenancy: Tenancy,
    ) -> Why {
        let why = self.live(&mut control).await;
        control.refuse();
        match why {
            Why::Exited(_) | Why::Failed => {
                // What the views still have to show comes before the end.
                let views = async { while self.views.join_next().await.is_some() {} };
                let _ = timeout(FAREWELL, views).await;
                self.end().await;
                tenancy.end();
                control.end(End::Exited, Some(&TerminalExited::default()), None);
            }
            Why::Cause(cause) => {
                control.end(cause.end(), None, None);
                self.end_or_kill(&shared.kill).await;
                tenancy.end();
            }
        }
        why
    }

    async fn live(&mut self, control: &mut Control) -> Why {
        loop {
            let Some(server) = &self.server else { return Why::Exited(None) };
            tokio::select! {
                event = control.next() => {
                    if let Some(cause) = self.handle(control, event).await {
                        return Why::Cause(cause);
                    }
                }
                () = server.ended() => return Why::Exited(None),
                () = self.printed.notified() => control.printed(),
                Some(left) = self.views.join_next() => {
                    let Ok((seat, left)) = left else { continue };
                    self.handles.remove(&seat);
                    // A view ends because the session does, or because somebody detached it.
                    if matches!(left, Left::Ended(_))
                        && timeout(FAREWELL, server.ended()).await.is_ok()
                    {
                        return Why::Exited(None);
                    }
                    let end = if left == Left::Failed { End::Failed } else { End::Closed };
                    control.end_one(seat, end);
                }
            }
        }
    }

    async fn handle(&mut self, control: &mut Control, event: Event) -> Option<Cause> {
        match event {
            Event::Join(join) => self.join(control, join).await,
            Event::Left(seat) => {
                if let Some(handle) = self.handles.get(&seat) {
                    handle.stop.cancel();
                }
            }
            Event::Resync(seat) => {
                if let Some(handle) = self.handles.get(&seat) {
                    handle.again.notify_one();
                }
            }
            Event::Resize(size, by) => self.resize(control, size, by),
            Event::End(cause) => return Some(cause),
        }
        None
    }

    async fn join(&mut self, control: &mut Control, join: Join) {
        let wanted = join.wanted;
        let joined = match control.admit(wanted) {
            Ok(()) => self.start_view(control, wanted).await,
            Err(error) => Err(error),
        };
        // Whoever asked may have left.
        let _ = join.reply.send(joined);
    }

    async fn start_view(
        &mut self,
        control: &mut Control,
        wanted: Wanted,
    ) -> Result<Attachment, Error> {
        if let Some(size) = wanted.size.filter(|size| *size != control.size()) {
            self.resize(control, size, control.next_seat());
        }
        let program = self.controls.view();
        let started = program.start(self.controls.launcher(), control.size()).await;
        let started = started.inspect_err(|_| self.counters.failed(ErrorType::ScreenSpawn))?;
        if wanted.takeover {
            self.handles.drain().for_each(|(_, handle)| handle.stop.cancel());
        }
        Ok(self.show(control, wanted, Some(Bytes::new()), started))
    }

    fn resize(&self, control: &mut Control, size: Size, by: u64) {
        self.sizes.send_replace(size);
        control.resized(size, by);
    }

    /// Ends the session; once there is no time for it, kills everything that it started.
    async fn end_or_kill(&mut self, kill: &CancellationToken) {
        if kill.run_until_cancelled(self.end()).await.is_none() {
            self.tree.kill().await;
        }
    }

    /// Ends the session, its programs and its views.
    async fn end(&mut self) {
        let mut left = self.programs().await;
        // Also of a session that has ended: a view that came at that moment has begun another.
        self.controls.quit().await;
        match self.server.take() {
            Some(server) => {
                left.push(server);
                self.await_or_kill(&left).await;
            }
            // It may not have got to its session yet.
            None => self.tree.kill().await,
        }
        self.handles.drain().for_each(|(_, handle)| handle.stop.cancel());
        while self.views.join_next().await.is_some() {}
        // A session that was killed leaves its socket, and one that ended under load at times.
        self.controls.wipe().await;
    }

    /// What runs in the session, which hears of its end only by `SIGHUP`.
    async fn programs(&mut self) -> Vec<OtherProcess> {
        let Some(server) = self.server.take() else { return Vec::new() };
        let ask = move || {
            // Without `/proc` there is no way to know.
            let programs = server.children().unwrap_or_default();
            (server, programs)
        };
        let Ok((server, programs)) = blocking(ask).await else { return Vec::new() };
        self.server = Some(server);
        programs
    }

    /// Waits for processes that were told to end, and kills those that do not.
    async fn await_or_kill(&self, processes: &[OtherProcess]) {
        if timeout(END_TIMEOUT, all_ended(processes)).await.is_ok() {
            return;
        }
        self.counters.failed(ErrorType::ScreenWait);
        for process in processes {
            // Whoever may not do that could not have started it.
            let _ = process.kill();
        }
        // The kernel ends them at once, but for one that waits for a device.
        let _ = timeout(KILL_TIMEOUT, all_ended(processes)).await;
    }
}

async fn all_ended(processes: &[OtherProcess]) {
    for process in processes {
        process.ended().await;
    }
}

/// Fits the window to its views whenever one of them has drawn at its new size.
async fn fit(controls: Arc<Controls>, drawn: Arc<Notify>) {
    loop {
        drawn.notified().await;
        // Once at once, and once more in case it drew what the program printed just before.
        controls.fit().await;
        sleep(FIT_DELAY).await;
        controls.fit().await;
    }
}

/// Whether there is something to run: `screen` itself would only say so on its screen.
fn check(program: &Program) -> Result<(), Error> {
    let name = program.args.first().map(AsRef::as_ref).unwrap_or_default();
    let path = program.env.get("PATH").unwrap_or_default();
    let found = program::find(name, path);
    found.map(drop).ok_or_else(|| Error::NoProgram { name: name.to_string_lossy().into_owned() })
}
