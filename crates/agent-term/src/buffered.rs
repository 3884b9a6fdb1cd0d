//! The backend `buffered`: a program on a pseudo terminal whose output goes into an emulator and to
//! every connection, by one task that owns all of it.
//!
//! A redraw is taken between two pieces of output, so that live output goes on exactly behind it.
//! Nothing here waits for a connection, and between two pieces other tasks get their turn.

use std::{io, sync::Arc, time::Duration};

use agent_exec::{Child, ForeignHandle, Pty, Size, hang_up};
use bytes::{Buf, Bytes};
use tokio::{
    task::{spawn_blocking, yield_now},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    Attachment,
    attachment::{Join, Wanted},
    contained::{self, Contained},
    control::{Cause, Control, Event},
    emulator::{Emulator, Limits},
    entry::Tenancy,
    input::InputQueue,
    outbox::End,
    redraws::Redraws,
    service::Shared,
    statistics::{Counters, ErrorType},
    terminal::{self, Why},
};

/// Most output that is read before anything else gets its turn.
const READ_BYTES: usize = 64 * 1024;
/// Most output that is read after the end of the program: more than the system keeps, because
/// somebody else may go on printing.
pub(crate) const DRAIN_BYTES: usize = 4 * 1024 * 1024;
/// Longest time that output is read after the end of the program, because it can be output that
/// takes long to show.
const DRAIN_TIME: Duration = Duration::from_secs(3);
/// Most bytes of redraws that connections have not taken yet, beyond the newest; with more, those
/// connections begin anew.
const MAX_REDRAW_BYTES: usize = 128 * 1024 * 1024;
/// How often a terminal that no process has open is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(crate) struct Buffered {
    program: Running,
    screen: Screen,
}

/// The program of a terminal.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one a terminal, and most are the large one"
)]
pub(crate) enum Running {
    Here(Child, Pty),
    Contained(Contained),
}

/// The terminal of a program, as far as a screen changes it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Far<'a> {
    Here(&'a Pty),
    Contained(&'a dyn ForeignHandle),
}

/// What is shown, and what of it the program is told.
#[derive(Debug)]
pub(crate) struct Screen {
    emulator: Emulator,
    /// What was read and is not shown yet.
    unshown: Bytes,
    redraws: Redraws,
    queue: Arc<InputQueue>,
    counters: Arc<Counters>,
}

/// What a read found.
enum Read {
    More,
    Empty,
    /// No process has the terminal open.
    HungUp,
    Failed(io::Error),
}

impl Buffered {
    /// Takes a started program over, with the connection that created the terminal.
    pub(crate) fn new(
        shared: &Shared,
        control: &mut Control,
        wanted: Wanted,
        program: Running,
    ) -> (Self, Attachment) {
        let limits = Limits {
            scrollback_lines: shared.config.scrollback_lines,
            max_memory_bytes: shared.config.max_memory_bytes,
        };
        let queue = Arc::new(InputQueue::new(Arc::default()));
        if let Running::Here(child, _) = &program {
            control.entry().facts.lock().pid = Some(child.pid);
        }
        let (_, _, attachment) = control.seat(wanted, Arc::clone(&queue), None);
        let emulator = Emulator::new(control.size(), limits);
        let (unshown, counters) = (Bytes::new(), Arc::clone(&shared.counters));
        let redraws = Redraws::default();
        let screen = Screen { emulator, unshown, redraws, queue, counters };
        (Self { program, screen }, attachment)
    }

    /// Serves the terminal to its end; answers why it came.
    pub(crate) async fn run(
        mut self: Box<Self>,
        shared: &Shared,
        mut control: Control,
        tenancy: Tenancy,
    ) -> Why {
        let Self { program, screen } = &mut *self;
        let why = match program {
            Running::Here(child, pty) => screen.live(child, pty, &mut control).await,
            // On the heap: most terminals would hold the room for it.
            Running::Contained(contained) => Box::pin(contained.live(screen, &mut control)).await,
        };
        control.refuse();
        self.screen.queue.close();
        let end = match why {
            Why::Exited(status) => {
                // What comes later is lost.
                let _ = timeout(DRAIN_TIME, self.drain(&mut control)).await;
                let last = match control.has_laggards() {
                    true => Some(self.screen.redraw(&control).await),
                    false => None,
                };
                // Whoever is told of the end finds the id free.
                tenancy.end();
                let exited = status.map(terminal::exited).unwrap_or_default();
                control.end(End::Exited, Some(&exited), last.as_ref());
                return why;
            }
            Why::Failed => End::Failed,
            Why::Cause(cause) => cause.end(),
        };
        control.end(end, None, None);
        // On the heap while it lasts: an idle terminal would hold the room for it.
        Box::pin(self.program.end(&shared.kill)).await;
        tenancy.end();
        why
    }

    /// Shows what the program left behind.
    async fn drain(&mut self, control: &mut Control) {
        match &mut self.program {
            Running::Here(_, pty) => self.screen.drain(pty, control).await,
            Running::Contained(contained) => {
                Box::pin(contained.drain(&mut self.screen, control)).await;
            }
        }
    }
}

impl Running {
    /// Takes the terminal away and waits for the program's end, or kills it when there is no time
    /// left.
    async fn end(self, kill: &CancellationToken) {
        match self {
            Self::Here(child, pty) => tokio::select! {
                _ = hang_up(&child, pty) => {}
                () = kill.cancelled() => {
                    child.tree.kill().await;
                    child.wait().await;
                }
            },
            Self::Contained(contained) => contained.end(kill).await,
        }
    }
}

impl Far<'_> {
    async fn resize(self, size: Size) -> io::Result<()> {
        match self {
            Self::Here(pty) => pty.resize(size),
            Self::Contained(handle) => Box::pin(contained::resize(handle, size)).await,
        }
    }
}

impl Screen {
    async fn live(&mut self, child: &Child, pty: &Pty, control: &mut Control) -> Why {
        let screen = self;
        let mut exit = std::pin::pin!(child.wait());
        let mut typed = Bytes::new();
        let mut is_hung_up = false;
        loop {
            let read = tokio::select! {
                event = control.next() => {
                    match screen.handle(control, Far::Here(pty), event).await {
                        Some(cause) => return Why::Cause(cause),
                        None => continue,
                    }
                }
                exit = &mut exit => return Why::Exited(Some(exit.status)),
                written = pty.write(&typed), if !typed.is_empty() => {
                    screen.wrote(&mut typed, written);
                    continue;
                }
                taken = screen.queue.take(), if typed.is_empty() => {
                    typed = taken;
                    continue;
                }
                () = yield_now(), if screen.is_behind() => {
                    screen.show_more(control);
                    continue;
                }
                ready = pty.readable(), if !is_hung_up && !screen.is_behind() => match ready {
                    Ok(ready) => {
                        let read = screen.read(control, pty);
                        if matches!(read, Read::Empty) {
                            ready.clear();
                        }
                        read
                    }
                    Err(error) => Read::Failed(error),
                },
                () = sleep(LOOK_INTERVAL), if is_hung_up && !screen.is_behind() => {
                    screen.read(control, pty)
                }
            };
            is_hung_up = matches!(read, Read::HungUp);
            match read {
                // Other tasks wait for this thread.
                Read::More => yield_now().await,
                Read::Empty | Read::HungUp => {}
                Read::Failed(error) => {
                    warn!(error = %agent_api::io_text(&error), "a terminal cannot be read");
                    screen.counters.failed(ErrorType::OutputReader);
                    return Why::Failed;
                }
            }
        }
    }

    /// Shows what a program on the host left behind.
    async fn drain(&mut self, pty: &Pty, control: &Control) {
        for _ in 0..DRAIN_BYTES / READ_BYTES {
            while self.is_behind() {
                yield_now().await;
                self.show_more(control);
            }
            let read = self.read(control, pty);
            if !matches!(read, Read::More) && !self.is_behind() {
                return;
            }
        }
    }

    /// Does what the connections ask for; answers why the terminal ends, if it does.
    pub(crate) async fn handle(
        &mut self,
        control: &mut Control,
        far: Far<'_>,
        event: Event,
    ) -> Option<Cause> {
        match event {
            Event::Join(join) => self.join(control, far, join).await,
            Event::Left(_) => {}
            Event::Resize(size, by) => self.resize(control, far, size, by).await,
            Event::Resync(seat) => {
                if let Some(outbox) = control.outbox(seat) {
                    outbox.resume(self.redraw(control).await);
                }
            }
            Event::End(cause) => return Some(cause),
        }
        None
    }

    async fn join(&mut self, control: &mut Control, far: Far<'_>, join: Join) {
        let wanted = join.wanted;
        if let Err(error) = control.admit(wanted) {
            // Whoever asked may have left.
            let _ = join.reply.send(Err(error));
            return;
        }
        if let Some(size) = wanted.size.filter(|size| *size != control.size()) {
            self.resize(control, far, size, control.next_seat()).await;
        }
        let redraw = self.redraw(control).await;
        let (_, _, attachment) = control.seat(wanted, Arc::clone(&self.queue), Some(redraw));
        let _ = join.reply.send(Ok(attachment));
    }

    async fn resize(&mut self, control: &mut Control, far: Far<'_>, size: Size, by: u64) {
        if far.resize(size).await.is_err() {
            self.counters.failed(ErrorType::Resize);
            return control.not_resized();
        }
        self.redraws.expire();
        self.work(move |emulator| emulator.resize(size)).await;
        control.resized(size, by);
    }

    /// The bytes that bring a client to the present state, shared by all that need them.
    async fn redraw(&mut self, control: &Control) -> Bytes {
        if let Some(redraw) = self.redraws.newest() {
            return redraw;
        }
        if self.redraws.bytes() > MAX_REDRAW_BYTES {
            control.revoke_redraws();
        }
        let redraw = self.work(|emulator| emulator.redraw()).await;
        self.redraws.add(redraw)
    }

    /// Does something to the emulator that may take long, then elsewhere. Nothing is shown meanwhile.
    async fn work<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Emulator) -> T + Send + 'static,
    ) -> T {
        if !self.emulator.is_large() {
            return work(&mut self.emulator);
        }
        let mut emulator = std::mem::replace(&mut self.emulator, Emulator::placeholder());
        let worked = spawn_blocking(move || {
            let done = work(&mut emulator);
            (emulator, done)
        });
        match worked.await {
            Ok((emulator, done)) => {
                self.emulator = emulator;
                done
            }
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime stops, and this task with it.
                Err(_) => std::future::pending().await,
            },
        }
    }

    fn read(&mut self, control: &Control, pty: &Pty) -> Read {
        // Not kept by the task: thousands of terminals are idle.
        let mut buffer = [0; READ_BYTES];
        let mut length = 0;
        let read = loop {
            match pty.try_read(&mut buffer[length..]) {
                Ok(0) => break Read::HungUp,
                Ok(more) => length += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Read::Empty,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Read::Failed(error),
            }
            if length == buffer.len() {
                break Read::More;
            }
        };
        if length > 0 {
            let shown = self.show(control, &buffer[..length]);
            self.unshown = Bytes::copy_from_slice(&buffer[shown..length]);
        }
        read
    }

    /// Shows a piece of output; what would take too long is shown later.
    pub(crate) fn show_piece(&mut self, control: &Control, piece: Bytes) {
        let shown = self.show(control, &piece);
        self.unshown = piece.slice(shown..);
    }

    /// Waits for something that was typed.
    pub(crate) async fn take_typed(&self) -> Bytes {
        self.queue.take().await
    }

    pub(crate) fn failed(&self, what: ErrorType) {
        self.counters.failed(what);
    }

    /// Whether something was read that is not shown yet.
    pub(crate) fn is_behind(&self) -> bool {
        !self.unshown.is_empty()
    }

    /// Shows a piece of what was read.
    pub(crate) fn show_more(&mut self, control: &Control) {
        let shown = self.show(control, &self.unshown.clone());
        self.unshown.advance(shown);
    }

    /// Shows a piece of output, as much as takes about a millisecond; answers how much.
    fn show(&mut self, control: &Control, bytes: &[u8]) -> usize {
        self.redraws.expire();
        let shown = self.emulator.feed_some(bytes);
        let bytes = &bytes[..shown];
        let answers = self.emulator.take_answers();
        if control.is_alone() && !answers.is_empty() {
            // A program that asks without end and never reads has enough answers.
            let _ = self.queue.offer(&answers);
        }
        control.show(bytes);
        let facts = &control.entry().facts;
        let title = self.emulator.title();
        let mut facts = facts.lock();
        if facts.title != title {
            title.clone_into(&mut facts.title);
        }
        shown
    }

    /// Notes what the terminal took of the input.
    pub(crate) fn wrote(&self, typed: &mut Bytes, written: io::Result<usize>) {
        let length = match written {
            Ok(length) => length,
            // Nobody has the terminal open, or will ever read this.
            Err(error) => {
                if error.kind() != io::ErrorKind::BrokenPipe {
                    self.counters.failed(ErrorType::InputWriter);
                }
                typed.len()
            }
        };
        typed.advance(length);
        self.queue.done(length);
    }
}
