//! The messages of one WebSocket, read ahead as far as a caller may lag behind, and sent as fast as
//! the peer takes them; not the handshake, and not what the messages mean.
//!
//! ```text
//!  socket --> task --> at most 64 messages or 1 MiB --> caller
//!    ^          |
//!    +-- pongs -+   while there is no room nothing is read, and the peer still hears of us
//!    |          |
//!    +- texts --+ <--- at most 64 messages or 1 MiB <-- caller
//! ```

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use agent_api::close_codes;
use bytes::Bytes;
use futures_core::Stream;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncReadExt,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self,
        error::{CapacityError, ProtocolError},
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};
use tokio_util::sync::DropGuard;

use super::{
    Pool,
    outbox::{Outbox, TextSender},
};
use crate::Error;

/// Longest time without a frame; agents ping three times as often.
const SILENCE: Duration = Duration::from_secs(45);
/// How often a peer that is not read hears that we are there: as often as agents ping.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// Longest time for the frame that closes a WebSocket: it fits into any empty buffer.
const CLOSING: Duration = Duration::from_secs(1);
/// How long a refused peer may go on sending, so that the reason is not lost to a reset.
const LINGER: Duration = Duration::from_millis(100);
/// Most messages that are held; each takes at least one of as many parts of the bytes.
pub(super) const MAX_HELD: usize = 64;
/// Bytes of a part; all of them are 1 MiB.
const PART_BYTES: usize = 16 * 1024;
/// Bytes that are taken from the socket at once.
const READ_BYTES: usize = 64 * 1024;

/// Bytes of pongs that wait for a peer which asks for them and does not take them.
const MAX_UNWRITTEN: usize = 4 * 1024;

pub(super) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// A message with content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Text(Bytes),
    Binary(Bytes),
}

/// The messages of a WebSocket, in order; the last item is the error with which it ended.
///
/// Dropping it closes the connection.
pub(crate) struct Messages {
    held: mpsc::Receiver<Held>,
    _close: DropGuard,
}

struct Held {
    message: Result<Message, Error>,
    /// Given back when the message is taken.
    _parts: OwnedSemaphorePermit,
}

/// Bytes of the largest message in each direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) received: u64,
    /// 0 for a socket on which nothing is sent.
    pub(crate) sent: usize,
}

impl Messages {
    /// Takes a socket whose handshake is done, on a task of the pool.
    ///
    /// The sender is of use while the messages are there.
    pub(crate) async fn open(
        operation: &'static str,
        stream: Upgraded,
        limits: Limits,
        pool: &Pool,
    ) -> (TextSender, Self) {
        let limit = usize::try_from(limits.received).unwrap_or(usize::MAX);
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(MAX_UNWRITTEN.saturating_add(limits.sent))
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit));
        let stream = TokioIo::new(stream);
        let socket = WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await;
        let (tx, held) = mpsc::channel(MAX_HELD);
        let (sender, outbox) = Outbox::new(limits.sent);
        let ends = Ends { socket, outbox };
        let close = pool.run(pump(operation, ends, limits.received, tx), linger);
        (sender, Self { held, _close: close })
    }
}

impl Stream for Messages {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.held.poll_recv(ctx).map(|held| held.map(|held| held.message))
    }
}

/// A socket and what is to be sent on it.
struct Ends {
    socket: Socket,
    outbox: Outbox,
}

impl Ends {
    /// Reads a frame, and sends meanwhile: a peer may read nothing before it got rid of its own.
    async fn frame(&mut self) -> Option<Result<tungstenite::Message, tungstenite::Error>> {
        poll_fn(|ctx| {
            self.outbox.poll(&mut self.socket, ctx);
            self.socket.poll_next_unpin(ctx)
        })
        .await
    }

    /// Waits for something other than a frame, and sends meanwhile.
    async fn sending_until<F: Future>(&mut self, mut event: Pin<&mut F>) -> F::Output {
        poll_fn(|ctx| {
            self.outbox.poll(&mut self.socket, ctx);
            event.as_mut().poll(ctx)
        })
        .await
    }
}

/// Hands messages over until the socket ends, which is the last thing it tells.
async fn pump(
    operation: &'static str,
    mut ends: Ends,
    limit_bytes: u64,
    tx: mpsc::Sender<Held>,
) -> Socket {
    let room = Arc::new(Semaphore::new(MAX_HELD));
    loop {
        let mut parts = acquire(&mut ends, &room, 1).await;
        let message = match next(&mut ends).await {
            Ok(message) => Ok(message),
            Err(end) => {
                // Whoever still sends hears of the end before the peer is told.
                ends.outbox.close();
                Err(tell(operation, &mut ends.socket, end, limit_bytes).await)
            }
        };
        let is_end = message.is_err();
        let more = parts_of(message.as_ref().map_or(0, Message::len)).saturating_sub(1);
        if more > 0 {
            parts.merge(acquire(&mut ends, &room, more).await);
        }
        // There is a place for every part, so this fails only when nobody listens any more.
        if tx.try_send(Held { message, _parts: parts }).is_err() || is_end {
            return ends.socket;
        }
    }
}

/// How much of the room for messages one of this size takes.
pub(super) fn parts_of(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(PART_BYTES).clamp(1, MAX_HELD)).expect("at most 64")
}

impl Message {
    fn len(&self) -> usize {
        match self {
            Self::Text(bytes) | Self::Binary(bytes) => bytes.len(),
        }
    }
}

/// Waits for room, and lets the peer hear of us meanwhile: it gives up whoever is silent.
async fn acquire(ends: &mut Ends, room: &Arc<Semaphore>, parts: u32) -> OwnedSemaphorePermit {
    let mut acquire = std::pin::pin!(Arc::clone(room).acquire_many_owned(parts));
    loop {
        match timeout(SIGN_OF_LIFE, ends.sending_until(acquire.as_mut())).await {
            Ok(permit) => return permit.expect("nobody closes the semaphore"),
            // A pong nobody asked for is a heartbeat (RFC 6455 section 5.5.3). A socket that does
            // not take it ends when it is read again.
            Err(_) => {
                let pong = tungstenite::Message::Pong(Bytes::new());
                let _ = timeout(CLOSING, ends.socket.send(pong)).await;
            }
        }
    }
}

/// How a WebSocket ended.
enum End {
    /// The peer said so, or the stream just ended.
    Closed(Option<CloseFrame>),
    Silent,
    Failed(tungstenite::Error),
}

/// The next message with content.
async fn next(ends: &mut Ends) -> Result<Message, End> {
    loop {
        let frame = timeout(SILENCE, ends.frame()).await.map_err(|_| End::Silent)?;
        match frame.unwrap_or(Ok(tungstenite::Message::Close(None))).map_err(End::Failed)? {
            tungstenite::Message::Text(text) => return Ok(Message::Text(text.into())),
            tungstenite::Message::Binary(bytes) => return Ok(Message::Binary(bytes)),
            tungstenite::Message::Close(frame) => return Err(End::Closed(frame)),
            // Pings are answered by the next read.
            tungstenite::Message::Ping(_)
            | tungstenite::Message::Pong(_)
            | tungstenite::Message::Frame(_) => {}
        }
    }
}

/// Says goodbye as far as the peer still listens, and gives the error for the caller.
async fn tell(operation: &'static str, socket: &mut Socket, end: End, limit_bytes: u64) -> Error {
    let (goodbye, error) = match end {
        End::Silent => {
            let reason = format!("no frame came for {} s", SILENCE.as_secs());
            (None, Error::closed(reason))
        }
        End::Closed(frame) => {
            // The answer to the peer's close is queued and goes out with the flush.
            let _ = timeout(CLOSING, socket.flush()).await;
            let code = frame.as_ref().map(|frame| frame.code.into());
            let reason = frame.map_or_else(
                || "the peer closed without a code".to_owned(),
                |frame| frame.reason.as_str().to_owned(),
            );
            (None, Error::Closed { code, reason })
        }
        End::Failed(tungstenite::Error::Capacity(CapacityError::MessageTooLong { .. })) => {
            (Some(close_codes::TOO_LARGE), Error::TooLarge { limit_bytes })
        }
        End::Failed(
            error @ (tungstenite::Error::Io(_)
            | tungstenite::Error::ConnectionClosed
            | tungstenite::Error::AlreadyClosed
            | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)),
        ) => (None, Error::closed(error.to_string())),
        End::Failed(error @ tungstenite::Error::Utf8(_)) => {
            (Some(close_codes::INVALID_TEXT), Error::protocol(operation, error.to_string()))
        }
        End::Failed(error) => {
            (Some(close_codes::PROTOCOL), Error::protocol(operation, error.to_string()))
        }
    };
    if let Some(code) = goodbye {
        let frame = CloseFrame { code: CloseCode::from(code), reason: "".into() };
        let _ = timeout(CLOSING, socket.close(Some(frame))).await;
    }
    error
}

/// Drops what a peer still sends: to close with bytes unread would reset the connection, and the
/// goodbye might be lost.
async fn linger(mut socket: Socket) {
    let mut scratch = vec![0; READ_BYTES];
    let drain = async { while let Ok(1..) = socket.get_mut().read(&mut scratch).await {} };
    let _ = timeout(LINGER, drain).await;
}
