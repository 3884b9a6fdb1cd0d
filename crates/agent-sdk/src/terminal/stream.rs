//! One connection of a terminal: what it shows and how it ends, and the way to type; not what
//! becomes of the terminal when the connection is lost.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use agent_api::{
    TerminalClientMessage, TerminalServerMessage, close_codes::COMPLETE, routes::OPEN_TERMINAL,
};
use bytes::Bytes;
use futures_core::Stream;
use futures_util::{StreamExt, stream};
use tokio::io::AsyncRead;
use tokio_util::{io::ReaderStream, sync::DropGuard};

use super::message;
use crate::{
    Error,
    transport::{Message, Messages, TextSender},
};

/// Bytes of raw output that are taken at once, as many as an agent's frame has.
const READ_BYTES: usize = 32 * 1024;

/// What a terminal shows, piece by piece.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TerminalItem {
    /// Bytes for the screen, at least one; where they are cut means nothing.
    Output(Bytes),
    /// Something that happened between them; only if the request asked for `events`.
    Event(TerminalServerMessage),
    /// The last item: the agent ended the connection because it is complete.
    Closed {
        /// `exited` when the program ended, `closed` when somebody closed the terminal; empty where
        /// it is not told, which is so with raw framing.
        reason: String,
    },
}

/// Answer of [`open_terminal`](crate::AgentConn::open_terminal) and
/// [`open_terminal_stream`](crate::AgentConn::open_terminal_stream): what a terminal shows, and the
/// way to type.
///
/// The last item is [`TerminalItem::Closed`] or an error, after which nothing follows. Among the
/// errors [`Error::Closed`] with code 4001 says that another connection took over, 1007 that a
/// message was refused, 1001 that the agent shuts down, and without a code that the connection was
/// lost: the terminal goes on then, and may be opened again. Events of a newer agent are left out.
///
/// Output has no limit. At most 64 messages or 1 MiB are held for a caller that does not read; the
/// agent drops what comes then and sends the whole screen later. Dropping the stream closes the
/// connection, whatever senders there are, and leaves the terminal alone.
pub struct TerminalStream {
    /// `None` when nothing follows.
    items: Option<Items>,
    sender: TerminalSender,
}

/// The way to type into a [`TerminalStream`] while another task reads it; clones take turns.
///
/// A method returns when the message is queued, of which at most 64 or 1 MiB are: an agent that
/// does not read slows its callers down. What is queued when the stream is dropped may be lost.
///
/// # Cancellation
///
/// A method whose future is dropped has sent the whole message or nothing of it.
///
/// # Errors
///
/// [`Error::InvalidArgument`] for a message above 4 MiB as JSON, [`Error::Closed`] when the
/// connection has ended.
#[derive(Clone)]
pub struct TerminalSender {
    outlet: Outlet,
}

type Items = Pin<Box<dyn Stream<Item = Result<TerminalItem, Error>> + Send>>;

type Take = dyn Fn(TerminalClientMessage) -> Result<(), Error> + Send + Sync;

#[derive(Clone)]
enum Outlet {
    Socket(TextSender),
    Function(Arc<Take>),
}

impl TerminalStream {
    /// Shows the items of another stream, for answers of a mock; `take` gets each message of the
    /// client, and its error is that of the method which sent it.
    pub fn from_stream(
        items: impl Stream<Item = Result<TerminalItem, Error>> + Send + 'static,
        take: impl Fn(TerminalClientMessage) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Self {
        Self { items: Some(Box::pin(items)), sender: TerminalSender::of(take) }
    }

    /// Shows a list of items, for answers of a mock; what is typed is dropped.
    pub fn from_items<I>(items: I) -> Self
    where
        I: IntoIterator<Item = TerminalItem, IntoIter: Send + 'static>,
    {
        Self::from_stream(stream::iter(items.into_iter().map(Ok)), |_| Ok(()))
    }

    /// Reads the messages of a WebSocket.
    pub(crate) fn from_socket(
        sender: TextSender,
        messages: impl Stream<Item = <Messages as Stream>::Item> + Send + 'static,
    ) -> Self {
        let items = messages.filter_map(|message| std::future::ready(decode(message)));
        let sender = TerminalSender { outlet: Outlet::Socket(sender) };
        Self { items: Some(Box::pin(items)), sender }
    }

    /// Reads the bytes of the raw framing. The guard ends the sending.
    pub(crate) fn from_raw(
        sender: TextSender,
        reader: impl AsyncRead + Send + 'static,
        guard: DropGuard,
    ) -> Self {
        let output = ReaderStream::with_capacity(reader, READ_BYTES).map(move |bytes| {
            // It lives as long as the stream does.
            let _ = &guard;
            bytes.map(TerminalItem::Output).map_err(|error| {
                let text = |error: std::io::Error| Error::closed(agent_api::io_text(&error));
                error.downcast::<Error>().unwrap_or_else(text)
            })
        });
        let end = stream::iter([Ok(TerminalItem::Closed { reason: String::new() })]);
        let sender = TerminalSender { outlet: Outlet::Socket(sender) };
        Self { items: Some(Box::pin(output.chain(end))), sender }
    }

    /// The same with another stream and another way to type around its own.
    #[cfg(feature = "mock")]
    pub(crate) fn around<S>(
        self,
        items: impl FnOnce(Self) -> S,
        before: impl Fn(&TerminalClientMessage) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Self
    where
        S: Stream<Item = Result<TerminalItem, Error>> + Send + 'static,
    {
        let Outlet::Function(take) = self.sender.outlet.clone() else { return self };
        Self::from_stream(items(self), move |message| {
            before(&message)?;
            take(message)
        })
    }

    /// As [`TerminalSender::send`].
    ///
    /// # Errors
    ///
    /// Those of [`TerminalSender`], here as below.
    pub async fn send(&mut self, message: TerminalClientMessage) -> Result<(), Error> {
        self.sender.send(message).await
    }

    /// As [`TerminalSender::input`].
    ///
    /// # Errors
    ///
    /// Those of [`TerminalSender`].
    pub async fn input(&mut self, text: impl Into<String> + Send) -> Result<(), Error> {
        self.sender.input(text).await
    }

    /// As [`TerminalSender::resize`].
    ///
    /// # Errors
    ///
    /// Those of [`TerminalSender`].
    pub async fn resize(&mut self, rows: u16, cols: u16) -> Result<(), Error> {
        self.sender.resize(rows, cols).await
    }

    /// A way to type from another task.
    pub fn sender(&self) -> TerminalSender {
        self.sender.clone()
    }
}

impl TerminalSender {
    fn of(
        take: impl Fn(TerminalClientMessage) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Self {
        Self { outlet: Outlet::Function(Arc::new(take)) }
    }

    /// Types, then changes the size.
    ///
    /// # Errors
    ///
    /// Those of the type, here as below.
    pub async fn send(&self, message: TerminalClientMessage) -> Result<(), Error> {
        let text = message::encode(&message)?;
        match &self.outlet {
            Outlet::Socket(sender) => sender.send(text).await,
            Outlet::Function(take) => take(message),
        }
    }

    /// Types a text; it is not mixed with what others type.
    ///
    /// # Errors
    ///
    /// Those of the type.
    pub async fn input(&self, text: impl Into<String> + Send) -> Result<(), Error> {
        self.send(TerminalClientMessage::input(text)).await
    }

    /// Changes the size; with a side of 0 nothing happens.
    ///
    /// # Errors
    ///
    /// Those of the type.
    pub async fn resize(&self, rows: u16, cols: u16) -> Result<(), Error> {
        self.send(TerminalClientMessage::resize(rows, cols)).await
    }
}

fn decode(message: Result<Message, Error>) -> Option<Result<TerminalItem, Error>> {
    match message {
        Ok(message) => message::decode(message)
            .map_err(|why| Error::protocol(OPEN_TERMINAL.operation, why))
            .transpose(),
        Err(Error::Closed { code: Some(COMPLETE), reason }) => {
            Some(Ok(TerminalItem::Closed { reason }))
        }
        Err(error) => Some(Err(error)),
    }
}

impl Stream for TerminalStream {
    type Item = Result<TerminalItem, Error>;

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(items) = &mut self.items else { return Poll::Ready(None) };
        let next = items.as_mut().poll_next(ctx);
        if matches!(next, Poll::Ready(None | Some(Err(_) | Ok(TerminalItem::Closed { .. })))) {
            self.items = None;
        }
        next
    }
}

impl fmt::Debug for TerminalStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TerminalStream").finish_non_exhaustive()
    }
}

impl fmt::Debug for TerminalSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TerminalSender").finish_non_exhaustive()
    }
}
