//! Texts on their way into a WebSocket, in order and within a bound; not what comes back.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;
use futures_util::{Sink, SinkExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_tungstenite::tungstenite;

use super::websocket::{MAX_HELD, parts_of};
use crate::Error;

/// Sends texts; clones take turns.
///
/// Nothing is sent any more once the messages of the socket are dropped.
#[derive(Clone, Debug)]
pub(crate) struct TextSender {
    /// As for messages that come: 64 of them or 1 MiB, and one that is larger takes all the room.
    room: Arc<Semaphore>,
    texts: mpsc::Sender<Queued>,
    limit_bytes: usize,
}

#[derive(Debug)]
struct Queued {
    text: String,
    /// Given back when the socket has the text.
    _parts: OwnedSemaphorePermit,
}

/// The socket's end of a [`TextSender`].
pub(crate) struct Outbox {
    room: Arc<Semaphore>,
    texts: mpsc::Receiver<Queued>,
}

impl TextSender {
    /// Queues a text as a whole, when there is room for it.
    ///
    /// Dropped before that, nothing of it is sent.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for a text above the limit, [`Error::Closed`] after the end.
    pub(crate) async fn send(&self, text: String) -> Result<(), Error> {
        if text.len() > self.limit_bytes {
            let detail = format!("a message of more than {} bytes is not taken", self.limit_bytes);
            return Err(Error::invalid(detail));
        }
        let ended = || Error::closed("the stream has ended");
        let room = Arc::clone(&self.room).acquire_many_owned(parts_of(text.len()));
        let parts = room.await.map_err(|_| ended())?;
        // There is a place for every part, so this fails only when the socket is gone.
        self.texts.try_send(Queued { text, _parts: parts }).map_err(|_| ended())
    }
}

impl Outbox {
    pub(crate) fn new(limit_bytes: usize) -> (TextSender, Self) {
        let room = Arc::new(Semaphore::new(MAX_HELD));
        let (tx, texts) = mpsc::channel(MAX_HELD);
        let sender = TextSender { room: Arc::clone(&room), texts: tx, limit_bytes };
        (sender, Self { room, texts })
    }

    /// Moves texts into the socket as far as it takes them.
    ///
    /// A socket that takes none any more says why when it is read, where a goodbye of the peer may
    /// still be; so here its failure only ends the sending.
    pub(super) fn poll<S>(&mut self, socket: &mut S, ctx: &mut Context<'_>)
    where
        S: Stream + Sink<tungstenite::Message> + Unpin,
    {
        loop {
            // Only an empty buffer takes a text of any size.
            match socket.poll_flush_unpin(ctx) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return self.close(),
            }
            let Poll::Ready(Some(Queued { text, .. })) = self.texts.poll_recv(ctx) else { return };
            if Pin::new(&mut *socket).start_send(tungstenite::Message::Text(text.into())).is_err() {
                return self.close();
            }
        }
    }

    /// The next text; `None` when nobody can send any more. Its place is free at once, so that one
    /// more than fits may be on its way.
    pub(crate) async fn next(&mut self) -> Option<String> {
        self.texts.recv().await.map(|queued| queued.text)
    }

    /// Refuses everything from now on.
    pub(super) fn close(&mut self) {
        self.room.close();
        self.texts.close();
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.close();
    }
}
