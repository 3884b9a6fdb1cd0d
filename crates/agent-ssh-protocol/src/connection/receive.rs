//! What the messages of the peer do to the channels.

use bytes::Bytes;
use tokio::sync::oneshot;

use super::channel_state::{ChannelState, PendingRequest};
use super::incoming::OpenFailure;
use super::mux::{Mux, Slot};
use super::outbox::Outbox;
use super::replies::Ticket;
use super::wakes::Wakes;
use super::window::Window;
use super::{Channel, KEEPALIVE, NO_MORE_SESSIONS};
use crate::error::{OpenError, ProtocolError, RequestError};
use crate::message::ChannelMessage;

/// What the program has to be told of, beyond what waits in the channels.
#[derive(Debug)]
pub(super) enum Arrived {
    Open {
        id: u32,
        kind: Vec<u8>,
        payload: Bytes,
    },
    Request {
        ticket: Option<Ticket>,
        name: Vec<u8>,
        payload: Bytes,
    },
    /// The peer opened a channel that we asked for.
    Opened {
        id: u32,
        opener: oneshot::Sender<Result<Channel, OpenError>>,
    },
}

type Received = Result<Option<Arrived>, ProtocolError>;

impl Mux {
    /// Takes a message of the peer; `message` was decoded from `payload`.
    pub(super) fn receive(
        &mut self,
        message: &ChannelMessage<'_>,
        payload: &Bytes,
        wakes: &mut Wakes,
    ) -> Received {
        match *message {
            ChannelMessage::GlobalRequest { name, wants_reply, payload: fields } => {
                return Ok(self.global_request(
                    name,
                    wants_reply,
                    &payload.slice_ref(fields),
                    wakes,
                ));
            }
            ChannelMessage::RequestSuccess { payload } => {
                self.global_reply(Some(payload.to_vec()))?;
            }
            ChannelMessage::RequestFailure => self.global_reply(None)?,
            ChannelMessage::Open { kind, sender, window, max_packet, payload: fields } => {
                let asked = Slot::Asked { peer: sender, window, max_packet };
                return self.peer_opens(kind, asked, payload.slice_ref(fields), wakes);
            }
            ChannelMessage::OpenConfirmation { recipient, sender, window, max_packet } => {
                return self.peer_confirms(recipient, sender, window, max_packet);
            }
            ChannelMessage::OpenFailure { recipient, reason, text } => {
                let text = String::from_utf8_lossy(text).into_owned();
                // Nobody waits any more when the future that asked was dropped.
                let _ =
                    self.take_opening(recipient)?.send(Err(OpenError::Refused { reason, text }));
            }
            ChannelMessage::WindowAdjust { recipient, bytes } => {
                let channel = self.peers_channel(recipient)?;
                let adjusted = channel.outbox.adjust(bytes);
                adjusted.map_err(|_| ProtocolError::broken("channel window over 2^32 - 1"))?;
                wakes.notify(&channel.changed);
                self.make_ready(recipient, wakes);
            }
            ChannelMessage::Data { recipient, stream, data } => {
                self.data(recipient, stream, payload.slice_ref(data), wakes)?;
            }
            ChannelMessage::Eof { recipient } => {
                let channel = self.peers_channel(recipient)?;
                channel.peer_eof = true;
                wakes.waker(&mut channel.input_waker);
            }
            ChannelMessage::Close { recipient } => self.peer_closes(recipient, wakes)?,
            ChannelMessage::Request { recipient, name, wants_reply, payload: fields } => {
                let fields = payload.slice_ref(fields);
                self.channel_request(recipient, name, wants_reply, &fields, wakes)?;
            }
            ChannelMessage::Success { recipient } => self.channel_reply(recipient, Ok(()))?,
            ChannelMessage::Failure { recipient } => {
                self.channel_reply(recipient, Err(RequestError::Failed))?;
            }
        }
        Ok(None)
    }

    fn global_request(
        &mut self,
        name: &[u8],
        wants_reply: bool,
        payload: &Bytes,
        wakes: &mut Wakes,
    ) -> Option<Arrived> {
        let ticket = wants_reply.then(|| self.replies.expect());
        if name == KEEPALIVE || name == NO_MORE_SESSIONS {
            self.has_no_more_sessions |= name == NO_MORE_SESSIONS;
            self.answer_global(ticket, Some(Vec::new()), wakes);
            return None;
        }
        // A copy: a small request must not keep a large buffer.
        let payload = Bytes::copy_from_slice(payload);
        Some(Arrived::Request { ticket, name: name.to_vec(), payload })
    }

    fn global_reply(&mut self, reply: Option<Vec<u8>>) -> Result<(), ProtocolError> {
        let unasked = || ProtocolError::broken("reply to no request");
        if let Some(asker) = self.asked.pop_front().ok_or_else(unasked)? {
            // Nobody waits any more when the future that asked was dropped.
            let _ = asker.send(reply);
        }
        Ok(())
    }

    fn peer_opens(
        &mut self,
        kind: &[u8],
        asked: Slot,
        payload: Bytes,
        wakes: &mut Wakes,
    ) -> Received {
        let Slot::Asked { peer, max_packet, .. } = asked else { return Ok(None) };
        if max_packet == 0 {
            return Err(ProtocolError::broken("largest channel packet of 0 bytes"));
        }
        let refused = if self.has_no_more_sessions && kind == b"session" {
            Some((OpenFailure::AdministrativelyProhibited, "no more sessions"))
        } else if self.disconnect.is_some() {
            Some((OpenFailure::AdministrativelyProhibited, "disconnecting"))
        } else {
            None
        };
        let id = match refused {
            None => self.insert(asked),
            Some(_) => None,
        };
        let Some(id) = id else {
            let (reason, text) =
                refused.unwrap_or((OpenFailure::ResourceShortage, "too many channels"));
            let (reason, text) = (reason as u32, text.as_bytes());
            self.send(&ChannelMessage::OpenFailure { recipient: peer, reason, text }, wakes);
            return Ok(None);
        };
        let payload = Bytes::copy_from_slice(&payload);
        Ok(Some(Arrived::Open { id, kind: kind.to_vec(), payload }))
    }

    fn peer_confirms(&mut self, id: u32, peer: u32, window: u32, max_packet: u32) -> Received {
        let opener = self.take_opening(id)?;
        if max_packet == 0 {
            return Err(ProtocolError::broken("largest channel packet of 0 bytes"));
        }
        let state = self.new_channel(peer, window, max_packet);
        let slot = Slot::Open(Box::new(state));
        match self.slots.get_mut(id as usize) {
            Some(place) => *place = slot,
            // Freeing cut it off the end.
            None => {
                self.slots.resize_with(id as usize, || Slot::Free);
                self.slots.push(slot);
            }
        }
        Ok(Some(Arrived::Opened { id, opener }))
    }

    /// Makes the state of a channel that is open from now on.
    pub(super) fn new_channel(&mut self, peer: u32, window: u32, max_packet: u32) -> ChannelState {
        let max_window = self.config.max_window_bytes.max(self.config.window_bytes);
        self.opened = self.opened.wrapping_add(1);
        ChannelState::new(
            peer,
            self.opened,
            Window::new(self.config.window_bytes, max_window),
            Outbox::new(window, max_packet.min(self.config.max_packet_bytes)),
        )
    }

    fn take_opening(
        &mut self,
        id: u32,
    ) -> Result<oneshot::Sender<Result<Channel, OpenError>>, ProtocolError> {
        match self.slots.get_mut(id as usize) {
            Some(slot @ Slot::Opening(_)) => {
                let Slot::Opening(opener) = std::mem::replace(slot, Slot::Free) else {
                    return Err(unknown(id));
                };
                self.free(id);
                Ok(opener)
            }
            _ => Err(unknown(id)),
        }
    }

    fn data(
        &mut self,
        id: u32,
        stream: u32,
        data: Bytes,
        wakes: &mut Wakes,
    ) -> Result<(), ProtocolError> {
        let arrival = self.arrival;
        let channel = self.peers_channel(id)?;
        let queued = channel.inbox.queued() + data.len();
        channel
            .window
            .receive(data.len(), queued, arrival)
            .map_err(|_| ProtocolError::broken("channel data beyond the window"))?;
        if channel.has_input && !channel.peer_eof {
            channel.inbox.push(stream, data);
            wakes.waker(&mut channel.input_waker);
            return Ok(());
        }
        // Nobody will read it, and the peer must not wait for that.
        if channel.window.take(data.len()) {
            self.owe(id, wakes);
        }
        Ok(())
    }

    /// Has the window of a channel given back with the next batch.
    pub(super) fn owe(&mut self, id: u32, wakes: &mut Wakes) {
        let Some(channel) = self.channel(id) else { return };
        if !channel.is_owing {
            channel.is_owing = true;
            self.owing.push(id);
            self.poke(wakes);
        }
    }

    fn peer_closes(&mut self, id: u32, wakes: &mut Wakes) -> Result<(), ProtocolError> {
        let channel = self.peers_channel(id)?;
        channel.peer_closed = true;
        channel.asked.clear();
        // What has not left would not be read.
        channel.outbox.clear();
        if !channel.close_sent {
            channel.close_queued = false;
            channel.queue_close();
        }
        wakes.waker(&mut channel.input_waker);
        wakes.waker(&mut channel.requests_waker);
        wakes.notify(&channel.changed);
        self.count_crowd(id, wakes);
        self.make_ready(id, wakes);
        self.forget_if_over(id);
        Ok(())
    }

    fn channel_request(
        &mut self,
        id: u32,
        name: &[u8],
        wants_reply: bool,
        payload: &Bytes,
        wakes: &mut Wakes,
    ) -> Result<(), ProtocolError> {
        let channel = self.peers_channel(id)?;
        let ticket = wants_reply.then(|| channel.replies.expect());
        if name == KEEPALIVE || !channel.has_requests {
            self.answer_request(id, ticket, name == KEEPALIVE, wakes);
            return Ok(());
        }
        let payload = Bytes::copy_from_slice(payload);
        channel.request_bytes += name.len() + payload.len();
        channel.requests.push_back(PendingRequest { name: name.to_vec(), payload, ticket });
        wakes.waker(&mut channel.requests_waker);
        self.count_crowd(id, wakes);
        Ok(())
    }

    fn channel_reply(
        &mut self,
        id: u32,
        reply: Result<(), RequestError>,
    ) -> Result<(), ProtocolError> {
        let unasked = || ProtocolError::broken("reply to no channel request");
        let asker = self.peers_channel(id)?.asked.pop_front().ok_or_else(unasked)?;
        // Nobody waits any more when the future that asked was dropped.
        let _ = asker.send(reply);
        Ok(())
    }

    /// Finds a channel that the peer may name.
    fn peers_channel(&mut self, id: u32) -> Result<&mut ChannelState, ProtocolError> {
        self.channel(id).filter(|channel| !channel.peer_closed).ok_or_else(|| unknown(id))
    }
}

fn unknown(id: u32) -> ProtocolError {
    ProtocolError::broken(format!("message for unknown channel {id}"))
}
