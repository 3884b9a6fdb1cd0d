//! One open WebSocket as its handler sees it: messages both ways, within bounds of time and memory;
//! what they mean is the handler's matter.

mod connection;
mod frame;
mod upgrade;

use std::{borrow::Cow, future::poll_fn, pin::pin, sync::Arc, task::Poll};

use agent_api::{close_codes, limits::MAX_WEBSOCKET_MESSAGE_BYTES};
use bytes::Bytes;
use parking_lot::Mutex;

use connection::{Connection, Inbound};
pub use upgrade::Upgrade;

/// An open WebSocket.
///
/// Pings, pongs and the peer's close are dealt with while any method waits, and only then: a handler
/// that waits for something else does so in [`WebSocket::until`], or beside [`WebSocket::recv`] in a
/// `select!`. A ping goes out every 15 s, and a peer of whom nothing arrives for 45 s is given up. A
/// message over 4 MiB closes with 1009, either way.
///
/// Dropping it closes with 1000; it must not outlive the future that got it. What was fed before a
/// close is written first, however long the peer takes while it lives; at the server's stop at most
/// 3 s.
///
/// # Cancellation
///
/// Every method may be dropped at its await: a message is sent whole or not at all, and none that
/// arrived is lost.
#[derive(Debug)]
pub struct WebSocket {
    /// `None` only while it is dropped.
    connection: Option<Box<Connection>>,
    home: Home,
}

/// Where the connection goes back to for its close, whatever ends the handler.
type Home = Arc<Mutex<Option<(Box<Connection>, Close)>>>;

/// A message of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Bytes),
}

/// What [`WebSocket::ready`] waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// The next message of the client.
    pub message: bool,
    /// That no more than this many bytes are unwritten.
    pub unwritten: Option<usize>,
}

/// What [`WebSocket::ready`] waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// A message of the client.
    Message(Message),
    /// What was fed is written, as far as was asked.
    Written,
}

/// The WebSocket is over: the peer closed it, is gone, or sent what no peer may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// Why a WebSocket is closed, as the peer is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// A code of [`agent_api::close_codes`], or another that RFC 6455 section 7.4 leaves to us.
    pub code: u16,
    /// Text for a person; beyond 123 bytes it is cut (RFC 6455 section 5.5).
    pub reason: Cow<'static, str>,
}

impl WebSocket {
    fn new(connection: Box<Connection>) -> (Self, Home) {
        let home = Home::default();
        (Self { connection: Some(connection), home: Arc::clone(&home) }, home)
    }

    /// Adds a binary message, its parts joined, to what [`WebSocket::flush`] writes.
    ///
    /// Waits only while 256 KiB wait to be written, and then writes; many small messages cost one
    /// system call.
    ///
    /// # Errors
    ///
    /// [`Closed`], and nothing was added.
    pub async fn feed_binary(&mut self, parts: &[&[u8]]) -> Result<(), Closed> {
        self.feed(frame::Kind::Binary, parts).await
    }

    /// Adds a text message, as [`WebSocket::feed_binary`] does.
    ///
    /// # Errors
    ///
    /// [`Closed`], and nothing was added.
    pub async fn feed_text(&mut self, text: &str) -> Result<(), Closed> {
        self.feed(frame::Kind::Text, &[text.as_bytes()]).await
    }

    /// Writes everything that was fed.
    ///
    /// # Errors
    ///
    /// [`Closed`] if it ended before that.
    pub async fn flush(&mut self) -> Result<(), Closed> {
        self.io(|connection| (connection.is_open() && connection.is_written()).then_some(())).await
    }

    /// Feeds a binary message and writes it.
    ///
    /// # Errors
    ///
    /// [`Closed`] if it ended before that.
    pub async fn send_binary(&mut self, parts: &[&[u8]]) -> Result<(), Closed> {
        self.feed_binary(parts).await?;
        self.flush().await
    }

    /// Feeds a text message and writes it.
    ///
    /// # Errors
    ///
    /// [`Closed`] if it ended before that.
    pub async fn send_text(&mut self, text: &str) -> Result<(), Closed> {
        self.feed_text(text).await?;
        self.flush().await
    }

    /// Waits for the next message of the client, and writes what was fed meanwhile.
    ///
    /// Messages that arrive while something else waits are kept, in order; above 64 KiB of them
    /// nothing is read until they are taken.
    ///
    /// # Errors
    ///
    /// [`Closed`] after the last message.
    pub async fn recv(&mut self) -> Result<Message, Closed> {
        if let Some(message) = self.connection().pop() {
            return Ok(message);
        }
        self.io(Connection::pop).await
    }

    /// Bytes that were fed and are not written yet, their frames' headers included.
    pub fn unwritten(&self) -> usize {
        self.connection.as_ref().map_or(0, |connection| connection.unwritten())
    }

    /// Waits for either of two things, so that a peer that does not read is still heard.
    ///
    /// With neither it only keeps the WebSocket going. Messages that nobody waits for are kept as
    /// [`WebSocket::recv`] says.
    ///
    /// # Errors
    ///
    /// [`Closed`] if it ended before that.
    pub async fn ready(&mut self, awaited: Awaited) -> Result<Ready, Closed> {
        self.io(|connection| {
            if awaited.message
                && let Some(message) = connection.pop()
            {
                return Some(Ready::Message(message));
            }
            let is_written = awaited.unwritten.is_some_and(|most| connection.unwritten() <= most);
            (is_written && connection.is_open()).then_some(Ready::Written)
        })
        .await
    }

    /// Drops the messages of the client from now on, those that are kept included.
    pub fn ignore_messages(&mut self) {
        let connection = self.connection();
        connection.inbound = Inbound::Drop;
        while connection.pop().is_some() {}
    }

    /// Waits for something else while the WebSocket is kept going.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the WebSocket ends first.
    pub async fn until<T>(&mut self, other: impl Future<Output = T>) -> Result<T, Closed> {
        let mut other = pin!(other);
        let connection = self.connection();
        poll_fn(|cx| {
            if let Poll::Ready(outcome) = other.as_mut().poll(cx) {
                return Poll::Ready(Ok(outcome));
            }
            connection.poll_io(cx);
            if connection.is_open() { Poll::Pending } else { Poll::Ready(Err(Closed)) }
        })
        .await
    }

    /// Closes it; returns at once, and what was fed is written before the close.
    pub fn close(mut self, close: Close) {
        self.give_back(close);
    }

    async fn feed(&mut self, kind: frame::Kind, parts: &[&[u8]]) -> Result<(), Closed> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let connection = self.connection();
        if length > MAX_WEBSOCKET_MESSAGE_BYTES {
            connection.close(Close::new(close_codes::TOO_LARGE, "the next message is too large"));
        }
        let has_room = |connection: &mut Connection| {
            (connection.is_open() && connection.has_room()).then_some(())
        };
        if has_room(connection).is_none() {
            self.io(has_room).await?;
        }
        self.connection().push(kind, parts);
        Ok(())
    }

    /// Keeps the WebSocket going until `done` has something.
    async fn io<T>(
        &mut self,
        mut done: impl FnMut(&mut Connection) -> Option<T>,
    ) -> Result<T, Closed> {
        let connection = self.connection();
        poll_fn(|cx| {
            connection.poll_io(cx);
            match done(connection) {
                Some(value) => Poll::Ready(Ok(value)),
                None if connection.is_open() => Poll::Pending,
                None => Poll::Ready(Err(Closed)),
            }
        })
        .await
    }

    fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("held until the drop")
    }

    fn give_back(&mut self, close: Close) {
        if let Some(connection) = self.connection.take() {
            *self.home.lock() = Some((connection, close));
        }
    }
}

impl Drop for WebSocket {
    fn drop(&mut self) {
        self.give_back(Close::complete());
    }
}

impl Message {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

impl Close {
    /// A close for one of the reasons of the protocol.
    pub fn new(code: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into() }
    }

    /// Everything was sent.
    pub fn complete() -> Self {
        Self::new(close_codes::COMPLETE, "")
    }

    /// Something failed inside.
    pub fn internal(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(close_codes::INTERNAL, reason)
    }

    fn going_away() -> Self {
        Self::new(close_codes::GOING_AWAY, "the agent is shutting down")
    }

    /// The reason within what a control frame holds.
    fn into_reason(self) -> String {
        let mut reason = self.reason.into_owned();
        reason.truncate(reason.floor_char_boundary(123));
        reason
    }
}

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the WebSocket is closed")
    }
}

impl std::error::Error for Closed {}
