//! Frames of one WebSocket over its stream, moved whenever somebody waits for anything of it; when
//! it is to end is decided elsewhere.
//!
//! ```text
//!            close()                 peer's close, end of stream
//!  open ──────────────▶ closing ───────────────────────────────────▶ over
//!    │ ╲ frame that cannot be read
//!    │  ╲────────────▶ broken (close queued, what arrives is dropped) ─▶ over
//!    ├── peer's close (answer queued) ─────────────────────────────────▶ over
//!    └── silence, failed stream ──▶ lost
//! ```

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use agent_api::{close_codes, limits::MAX_WEBSOCKET_MESSAGE_BYTES};
use bytes::{Buf, BytesMut};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};
use tungstenite::{
    Error, Message as Incoming,
    protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext},
};

use super::{Close, Message, frame};

/// Time between two pings.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// Longest time without a byte of the peer.
const SILENCE: Duration = Duration::from_secs(45);
/// Bytes waiting to be written above which nothing is added but one message that was let in below.
pub(super) const WRITE_BUFFER: usize = 256 * 1024;
/// Bytes of received messages above which nothing is read.
const INBOX: usize = 64 * 1024;
/// Smallest read; a message that is known to be longer is read in one piece.
const READ_BUFFER: usize = 16 * 1024;
/// Bytes of answers to pings, beyond as many as were written since.
const ANSWER_BUFFER: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Closing,
    Broken,
    Over,
    Lost,
}

/// What becomes of messages that arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inbound {
    Keep,
    Drop,
}

pub(super) struct Connection {
    stream: TokioIo<Upgraded>,
    protocol: WebSocketContext,
    phase: Phase,
    pub(super) inbound: Inbound,
    inbox: VecDeque<Message>,
    inbox_bytes: usize,
    /// Whole frames, of which the first may be written in part; so whoever stops waiting leaves
    /// nothing half said.
    out: BytesMut,
    is_unflushed: bool,
    /// Bytes of answers that may be added: a peer that pings and never reads costs no memory, and
    /// one that reads is answered however much else it is sent.
    answer_room: usize,
    /// Whether an answer found no room.
    is_answer_waiting: bool,
    heard: Instant,
    next_ping: Instant,
    clock: Pin<Box<Sleep>>,
}

impl Connection {
    pub(super) fn new(upgraded: Upgraded) -> Self {
        let now = Instant::now();
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            // Frames go to `out` at once; what waits here are pongs that found no room there.
            .write_buffer_size(0)
            .max_write_buffer_size(ANSWER_BUFFER)
            .max_message_size(Some(MAX_WEBSOCKET_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_WEBSOCKET_MESSAGE_BYTES));
        Self {
            stream: TokioIo::new(upgraded),
            protocol: WebSocketContext::new(Role::Server, Some(config)),
            phase: Phase::Open,
            inbound: Inbound::Keep,
            inbox: VecDeque::new(),
            inbox_bytes: 0,
            out: BytesMut::new(),
            is_unflushed: false,
            answer_room: ANSWER_BUFFER,
            is_answer_waiting: false,
            heard: now,
            next_ping: now + PING_INTERVAL,
            clock: Box::pin(tokio::time::sleep_until(now + PING_INTERVAL)),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    pub(super) fn has_room(&self) -> bool {
        self.out.len() < WRITE_BUFFER
    }

    pub(super) fn unwritten(&self) -> usize {
        self.out.len()
    }

    pub(super) fn is_written(&self) -> bool {
        self.out.is_empty() && !self.is_unflushed
    }

    /// Whether nothing further comes of the peer.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over | Phase::Lost)
    }

    /// Whether bytes that arrive are no longer understood.
    pub(super) fn is_broken(&self) -> bool {
        self.phase == Phase::Broken
    }

    /// Adds a message, in one frame, to what is to be written.
    pub(super) fn push(&mut self, kind: frame::Kind, parts: &[&[u8]]) {
        frame::encode(&mut self.out, kind, parts);
    }

    pub(super) fn pop(&mut self) -> Option<Message> {
        let message = self.inbox.pop_front()?;
        self.inbox_bytes -= message.len();
        Some(message)
    }

    /// Queues a close; does nothing after the first one, of either side.
    pub(super) fn close(&mut self, close: Close) {
        if self.phase == Phase::Open {
            self.phase = Phase::Closing;
            self.queue_close(close);
        }
    }

    fn queue_close(&mut self, close: Close) {
        let frame = CloseFrame { code: close.code.into(), reason: close.into_reason().into() };
        self.settle();
        // Cannot fail: the buffer takes everything.
        let _ = self.protocol.close(&mut Unbounded(&mut self.out), Some(frame));
    }

    /// Puts what the protocol answered by itself behind what is to be written, with or without room.
    ///
    /// Twice, because pongs that found no room make the first one leave the newest answer behind.
    fn settle(&mut self) {
        for _ in 0..2 {
            // Says that the WebSocket is closed when the answer is to a close; known here.
            let _ = self.protocol.flush(&mut Unbounded(&mut self.out));
        }
    }

    /// Moves everything that can move now: what arrives is answered or kept, what waits is written,
    /// pings go out, a silent peer is given up.
    ///
    /// The order matters after a pause: what has arrived meanwhile is heard before silence is
    /// judged.
    pub(super) fn poll_io(&mut self, cx: &mut Context<'_>) {
        self.poll_read(cx);
        self.poll_clock(cx);
        self.poll_write(cx);
        if self.is_answer_waiting && self.is_written() {
            self.poll_read(cx);
            self.poll_write(cx);
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) {
        while matches!(self.phase, Phase::Open | Phase::Closing) && self.inbox_bytes < INBOX {
            let mut io = Io {
                stream: &mut self.stream,
                cx,
                out: &mut self.out,
                answer_room: &mut self.answer_room,
                has_heard: false,
                has_refused: false,
            };
            let read = self.protocol.read(&mut io);
            let has_heard = io.has_heard;
            self.is_answer_waiting = io.has_refused;
            if has_heard {
                self.heard = Instant::now();
            }
            match read {
                Ok(message) => self.received(message),
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => self.phase = Phase::Over,
                Err(error) => self.fail(&error),
            }
        }
        if self.phase == Phase::Broken {
            self.discard(cx);
        }
    }

    fn received(&mut self, message: Incoming) {
        let message = match message {
            Incoming::Text(text) => Message::Text(text.as_str().to_owned()),
            Incoming::Binary(bytes) => Message::Binary(bytes),
            // Pings are answered by the next read.
            Incoming::Ping(_) | Incoming::Pong(_) | Incoming::Frame(_) => return,
            Incoming::Close(_) => {
                self.settle();
                self.phase = Phase::Over;
                return;
            }
        };
        if self.inbound == Inbound::Keep && self.phase == Phase::Open {
            self.inbox_bytes += message.len();
            self.inbox.push_back(message);
        }
    }

    fn fail(&mut self, error: &Error) {
        tracing::debug!(%error, "WebSocket failed");
        let close = match error {
            Error::Capacity(_) => {
                let reason =
                    format!("a message is larger than {MAX_WEBSOCKET_MESSAGE_BYTES} bytes");
                Close::new(close_codes::TOO_LARGE, reason)
            }
            Error::Utf8(_) => Close::new(close_codes::INVALID_TEXT, "a text message is not UTF-8"),
            Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)
            | Error::Io(_) => return self.lose(),
            error => Close::new(close_codes::PROTOCOL, error.to_string()),
        };
        self.queue_close(close);
        self.phase = Phase::Broken;
    }

    /// Takes what still arrives off the stream: closing it with bytes unread would reset it, and
    /// the peer might never see the close.
    fn discard(&mut self, cx: &mut Context<'_>) {
        let mut scratch = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => {
                    self.phase = Phase::Over;
                    return;
                }
                Poll::Pending => return,
            }
        }
    }

    fn poll_clock(&mut self, cx: &mut Context<'_>) {
        while !self.is_over() {
            let now = Instant::now();
            // Whoever is not read is not silent.
            let silent_at = (self.inbox_bytes < INBOX).then(|| self.heard + SILENCE);
            if silent_at.is_some_and(|at| at <= now) {
                tracing::debug!("WebSocket peer is silent");
                return self.lose();
            }
            if self.next_ping <= now {
                self.next_ping = now + PING_INTERVAL;
                if self.out.is_empty() {
                    // An idle WebSocket holds no buffer.
                    self.out = BytesMut::new();
                }
                if self.is_open() {
                    // Also behind a full buffer: a peer that keeps up must be asked for its pong.
                    self.push(frame::Kind::Ping, &[]);
                }
            }
            let due = silent_at.map_or(self.next_ping, |at| at.min(self.next_ping));
            if self.clock.deadline() != due {
                self.clock.as_mut().reset(due);
            }
            if self.clock.as_mut().poll(cx).is_pending() {
                return;
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) {
        while !self.out.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.out) {
                Poll::Ready(Ok(written)) if written > 0 => {
                    self.out.advance(written);
                    self.answer_room = ANSWER_BUFFER.min(self.answer_room + written);
                    self.is_unflushed = true;
                }
                Poll::Ready(_) => return self.lose(),
                Poll::Pending => return,
            }
        }
        // The memory of a large message is not kept.
        if self.out.try_reclaim(4 * WRITE_BUFFER) {
            self.out = BytesMut::new();
        }
        if self.is_unflushed {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.is_unflushed = false,
                Poll::Ready(Err(_)) => self.lose(),
                Poll::Pending => {}
            }
        }
    }

    /// Ends the writing side of the stream.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // An error says that the stream is gone, which is what is wanted.
        Pin::new(&mut self.stream).poll_shutdown(cx).map(drop)
    }

    fn lose(&mut self) {
        self.phase = Phase::Lost;
        self.out.clear();
        self.is_unflushed = false;
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("phase", &self.phase).finish_non_exhaustive()
    }
}

/// The stream as the protocol sees it for the length of a poll: reads are the peer's bytes, writes
/// go behind what waits to be written.
struct Io<'a, 'b> {
    stream: &'a mut TokioIo<Upgraded>,
    cx: &'a mut Context<'b>,
    out: &'a mut BytesMut,
    answer_room: &'a mut usize,
    has_heard: bool,
    has_refused: bool,
}

/// What waits to be written, for a last word that always finds room.
struct Unbounded<'a>(&'a mut BytesMut);

impl Read for Io<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        match Pin::new(&mut *self.stream).poll_read(self.cx, &mut buffer) {
            Poll::Ready(read) => read?,
            Poll::Pending => return Err(io::ErrorKind::WouldBlock.into()),
        }
        self.has_heard = true;
        Ok(buffer.filled().len())
    }
}

impl Write for Io<'_, '_> {
    /// Refuses without room: the protocol goes on reading then, and keeps only the newest pong.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(rest) = self.answer_room.checked_sub(bytes.len()) else {
            self.has_refused = true;
            return Err(io::ErrorKind::WouldBlock.into());
        };
        *self.answer_room = rest;
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Unbounded<'_> {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Write for Unbounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
