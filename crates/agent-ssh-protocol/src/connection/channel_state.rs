//! One channel as the connection sees it: both directions, both ends of life, and who waits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

use super::inbox::Inbox;
use super::outbox::{Mark, Outbox};
use super::replies::{Replies, Ticket};
use super::window::Window;
use crate::error::RequestError;

/// The most requests of the peer that may wait on one channel, taken or not, and their bytes.
pub(super) const MAX_REQUESTS: usize = 256;
/// See [`MAX_REQUESTS`]; one message of the largest size fits beside it.
pub(super) const MAX_REQUEST_BYTES: usize = 512 << 10;

/// A request of the peer that the program has not taken.
#[derive(Debug)]
pub(super) struct PendingRequest {
    pub(super) name: Vec<u8>,
    pub(super) payload: Bytes,
    /// Present when a reply is wanted.
    pub(super) ticket: Option<Ticket>,
}

/// An open channel.
///
/// ```text
/// ours:   open ──eof()──▶ eof queued ──close()──▶ close queued ──sent──▶ closed
/// peer's: open ──EOF────▶ eof        ──CLOSE────▶ closed; ours is queued at once
/// ```
///
/// It is forgotten when both are closed and the program holds no handle of it.
#[derive(Debug)]
pub(super) struct ChannelState {
    /// The number of the channel at the peer.
    pub(super) peer: u32,
    pub(super) window: Window,
    pub(super) inbox: Inbox,
    pub(super) input_waker: Option<Waker>,
    pub(super) peer_eof: bool,
    pub(super) peer_closed: bool,
    pub(super) requests: VecDeque<PendingRequest>,
    pub(super) request_bytes: usize,
    pub(super) requests_waker: Option<Waker>,
    pub(super) replies: Replies<bool>,
    /// Whether it counts among the crowded channels of the connection.
    pub(super) is_counted: bool,
    pub(super) outbox: Outbox,
    /// Our requests that want a reply, oldest first.
    pub(super) asked: VecDeque<oneshot::Sender<Result<(), RequestError>>>,
    pub(super) eof_queued: bool,
    pub(super) close_queued: bool,
    pub(super) close_sent: bool,
    /// Whether the channel is in the list of those with something to send.
    pub(super) is_ready: bool,
    /// Whether the channel is in the list of those that owe window.
    pub(super) is_owing: bool,
    /// The last batch with something of this channel.
    pub(super) batch: u64,
    /// Wakes those who wait for room, for a flush or for the end.
    pub(super) changed: Arc<Notify>,
    pub(super) has_input: bool,
    pub(super) has_requests: bool,
    pub(super) outputs: usize,
}

impl ChannelState {
    /// Opens a channel; `serial` is that of no other channel of the connection.
    pub(super) fn new(peer: u32, serial: u32, window: Window, outbox: Outbox) -> Self {
        Self {
            peer,
            window,
            inbox: Inbox::default(),
            input_waker: None,
            peer_eof: false,
            peer_closed: false,
            requests: VecDeque::new(),
            request_bytes: 0,
            requests_waker: None,
            replies: Replies::new(serial),
            is_counted: false,
            outbox,
            asked: VecDeque::new(),
            eof_queued: false,
            close_queued: false,
            close_sent: false,
            is_ready: false,
            is_owing: false,
            batch: 0,
            changed: Arc::new(Notify::new()),
            has_input: true,
            has_requests: true,
            outputs: 1,
        }
    }

    /// Tells whether the program may add data, requests or marks.
    pub(super) const fn is_writable(&self) -> bool {
        !self.eof_queued && !self.close_queued && !self.peer_closed
    }

    /// Tells whether the program may still send requests: they may follow the end of the data.
    pub(super) const fn takes_requests(&self) -> bool {
        !self.close_queued && !self.peer_closed
    }

    /// Queues the close, once.
    pub(super) fn queue_close(&mut self) {
        if !self.close_queued {
            self.close_queued = true;
            self.outbox.push_mark(Mark::Close);
        }
    }

    /// Tells whether so many requests wait that the peer has to.
    pub(super) fn is_crowded(&self) -> bool {
        let waiting = self.requests.len().max(self.replies.len());
        !self.peer_closed && (waiting >= MAX_REQUESTS || self.request_bytes >= MAX_REQUEST_BYTES)
    }

    /// Tells whether the program holds no handle.
    pub(super) const fn is_abandoned(&self) -> bool {
        !self.has_input && !self.has_requests && self.outputs == 0
    }
}
