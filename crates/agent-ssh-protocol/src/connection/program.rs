//! What the program does to the channels, through its handles.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

use super::channel_state::{ChannelState, PendingRequest};
use super::inbox::Data;
use super::mux::{MAX_GLOBAL_REQUESTS, Mux, Slot};
use super::outbox::Mark;
use super::replies::Ticket;
use super::wakes::Wakes;
use super::{Channel, OpenFailure};
use crate::error::{ChannelClosed, OpenError, RequestError};
use crate::message::ChannelMessage;

/// One of the handles of a channel.
#[derive(Debug, Clone, Copy)]
pub(super) enum Handle {
    Input,
    Requests,
    Output,
}

impl Mux {
    fn is_over(&self) -> bool {
        self.is_closed || self.disconnect.is_some()
    }

    /// Asks the peer to open a channel; the answer goes to `opener`, or nothing when it is over.
    pub(super) fn open(
        &mut self,
        kind: &str,
        payload: &[u8],
        opener: oneshot::Sender<Result<Channel, OpenError>>,
        wakes: &mut Wakes,
    ) {
        if self.is_over() {
            return;
        }
        let (window, max_packet) = (self.config.window_bytes, self.config.max_packet_bytes);
        let Some(sender) = self.insert(Slot::Opening(opener)) else { return };
        let kind = kind.as_bytes();
        self.send(&ChannelMessage::Open { kind, sender, window, max_packet, payload }, wakes);
    }

    /// Sends a global request; the reply goes to `asker`, or nothing when it is over.
    pub(super) fn ask(
        &mut self,
        name: &str,
        payload: &[u8],
        asker: oneshot::Sender<Option<Vec<u8>>>,
        wakes: &mut Wakes,
    ) {
        if self.is_over() {
            return;
        }
        self.asked.push_back(Some(asker));
        let name = name.as_bytes();
        self.send(&ChannelMessage::GlobalRequest { name, wants_reply: true, payload }, wakes);
    }

    /// Opens a channel the peer asked for; false when there is nobody to open it to, and the
    /// handles are then those of a closed channel.
    pub(super) fn accept(&mut self, id: u32, wakes: &mut Wakes) {
        let Some(&Slot::Asked { peer, window, max_packet }) = self.slots.get(id as usize) else {
            return;
        };
        let state = self.new_channel(peer, window, max_packet);
        let sender = id;
        let (window, max_packet) = (state.window.initial(), self.config.max_packet_bytes);
        self.slots[id as usize] = Slot::Open(Box::new(state));
        if !self.is_closed {
            let recipient = peer;
            let message =
                ChannelMessage::OpenConfirmation { recipient, sender, window, max_packet };
            self.send(&message, wakes);
        }
    }

    /// Refuses a channel the peer asked for.
    pub(super) fn refuse(&mut self, id: u32, reason: OpenFailure, text: &str, wakes: &mut Wakes) {
        let Some(&Slot::Asked { peer: recipient, .. }) = self.slots.get(id as usize) else {
            return;
        };
        self.free(id);
        if !self.is_closed {
            let (reason, text) = (reason as u32, text.as_bytes());
            self.send(&ChannelMessage::OpenFailure { recipient, reason, text }, wakes);
        }
    }

    /// Answers a global request of the peer, in its turn.
    pub(super) fn answer_global(
        &mut self,
        ticket: Option<Ticket>,
        reply: Option<Vec<u8>>,
        wakes: &mut Wakes,
    ) {
        let Some(ticket) = ticket.filter(|_| !self.is_closed) else { return };
        let was_crowded = self.replies.len() >= MAX_GLOBAL_REQUESTS;
        let mut replies = Vec::new();
        self.replies.answer(ticket, reply, |reply| replies.push(reply));
        for reply in &replies {
            match reply {
                Some(payload) => self.send(&ChannelMessage::RequestSuccess { payload }, wakes),
                None => self.send(&ChannelMessage::RequestFailure, wakes),
            }
        }
        wakes.reader |= was_crowded;
    }

    /// Answers a request of the peer on a channel, in its turn.
    pub(super) fn answer_request(
        &mut self,
        id: u32,
        ticket: Option<Ticket>,
        granted: bool,
        wakes: &mut Wakes,
    ) {
        let is_closed = self.is_closed;
        let Some(ticket) = ticket else { return };
        let Some(channel) = self.channel(id) else { return };
        let mut replies = Vec::new();
        channel.replies.answer(ticket, granted, |granted| replies.push(granted));
        let recipient = channel.peer;
        if !is_closed && !channel.close_sent && !channel.peer_closed {
            for granted in replies {
                let message = if granted {
                    ChannelMessage::Success { recipient }
                } else {
                    ChannelMessage::Failure { recipient }
                };
                self.send(&message, wakes);
            }
        }
        self.count_crowd(id, wakes);
    }

    /// Takes the next data, and gives window back for it.
    pub(super) fn take_data(&mut self, id: u32, wakes: &mut Wakes) -> Option<Data> {
        let channel = self.channel(id)?;
        let data = channel.inbox.pop()?;
        if channel.window.take(data.bytes.len()) {
            self.owe(id, wakes);
        }
        Some(data)
    }

    /// As [`take_data`](Self::take_data), or has `cx` woken when there is some or the end.
    pub(super) fn poll_data(
        &mut self,
        id: u32,
        cx: &Context<'_>,
        wakes: &mut Wakes,
    ) -> Poll<Option<Data>> {
        if let Some(data) = self.take_data(id, wakes) {
            return Poll::Ready(Some(data));
        }
        let is_closed = self.is_closed;
        let Some(channel) = self.channel(id) else { return Poll::Ready(None) };
        if is_closed || channel.peer_eof || channel.peer_closed {
            return Poll::Ready(None);
        }
        channel.input_waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Takes the next request, or has `cx` woken when there is one or the end.
    pub(super) fn poll_request(
        &mut self,
        id: u32,
        cx: &Context<'_>,
        wakes: &mut Wakes,
    ) -> Poll<Option<PendingRequest>> {
        let is_closed = self.is_closed;
        let Some(channel) = self.channel(id) else { return Poll::Ready(None) };
        let Some(request) = channel.requests.pop_front() else {
            if is_closed || channel.peer_closed {
                return Poll::Ready(None);
            }
            channel.requests_waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        channel.request_bytes -= request.name.len() + request.payload.len();
        self.count_crowd(id, wakes);
        Poll::Ready(Some(request))
    }

    /// Queues data if there is room, which takes it; says whom to wait for otherwise.
    pub(super) fn write(
        &mut self,
        id: u32,
        stream: u32,
        data: &Bytes,
        wakes: &mut Wakes,
    ) -> Result<bool, ChannelClosed> {
        let channel = self.writable(id)?;
        if !channel.outbox.has_room() {
            return Ok(false);
        }
        channel.outbox.push_data(stream, data.clone());
        self.make_ready(id, wakes);
        Ok(true)
    }

    fn writable(&mut self, id: u32) -> Result<&mut ChannelState, ChannelClosed> {
        let is_over = self.is_over();
        self.channel(id).filter(|channel| !is_over && channel.is_writable()).ok_or(ChannelClosed)
    }

    /// Queues a request behind the data; the reply, if one is wanted, goes to `asker`, or nothing
    /// when it is over.
    pub(super) fn request(
        &mut self,
        id: u32,
        name: &str,
        payload: &[u8],
        asker: Option<oneshot::Sender<Result<(), RequestError>>>,
        wakes: &mut Wakes,
    ) {
        let is_over = self.is_over();
        let Some(channel) = self.channel(id).filter(|channel| !is_over && channel.takes_requests())
        else {
            return;
        };
        let mut message = Vec::with_capacity(16 + name.len() + payload.len());
        let (recipient, name, wants_reply) = (channel.peer, name.as_bytes(), asker.is_some());
        ChannelMessage::Request { recipient, name, wants_reply, payload }.encode(&mut message);
        channel.outbox.push_mark(Mark::Message(message));
        channel.asked.extend(asker);
        self.make_ready(id, wakes);
    }

    /// Queues the end of the data, once.
    pub(super) fn eof(&mut self, id: u32, wakes: &mut Wakes) {
        if let Ok(channel) = self.writable(id) {
            channel.eof_queued = true;
            channel.outbox.push_mark(Mark::Eof);
            wakes.notify(&channel.changed);
            self.make_ready(id, wakes);
        }
    }

    /// Queues the close, once.
    pub(super) fn close(&mut self, id: u32, wakes: &mut Wakes) {
        if let Some(channel) = self.channel(id) {
            channel.queue_close();
            wakes.notify(&channel.changed);
            self.make_ready(id, wakes);
        }
    }

    /// Tells whether the peer has closed the channel, or the connection is gone.
    pub(super) fn is_channel_closed(&mut self, id: u32) -> bool {
        self.is_closed || self.channel(id).is_none_or(|channel| channel.peer_closed)
    }

    /// Tells whether the peer ended its data.
    pub(super) fn is_at_eof(&mut self, id: u32) -> bool {
        self.channel(id).is_some_and(|channel| channel.peer_eof)
    }

    /// Returns what wakes those who wait for the channel.
    pub(super) fn changed(&mut self, id: u32) -> Arc<Notify> {
        self.channel(id).map_or_else(Arc::default, |channel| Arc::clone(&channel.changed))
    }

    /// Counts one more handle of the output.
    pub(super) fn add_output(&mut self, id: u32) {
        if let Some(channel) = self.channel(id) {
            channel.outputs += 1;
        }
    }

    /// Lets a handle go; the last one closes the channel.
    pub(super) fn release(&mut self, id: u32, handle: Handle, wakes: &mut Wakes) {
        let Some(channel) = self.channel(id) else { return };
        match handle {
            Handle::Output => channel.outputs -= 1,
            Handle::Input => {
                channel.has_input = false;
                channel.input_waker = None;
                let thrown_away = channel.inbox.clear();
                if channel.window.take(thrown_away) {
                    self.owe(id, wakes);
                }
            }
            Handle::Requests => {
                channel.has_requests = false;
                channel.requests_waker = None;
                channel.request_bytes = 0;
                for request in std::mem::take(&mut channel.requests) {
                    self.answer_request(id, request.ticket, false, wakes);
                }
                self.count_crowd(id, wakes);
            }
        }
        if self.channel(id).is_some_and(|channel| channel.is_abandoned()) {
            self.close(id, wakes);
            self.forget_if_over(id);
        }
    }
}
