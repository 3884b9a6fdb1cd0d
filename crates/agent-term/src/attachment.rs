//! One connection of a terminal, as its transport sees it: a half that types and a half that shows.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use agent_api::{TerminalClientMessage, TerminalServerMessage};
use agent_exec::Size;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Error, InvalidMessage,
    input::InputQueue,
    messages::Objects,
    outbox::{End, Events, Outbox, Taken},
    size,
    statistics::Counters,
};

/// Least time between two redraws of a connection that does not keep up.
const RESYNC_INTERVAL: Duration = Duration::from_secs(1);

/// A connection of a terminal; dropping both halves leaves the terminal.
#[derive(Debug)]
pub struct Attachment {
    /// What is typed.
    pub input: Input,
    /// What is shown.
    pub output: Output,
}

/// The half of a connection that types.
#[derive(Debug)]
pub struct Input {
    seat: Arc<Seat>,
    objects: Option<Objects>,
    stage: Option<Stage>,
}

/// What of an object is yet to be done.
#[derive(Debug)]
enum Stage {
    Data(String, Option<Size>),
    Resize { after: u64, size: Size },
}

/// The half of a connection that shows.
#[derive(Debug)]
pub struct Output {
    seat: Arc<Seat>,
    resync: Resync,
    last_resync: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resync {
    No,
    /// The transport was told to write everything out.
    Draining,
    /// The terminal was asked for a redraw.
    Asked,
}

/// What a transport does next for a connection.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub enum Outgoing {
    /// Sends bytes of the terminal, at most
    /// [`MAX_TERMINAL_FRAME_BYTES`](agent_api::limits::MAX_TERMINAL_FRAME_BYTES).
    Output(Bytes),
    /// Sends a message.
    Message(TerminalServerMessage),
    /// Writes everything out that it was given before it asks for more.
    Drain,
    /// Closes the connection.
    End(End),
}

/// The place of a connection at its terminal.
#[derive(Debug)]
struct Seat {
    number: u64,
    outbox: Arc<Outbox>,
    queue: Arc<InputQueue>,
    line: Arc<Line>,
    /// Whether somebody has taken the attachment.
    is_used: AtomicBool,
}

/// The way from the connections to the task of their terminal.
///
/// Unbounded, because a connection has at most one command of each kind on its way; sizes, of
/// which it may send any number, replace each other.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) commands: mpsc::UnboundedSender<Command>,
    wish: Mutex<Option<(Size, u64)>>,
    wished: Notify,
    counters: Arc<Counters>,
}

/// What the task of a terminal is asked for.
#[derive(Debug)]
pub(crate) enum Command {
    Join(Join),
    Detach { seat: u64, was_used: bool },
    Resync { seat: u64 },
    Close,
}

/// A connection that wants to join.
#[derive(Debug)]
pub(crate) struct Join {
    pub(crate) wanted: Wanted,
    pub(crate) reply: oneshot::Sender<Result<Attachment, Error>>,
}

/// How a connection wants to join.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) size: Option<Size>,
    pub(crate) takeover: bool,
    pub(crate) events: Events,
}

impl Attachment {
    pub(crate) fn new(
        number: u64,
        outbox: Arc<Outbox>,
        queue: Arc<InputQueue>,
        line: Arc<Line>,
    ) -> Self {
        line.counters.attached();
        let is_used = AtomicBool::new(false);
        let seat = Arc::new(Seat { number, outbox, queue, line, is_used });
        let input = Input { seat: Arc::clone(&seat), objects: None, stage: None };
        Self { input, output: Output { seat, resync: Resync::No, last_resync: None } }
    }

    /// Notes that whoever asked for the attachment has got it.
    pub(crate) fn used(self) -> Self {
        self.input.seat.is_used.store(true, Ordering::Relaxed);
        self
    }
}

impl Input {
    /// Takes a frame of the client, which [`Input::apply`] then carries out; drops what is left of
    /// the one before.
    pub fn begin(&mut self, frame: Bytes) {
        self.objects = Some(Objects::of(frame));
    }

    pub(crate) fn begin_message(&mut self, message: TerminalClientMessage) {
        let size = message.height.zip(message.width);
        let size = size.and_then(|(rows, cols)| size::requested(rows.into(), cols.into()));
        self.stage = Some(Stage::Data(message.data.unwrap_or_default(), size));
    }

    /// Whether [`Input::apply`] has something to do.
    pub fn is_busy(&self) -> bool {
        self.objects.is_some() || self.stage.is_some()
    }

    /// Carries out what was begun, waiting while the terminal has more input than it takes.
    ///
    /// # Errors
    ///
    /// [`InvalidMessage`] once what precedes the fault was carried out.
    ///
    /// # Cancellation
    ///
    /// Goes on where it was.
    pub async fn apply(&mut self) -> Result<(), InvalidMessage> {
        while self.is_busy() {
            // A frame may hold a million objects that do nothing.
            tokio::task::coop::consume_budget().await;
            match &self.stage {
                Some(Stage::Data(data, size)) => {
                    let position = self.seat.queue.push(data).await;
                    let after = if data.is_empty() { 0 } else { position };
                    self.stage = size.map(|size| Stage::Resize { after, size });
                }
                Some(Stage::Resize { after, size }) => {
                    self.seat.queue.written(*after).await;
                    self.seat.line.resize(*size, self.seat.number);
                    self.stage = None;
                }
                None => match self.objects.as_mut().and_then(Iterator::next) {
                    Some(Ok(message)) => self.begin_message(message),
                    Some(Err(invalid)) => {
                        self.objects = None;
                        return Err(invalid);
                    }
                    None => self.objects = None,
                },
            }
        }
        Ok(())
    }
}

impl Output {
    /// Waits for what the transport has to do next.
    ///
    /// # Cancellation
    ///
    /// Loses nothing.
    pub async fn next(&mut self) -> Outgoing {
        loop {
            match self.seat.outbox.take() {
                Taken::Output(bytes) => return self.taken(Outgoing::Output(bytes)),
                Taken::Message(message) => return self.taken(Outgoing::Message(message)),
                Taken::End(end) => return Outgoing::End(end),
                Taken::Nothing => self.seat.outbox.changed().await,
                Taken::Lagging if self.resync == Resync::No => {
                    self.resync = Resync::Draining;
                    return Outgoing::Drain;
                }
                Taken::Lagging => self.resync().await,
            }
        }
    }

    /// Cancelled when the terminal has ended; there may still be output of it.
    pub(crate) fn ended(&self) -> CancellationToken {
        self.seat.outbox.ended()
    }

    fn taken(&mut self, outgoing: Outgoing) -> Outgoing {
        if self.resync == Resync::Asked {
            self.last_resync = Some(Instant::now());
            self.seat.line.counters.resynced();
        }
        self.resync = Resync::No;
        outgoing
    }

    /// Waits until it is time for a redraw, and then for the redraw.
    async fn resync(&mut self) {
        if let Some(last) = self.last_resync {
            sleep_until(last + RESYNC_INTERVAL).await;
        }
        let is_asked = std::mem::replace(&mut self.resync, Resync::Asked) == Resync::Asked;
        if self.seat.outbox.resume_at_end() {
            return;
        }
        if !is_asked {
            // A terminal that is gone leaves an end.
            let _ = self.seat.line.commands.send(Command::Resync { seat: self.seat.number });
        }
        self.seat.outbox.changed().await;
    }
}

impl Line {
    pub(crate) fn new(counters: Arc<Counters>) -> (Arc<Self>, mpsc::UnboundedReceiver<Command>) {
        let (commands, received) = mpsc::unbounded_channel();
        let (wish, wished) = (Mutex::default(), Notify::new());
        (Arc::new(Self { commands, wish, wished, counters }), received)
    }

    fn resize(&self, size: Size, by: u64) {
        *self.wish.lock() = Some((size, by));
        self.wished.notify_one();
    }

    /// Waits for the newest wish for a size, and whose it is.
    ///
    /// # Cancellation
    ///
    /// Loses nothing.
    pub(crate) async fn wish(&self) -> (Size, u64) {
        loop {
            let wished = self.wished.notified();
            if let Some(wish) = self.wish.lock().take() {
                return wish;
            }
            wished.await;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.line.counters.detached();
        let was_used = *self.is_used.get_mut();
        // Nobody is left to be told once the terminal is gone.
        let _ = self.line.commands.send(Command::Detach { seat: self.number, was_used });
    }
}
