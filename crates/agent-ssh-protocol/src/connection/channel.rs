//! The handles of a channel: what comes in, what goes out, and what is asked.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

use super::inbox::Data;
use super::program::Handle;
use super::replies::Ticket;
use super::shared::Shared;
use crate::error::{ChannelClosed, RequestError};

/// A channel. It is closed, after the data queued, when all its handles are dropped.
#[derive(Debug)]
pub struct Channel {
    /// What the peer sends.
    pub input: ChannelInput,
    /// What the peer is sent.
    pub output: ChannelOutput,
    /// What the peer asks.
    pub requests: ChannelRequests,
}

impl Channel {
    /// Makes the handles of a channel that is open and has none.
    pub(super) fn new(shared: &Arc<Shared>, id: u32) -> Self {
        let changed = shared.with(|mux, _| mux.changed(id));
        Self {
            input: ChannelInput { shared: Arc::clone(shared), id },
            requests: ChannelRequests { shared: Arc::clone(shared), id },
            output: ChannelOutput { shared: Arc::clone(shared), changed, id },
        }
    }
}

/// What the peer sends on a channel. Dropped, what comes is thrown away.
#[derive(Debug)]
pub struct ChannelInput {
    shared: Arc<Shared>,
    id: u32,
}

impl ChannelInput {
    /// Waits for the next data, in order; `None` after the end of the data, and when the channel
    /// or the connection is closed and what was received before has been taken.
    ///
    /// The peer may send as much more as was taken; what is not taken stops it at its window.
    ///
    /// # Cancellation
    ///
    /// No data is lost when the future is dropped.
    pub async fn read(&mut self) -> Option<Data> {
        poll_fn(|cx| self.poll_read(cx)).await
    }

    /// As [`read`](Self::read), for hand-written futures; the last to ask is woken.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Data>> {
        self.shared.with(|mux, wakes| mux.poll_data(self.id, cx, wakes))
    }

    /// Takes the next data if there is some now.
    pub fn try_read(&mut self) -> Option<Data> {
        self.shared.with(|mux, wakes| mux.take_data(self.id, wakes))
    }

    /// Tells whether the peer said that its data ends, rather than closing the channel only.
    pub fn is_at_eof(&self) -> bool {
        self.shared.with(|mux, _| mux.is_at_eof(self.id))
    }
}

impl Drop for ChannelInput {
    fn drop(&mut self) {
        self.shared.with(|mux, wakes| mux.release(self.id, Handle::Input, wakes));
    }
}

/// What the peer asks of a channel. Dropped, what is asked fails.
#[derive(Debug)]
pub struct ChannelRequests {
    shared: Arc<Shared>,
    id: u32,
}

impl ChannelRequests {
    /// Waits for the next request; `None` when the peer has closed the channel or the connection
    /// is gone, and the requests from before have been taken.
    ///
    /// Take them promptly: while 256 wait, taken or not, nothing is read from the peer.
    ///
    /// # Cancellation
    ///
    /// No request is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<ChannelRequest> {
        let request =
            poll_fn(|cx| self.shared.with(|mux, wakes| mux.poll_request(self.id, cx, wakes)))
                .await?;
        Some(ChannelRequest {
            name: request.name,
            payload: request.payload,
            wants_reply: request.ticket.is_some(),
            ticket: request.ticket,
            shared: Arc::clone(&self.shared),
            id: self.id,
        })
    }
}

impl Drop for ChannelRequests {
    fn drop(&mut self) {
        self.shared.with(|mux, wakes| mux.release(self.id, Handle::Requests, wakes));
    }
}

/// A request of the peer on a channel. Dropped, it fails.
///
/// It may be answered at any time: replies leave in the order of the requests.
#[derive(Debug)]
pub struct ChannelRequest {
    /// What is asked for, `exec`; not necessarily UTF-8.
    pub name: Vec<u8>,
    /// The fields of the message that depend on the name.
    pub payload: Bytes,
    /// Whether the peer hears of the answer.
    pub wants_reply: bool,
    ticket: Option<Ticket>,
    shared: Arc<Shared>,
    id: u32,
}

impl ChannelRequest {
    /// Grants the request.
    pub fn succeed(mut self) {
        self.answer(true);
    }

    /// Refuses the request.
    pub fn fail(mut self) {
        self.answer(false);
    }

    fn answer(&mut self, granted: bool) {
        let ticket = self.ticket.take();
        if ticket.is_some() {
            self.shared.with(|mux, wakes| mux.answer_request(self.id, ticket, granted, wakes));
        }
    }
}

impl Drop for ChannelRequest {
    fn drop(&mut self) {
        self.answer(false);
    }
}

/// What the peer is sent on a channel.
#[derive(Debug)]
pub struct ChannelOutput {
    shared: Arc<Shared>,
    changed: Arc<Notify>,
    id: u32,
}

impl ChannelOutput {
    /// Queues data, whole, once there is room: it waits while 64 KiB are queued beyond what the
    /// peer takes, or 256 KiB that the socket does not.
    ///
    /// # Errors
    ///
    /// [`ChannelClosed`] when the channel takes no more; nothing was queued then.
    ///
    /// # Cancellation
    ///
    /// Nothing was queued when the future is dropped before it is ready.
    pub async fn write(&self, data: Bytes) -> Result<(), ChannelClosed> {
        self.write_extended(0, data).await
    }

    /// Queues data of another stream, as [`write`](Self::write); 1 is standard error.
    ///
    /// # Errors
    ///
    /// [`ChannelClosed`] when the channel takes no more; nothing was queued then.
    ///
    /// # Cancellation
    ///
    /// Nothing was queued when the future is dropped before it is ready.
    pub async fn write_extended(&self, stream: u32, data: Bytes) -> Result<(), ChannelClosed> {
        loop {
            let changed = self.changed.notified();
            if self.shared.with(|mux, wakes| mux.write(self.id, stream, &data, wakes))? {
                return Ok(());
            }
            changed.await;
        }
    }

    /// Queues a request that wants no reply, such as `exit-status`; it leaves after the data
    /// queued before. Nothing happens when the channel is closed.
    pub fn request(&self, name: &str, payload: &[u8]) {
        self.shared.with(|mux, wakes| mux.request(self.id, name, payload, None, wakes));
    }

    /// Sends a request, after the data queued before, and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`RequestError::Failed`] when the peer refused, [`RequestError::Closed`] when the channel
    /// closed before it answered.
    ///
    /// # Cancellation
    ///
    /// The request is sent even when the future is dropped.
    pub async fn request_with_reply(&self, name: &str, payload: &[u8]) -> Result<(), RequestError> {
        let (asker, reply) = oneshot::channel();
        self.shared.with(|mux, wakes| mux.request(self.id, name, payload, Some(asker), wakes));
        reply.await.unwrap_or(Err(RequestError::Closed))
    }

    /// Says, after the data queued, that no more data follows. Later writes fail.
    pub fn eof(&self) {
        self.shared.with(|mux, wakes| mux.eof(self.id, wakes));
    }

    /// Closes the channel, after the data queued. Later writes fail.
    pub fn close(&self) {
        self.shared.with(|mux, wakes| mux.close(self.id, wakes));
    }

    /// Waits until everything queued is in the socket, or the channel is closed by the peer or
    /// with its connection.
    pub async fn flushed(&self) {
        loop {
            let flushed = self.shared.flushed.notified();
            let changed = self.changed.notified();
            if self.shared.with(|mux, _| mux.is_flushed(self.id)) {
                return;
            }
            tokio::select! {
                () = flushed => {}
                () = changed => {}
            }
        }
    }

    /// Waits until the peer has closed the channel, or the connection is gone.
    pub async fn closed(&self) {
        loop {
            let changed = self.changed.notified();
            if self.shared.with(|mux, _| mux.is_channel_closed(self.id)) {
                return;
            }
            changed.await;
        }
    }
}

impl Clone for ChannelOutput {
    fn clone(&self) -> Self {
        self.shared.with(|mux, _| mux.add_output(self.id));
        Self { shared: Arc::clone(&self.shared), changed: Arc::clone(&self.changed), id: self.id }
    }
}

impl Drop for ChannelOutput {
    fn drop(&mut self) {
        self.shared.with(|mux, wakes| mux.release(self.id, Handle::Output, wakes));
    }
}
