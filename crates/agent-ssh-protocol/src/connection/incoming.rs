//! What a peer asks of a connection: channels to be opened, and global requests.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::Channel;
use super::replies::Ticket;
use super::shared::Shared;

/// The events that may wait to be taken; the reader of the socket waits when there are more.
pub(super) const MAX_EVENTS: usize = 64;

/// What the peer asks of the connection, in order.
///
/// Take the events promptly, and never wait for data of a channel in between: while 64 of them
/// wait, nothing is read from the peer.
#[derive(Debug)]
pub struct Incoming {
    pub(super) events: mpsc::Receiver<Event>,
}

impl Incoming {
    /// Waits for the next event; `None` when the connection has ended.
    ///
    /// # Cancellation
    ///
    /// No event is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

/// What the peer asks for.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A new channel.
    Open(Open),
    /// Something of the connection as a whole. Keepalives and `no-more-sessions@openssh.com` are
    /// answered by the connection itself and do not appear.
    Request(GlobalRequest),
}

/// Why a channel is refused, RFC 4254 section 5.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenFailure {
    /// It is not allowed.
    AdministrativelyProhibited = 1,
    /// What it leads to cannot be reached.
    ConnectFailed = 2,
    /// Channels of this kind are not known.
    UnknownChannelType = 3,
    /// There are too many.
    ResourceShortage = 4,
}

/// A channel that the peer wants to open. Dropped, it is refused as prohibited.
#[derive(Debug)]
pub struct Open {
    /// The type of the channel, `session`; not necessarily UTF-8.
    pub kind: Vec<u8>,
    /// The fields of the message that depend on the type.
    pub payload: Bytes,
    pub(super) id: u32,
    pub(super) shared: Option<Arc<Shared>>,
}

impl Open {
    /// Opens the channel.
    pub fn accept(mut self) -> Channel {
        // Present until accepted or refused, which takes `self`.
        let shared = self.shared.take().expect("an open is decided once");
        shared.with(|mux, wakes| mux.accept(self.id, wakes));
        Channel::new(&shared, self.id)
    }

    /// Refuses the channel; `text` is for people.
    pub fn refuse(mut self, reason: OpenFailure, text: &str) {
        self.decide(reason, text);
    }

    fn decide(&mut self, reason: OpenFailure, text: &str) {
        if let Some(shared) = self.shared.take() {
            shared.with(|mux, wakes| mux.refuse(self.id, reason, text, wakes));
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.decide(OpenFailure::AdministrativelyProhibited, "refused");
    }
}

/// A request of the peer to the connection as a whole. Dropped, it fails.
///
/// It may be answered at any time: replies leave in the order of the requests.
#[derive(Debug)]
pub struct GlobalRequest {
    /// What is asked for, `tcpip-forward`; not necessarily UTF-8.
    pub name: Vec<u8>,
    /// The fields of the message that depend on the name.
    pub payload: Bytes,
    /// Whether the peer hears of the answer.
    pub wants_reply: bool,
    pub(super) ticket: Option<Ticket>,
    pub(super) shared: Arc<Shared>,
}

impl GlobalRequest {
    /// Grants the request; `payload` are the fields of the reply that depend on the name.
    pub fn succeed(mut self, payload: &[u8]) {
        self.answer(Some(payload.to_vec()));
    }

    /// Refuses the request.
    pub fn fail(mut self) {
        self.answer(None);
    }

    fn answer(&mut self, reply: Option<Vec<u8>>) {
        let ticket = self.ticket.take();
        if ticket.is_some() {
            self.shared.with(|mux, wakes| mux.answer_global(ticket, reply, wakes));
        }
    }
}

impl Drop for GlobalRequest {
    fn drop(&mut self) {
        self.answer(None);
    }
}
