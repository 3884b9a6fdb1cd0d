//! What the task of a terminal knows of its connections, its size and its time, whatever the
//! backend; the program is the backend's.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use agent_api::{TerminalAttached, TerminalExited};
use agent_exec::Size;
use bytes::Bytes;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Error,
    attachment::{Attachment, Command, Join, Wanted},
    entry::{Entry, Phase},
    input::InputQueue,
    outbox::{End, Outbox},
    size::Resizes,
};

/// How long a terminal waits for its first connection.
const FIRST_CONNECTION: Duration = Duration::from_secs(30);

/// What a backend has to do.
#[derive(Debug)]
pub(crate) enum Event {
    /// Attach a connection, with [`Control::seat`].
    Join(Join),
    /// A connection has left.
    Left(u64),
    /// Send a redraw to a connection that has lost output.
    Resync(u64),
    /// Change the size, then say so with [`Control::resized`].
    Resize(Size, u64),
    /// End the program.
    End(Cause),
}

/// Why a terminal ends that could live on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Closed,
    Expired,
    Stopped,
}

/// Limits of a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) max_attached: usize,
    pub(crate) idle_timeout: Duration,
}

#[derive(Debug)]
pub(crate) struct Control {
    entry: Arc<Entry>,
    bounds: Bounds,
    stop: CancellationToken,
    commands: mpsc::UnboundedReceiver<Command>,
    connections: Vec<(u64, Arc<Outbox>)>,
    last_seat: u64,
    was_used: bool,
    /// When the terminal ends unless somebody comes.
    deadline: Option<Instant>,
    size: Size,
    resizes: Resizes<u64>,
}

impl Control {
    pub(crate) fn new(
        entry: Arc<Entry>,
        commands: mpsc::UnboundedReceiver<Command>,
        bounds: Bounds,
        stop: CancellationToken,
    ) -> Self {
        let size = entry.facts.lock().size;
        Self {
            entry,
            bounds,
            stop,
            commands,
            connections: Vec::new(),
            last_seat: 0,
            was_used: false,
            deadline: None,
            size,
            resizes: Resizes::default(),
        }
    }

    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    pub(crate) fn size(&self) -> Size {
        self.size
    }

    /// Waits for something to do.
    ///
    /// # Cancellation
    ///
    /// Loses nothing.
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            let now = Instant::now();
            if let Some((size, by)) = self.resizes.take(now) {
                if size == self.size {
                    continue;
                }
                return Event::Resize(size, by);
            }
            let line = &self.entry.line;
            tokio::select! {
                command = self.commands.recv() => {
                    let command = command.expect("the entry has a sender");
                    if let Some(event) = self.commanded(command) {
                        return event;
                    }
                }
                (size, by) = line.wish() => self.resizes.ask(size, by),
                () = until(self.resizes.due(now)) => {}
                () = until(self.deadline) => return Event::End(Cause::Expired),
                () = self.stop.cancelled() => return Event::End(Cause::Stopped),
            }
        }
    }

    fn commanded(&mut self, command: Command) -> Option<Event> {
        match command {
            Command::Join(join) => Some(Event::Join(join)),
            Command::Resync { seat } => Some(Event::Resync(seat)),
            Command::Close => Some(Event::End(Cause::Closed)),
            Command::Detach { seat, was_used } => {
                self.was_used |= was_used;
                let before = self.connections.len();
                self.connections.retain(|(number, _)| *number != seat);
                let has_left = self.connections.len() < before;
                if has_left {
                    self.count();
                }
                has_left.then_some(Event::Left(seat))
            }
        }
    }

    /// Whether a connection may join.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyConnections`]; one that takes over is alone afterwards.
    pub(crate) fn admit(&self, wanted: Wanted) -> Result<(), Error> {
        let max = self.bounds.max_attached;
        if self.connections.len() < max || wanted.takeover {
            Ok(())
        } else {
            Err(Error::TooManyConnections { max })
        }
    }

    /// Attaches a connection at the present size; answers its number too.
    ///
    /// `redraw` is `None` for the connection that created the terminal.
    pub(crate) fn seat(
        &mut self,
        wanted: Wanted,
        queue: Arc<InputQueue>,
        redraw: Option<Bytes>,
    ) -> (u64, Arc<Outbox>, Attachment) {
        if wanted.takeover {
            for (_, outbox) in self.connections.drain(..) {
                outbox.end(End::TakenOver, None, None);
            }
        }
        let Size { rows, cols, .. } = self.size;
        let (created, backend) = (redraw.is_none(), self.entry.backend);
        let attached = TerminalAttached { created, rows, cols, backend };
        let outbox = Arc::new(Outbox::new(wanted.events, attached, redraw.unwrap_or_default()));
        let number = self.next_seat();
        self.last_seat = number;
        self.connections.push((number, Arc::clone(&outbox)));
        self.count();
        let line = Arc::clone(&self.entry.line);
        let attachment = Attachment::new(number, Arc::clone(&outbox), queue, line);
        (number, outbox, attachment)
    }

    /// The number that the next connection will have.
    pub(crate) fn next_seat(&self) -> u64 {
        self.last_seat + 1
    }

    /// Brings the time up to the number of connections.
    pub(crate) fn count(&mut self) {
        let attached = self.connections.len();
        let limit = match (attached, self.was_used) {
            (0, true) => Some(self.bounds.idle_timeout),
            (0, false) => Some(FIRST_CONNECTION),
            _ => None,
        };
        self.deadline = limit.map(|limit| Instant::now() + limit);
        let mut facts = self.entry.facts.lock();
        facts.attached = attached;
        facts.expires_at = limit.map(|limit| SystemTime::now() + limit);
    }

    pub(crate) fn is_alone(&self) -> bool {
        self.connections.is_empty()
    }

    pub(crate) fn outbox(&self, seat: u64) -> Option<&Arc<Outbox>> {
        let found = self.connections.iter().find(|(number, _)| *number == seat);
        found.map(|(_, outbox)| outbox)
    }

    /// Takes redraws back that connections have not taken whole; those are resynchronized.
    pub(crate) fn revoke_redraws(&self) {
        self.connections.iter().for_each(|(_, outbox)| outbox.revoke_redraw());
    }

    /// Hands output to every connection; never waits.
    pub(crate) fn show(&self, bytes: &[u8]) {
        self.printed();
        if self.connections.is_empty() {
            return;
        }
        let bytes = Bytes::copy_from_slice(bytes);
        for (_, outbox) in &self.connections {
            outbox.push(&bytes);
        }
    }

    /// Notes that the program printed.
    pub(crate) fn printed(&self) {
        self.entry.facts.lock().last_output_at = SystemTime::now();
    }

    /// Notes that the size was changed, and tells those who did not.
    pub(crate) fn resized(&mut self, size: Size, by: u64) {
        self.size = size;
        self.entry.facts.lock().size = size;
        self.resizes.applied(Instant::now());
        let others = self.connections.iter().filter(|(number, _)| *number != by);
        others.for_each(|(_, outbox)| outbox.resized(size));
    }

    /// Notes that a change of the size was refused.
    pub(crate) fn not_resized(&mut self) {
        self.resizes.applied(Instant::now());
    }

    /// Whether a connection has lost output that nothing has replaced yet.
    pub(crate) fn has_laggards(&self) -> bool {
        self.connections.iter().any(|(_, outbox)| outbox.is_lagging())
    }

    /// Closes every connection behind what it is still to be sent.
    pub(crate) fn end(&mut self, end: End, exited: Option<&TerminalExited>, last: Option<&Bytes>) {
        for (_, outbox) in self.connections.drain(..) {
            outbox.end(end, exited.cloned(), last.cloned());
        }
    }

    /// Takes no more commands: whoever waits for an answer finds the terminal closing.
    pub(crate) fn refuse(&mut self) {
        self.commands.close();
        while self.commands.try_recv().is_ok() {}
        self.deadline = None;
        self.entry.facts.lock().expires_at = None;
        self.entry.enter(Phase::Closing);
    }

    /// Closes one connection.
    pub(crate) fn end_one(&mut self, seat: u64, end: End) {
        if let Some(outbox) = self.outbox(seat) {
            outbox.end(end, None, None);
            self.connections.retain(|(number, _)| *number != seat);
            self.count();
        }
    }
}

impl Drop for Control {
    /// Nobody waits for ever, also when the terminal's task ends by a defect.
    fn drop(&mut self) {
        self.end(End::Failed, None, None);
    }
}

/// Waits until a moment; for ever where there is none.
pub(crate) async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
