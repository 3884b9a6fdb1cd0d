//! The channels of a connection and what waits to leave: the decisions, without a stream.
//!
//! Everything here runs under one lock, held for a few lines. What the peer sends comes in
//! through `receive`, what the program does through `program`, and the writer of the socket takes
//! what leaves through [`Mux::fill`].

use std::collections::VecDeque;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::channel_state::ChannelState;
use super::outbox::{Mark, Packet};
use super::replies::Replies;
use super::wakes::Wakes;
use super::window::Arrival;
use crate::config::ConnectionConfig;
use crate::error::OpenError;
use crate::message::ChannelMessage;

/// Control messages in bytes beyond which nothing more is read from the peer.
pub(super) const MAX_CONTROL: usize = 1 << 20;
/// Global requests of the peer without an answer beyond which nothing more is read.
pub(super) const MAX_GLOBAL_REQUESTS: usize = 256;
/// Channels at once, whoever opened them. The program has its own, smaller limit; this one holds
/// for channels that a peer leaves half closed.
pub(super) const MAX_CHANNELS: usize = 1024;
/// Data in one write to the socket: enough that system calls do not count, little enough that
/// what comes next does not wait for long.
const BATCH_BYTES: usize = 128 << 10;

/// A place in the table of channels.
#[derive(Debug)]
pub(super) enum Slot {
    Free,
    /// We asked the peer to open it.
    Opening(oneshot::Sender<Result<super::Channel, OpenError>>),
    /// The peer asked, and the program has not decided.
    Asked {
        peer: u32,
        window: u32,
        max_packet: u32,
    },
    Open(Box<ChannelState>),
}

/// Who waits for the reply to a global request of ours; nobody in case of a keepalive.
pub(super) type Asker = Option<oneshot::Sender<Option<Vec<u8>>>>;

/// The state of a connection.
#[derive(Debug)]
pub(super) struct Mux {
    pub(super) config: ConnectionConfig,
    pub(super) slots: Vec<Slot>,
    /// Control messages to be sent, each behind its length.
    pub(super) control: Vec<u8>,
    /// Channels with something to send, the next first.
    pub(super) ready: VecDeque<u32>,
    /// Channels whose peer is to be given window.
    pub(super) owing: Vec<u32>,
    /// By how much the windows of all channels may still grow.
    pub(super) growth: u32,
    /// When what is received now was read.
    pub(super) arrival: Arrival,
    /// How many channels were opened, for their serial numbers.
    pub(super) opened: u32,
    /// Global requests of the peer that want a reply.
    pub(super) replies: Replies<Option<Vec<u8>>>,
    /// Our global requests, oldest first.
    pub(super) asked: VecDeque<Asker>,
    /// Channels of the peer with too many requests; the reader waits while there is one.
    pub(super) crowded: usize,
    pub(super) has_no_more_sessions: bool,
    /// What is said when everything queued has left.
    pub(super) disconnect: Option<(u32, String)>,
    pub(super) is_closed: bool,
    /// Whether the writer waits to be woken.
    is_writer_idle: bool,
    /// Batches given to the writer, and those written.
    filled: u64,
    written: u64,
}

/// What goes into one write: control messages each behind its length, then packets.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) control: Vec<u8>,
    pub(super) packets: Vec<(u32, Packet)>,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.control.is_empty() && self.packets.is_empty()
    }

    /// Returns the control messages.
    pub(super) fn messages(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.control.as_slice();
        std::iter::from_fn(move || {
            let (length, behind) = rest.split_first_chunk()?;
            let (message, behind) = behind.split_at_checked(u32::from_be_bytes(*length) as usize)?;
            rest = behind;
            Some(message)
        })
    }
}

impl Mux {
    pub(super) fn new(config: ConnectionConfig) -> Self {
        let growth = config.max_window_bytes.saturating_mul(2);
        Self {
            config,
            slots: Vec::new(),
            control: Vec::new(),
            ready: VecDeque::new(),
            owing: Vec::new(),
            growth,
            arrival: Arrival { at: Instant::now(), awaited: None },
            replies: Replies::new(0),
            opened: 0,
            asked: VecDeque::new(),
            crowded: 0,
            has_no_more_sessions: false,
            disconnect: None,
            is_closed: false,
            is_writer_idle: false,
            filled: 0,
            written: 0,
        }
    }

    /// Queues a control message.
    pub(super) fn send(&mut self, message: &ChannelMessage<'_>, wakes: &mut Wakes) {
        let start = self.control.len();
        self.control.extend_from_slice(&[0; 4]);
        message.encode(&mut self.control);
        self.end_control(start, wakes);
    }

    /// Queues a control message given as its payload.
    pub(super) fn send_raw(&mut self, payload: &[u8], wakes: &mut Wakes) {
        let start = self.control.len();
        self.control.extend_from_slice(&[0; 4]);
        self.control.extend_from_slice(payload);
        self.end_control(start, wakes);
    }

    fn end_control(&mut self, start: usize, wakes: &mut Wakes) {
        let length = (self.control.len() - start - 4) as u32;
        self.control[start..start + 4].copy_from_slice(&length.to_be_bytes());
        self.poke(wakes);
    }

    /// Asks the peer for a sign of life.
    pub(super) fn send_keepalive(&mut self, wakes: &mut Wakes) {
        self.asked.push_back(None);
        let name = super::KEEPALIVE;
        self.send(&ChannelMessage::GlobalRequest { name, wants_reply: true, payload: b"" }, wakes);
    }

    /// Tells whether the reader has to wait for the peer to take what it asked for.
    pub(super) const fn is_full(&self) -> bool {
        self.control.len() > MAX_CONTROL
    }

    /// Tells whether the reader has to wait for the program to take or answer requests.
    pub(super) fn is_crowded(&self) -> bool {
        self.crowded > 0 || self.replies.len() >= MAX_GLOBAL_REQUESTS
    }

    /// Tells whether the reader has to wait for either.
    pub(super) fn must_wait(&self) -> bool {
        self.is_full() || self.is_crowded()
    }

    /// Counts a channel among the crowded ones, or no longer.
    pub(super) fn count_crowd(&mut self, id: u32, wakes: &mut Wakes) {
        let Some(channel) = self.channel(id) else { return };
        let is_crowded = channel.is_crowded();
        let was_crowded = std::mem::replace(&mut channel.is_counted, is_crowded);
        self.crowded = self.crowded + usize::from(is_crowded) - usize::from(was_crowded);
        wakes.reader |= was_crowded && !is_crowded;
    }

    /// Puts a channel among those with something to send, if it has.
    pub(super) fn make_ready(&mut self, id: u32, wakes: &mut Wakes) {
        if let Some(channel) = self.channel(id)
            && !channel.is_ready
            && channel.outbox.is_sendable()
        {
            channel.is_ready = true;
            self.ready.push_back(id);
            self.poke(wakes);
        }
    }

    /// Has the writer woken if it waits.
    pub(super) const fn poke(&mut self, wakes: &mut Wakes) {
        if self.is_writer_idle {
            self.is_writer_idle = false;
            wakes.writer = true;
        }
    }

    /// Takes what may leave now: owed window, control messages, then one packet of each ready
    /// channel in turn, up to the size of a batch. Leaves the batch empty when there is nothing,
    /// and the writer is then woken by what comes.
    pub(super) fn fill(&mut self, batch: &mut Batch, wakes: &mut Wakes) {
        self.give_back();
        batch.packets.clear();
        self.take_control(&mut batch.control, wakes);
        self.filled += 1;
        let mut bytes = batch.control.len();
        while bytes < BATCH_BYTES
            && let Some(id) = self.ready.pop_front()
        {
            let filled = self.filled;
            let Some(channel) = self.channel(id) else { continue };
            let Some(packet) = channel.outbox.next() else {
                channel.is_ready = false;
                continue;
            };
            bytes += 64;
            match &packet {
                Packet::Data { bytes: data, .. } => bytes += data.len(),
                Packet::Mark(Mark::Message(message)) => bytes += message.len(),
                Packet::Mark(Mark::Eof) => {}
                Packet::Mark(Mark::Close) => channel.close_sent = true,
            }
            channel.batch = filled;
            channel.is_ready = channel.outbox.is_sendable();
            let (is_ready, is_over) = (channel.is_ready, channel.close_sent);
            batch.packets.push((channel.peer, packet));
            if channel.outbox.is_low() {
                wakes.notify(&channel.changed);
            }
            if is_ready {
                self.ready.push_back(id);
            }
            if is_over {
                self.forget_if_over(id);
            }
        }
        self.is_writer_idle = batch.is_empty();
    }

    /// Takes the oldest control messages, as many as fit into a batch and at least one.
    fn take_control(&mut self, taken: &mut Vec<u8>, wakes: &mut Wakes) {
        let was_full = self.is_full();
        taken.clear();
        if self.control.len() <= BATCH_BYTES {
            std::mem::swap(taken, &mut self.control);
        } else {
            let mut end = 0;
            while let Some(length) = self.control[end..].first_chunk() {
                let next = end + 4 + u32::from_be_bytes(*length) as usize;
                if end > 0 && next > BATCH_BYTES {
                    break;
                }
                end = next;
            }
            taken.extend(self.control.drain(..end));
        }
        wakes.reader |= was_full && !self.is_full();
    }

    /// Turns owed window into control messages.
    fn give_back(&mut self) {
        if self.owing.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some(id) = self.owing.pop() {
            let mut growth = self.growth;
            let Some(channel) = self.channel(id) else { continue };
            channel.is_owing = false;
            if channel.peer_eof || channel.peer_closed || channel.close_sent {
                continue;
            }
            let bytes = channel.window.refill(channel.inbox.queued(), &mut growth, now);
            let recipient = channel.peer;
            self.growth = growth;
            if bytes > 0 {
                let message = ChannelMessage::WindowAdjust { recipient, bytes };
                self.send(&message, &mut Wakes::default());
            }
        }
    }

    /// Takes note that the batch filled last is in the socket.
    pub(super) const fn wrote(&mut self) {
        self.written = self.filled;
    }

    /// Tells whether everything queued on the channel is in the socket, or will never be.
    pub(super) fn is_flushed(&mut self, id: u32) -> bool {
        let (is_closed, written) = (self.is_closed, self.written);
        match self.channel(id) {
            Some(channel) => {
                is_closed
                    || channel.peer_closed
                    || (channel.outbox.is_empty() && channel.batch <= written)
            }
            None => true,
        }
    }

    /// Finds an open channel.
    pub(super) fn channel(&mut self, id: u32) -> Option<&mut ChannelState> {
        match self.slots.get_mut(id as usize) {
            Some(Slot::Open(channel)) => Some(channel),
            _ => None,
        }
    }

    /// Puts a channel into the lowest free place; `None` when there are too many.
    pub(super) fn insert(&mut self, slot: Slot) -> Option<u32> {
        let free = self.slots.iter().position(|slot| matches!(slot, Slot::Free));
        let index = free.unwrap_or(self.slots.len());
        if index >= MAX_CHANNELS {
            return None;
        }
        if index == self.slots.len() {
            self.slots.push(slot);
        } else {
            self.slots[index] = slot;
        }
        u32::try_from(index).ok()
    }

    /// Frees the place of a channel that both sides have closed and the program has let go.
    pub(super) fn forget_if_over(&mut self, id: u32) {
        let is_closed = self.is_closed;
        let Some(channel) = self.channel(id) else { return };
        let is_over = is_closed || (channel.close_sent && channel.peer_closed);
        if is_over && channel.is_abandoned() {
            let growth = channel.window.growth();
            self.growth += growth;
            self.free(id);
        }
    }

    /// Frees a place.
    pub(super) fn free(&mut self, id: u32) {
        if let Some(slot) = self.slots.get_mut(id as usize) {
            *slot = Slot::Free;
        }
        while let Some(Slot::Free) = self.slots.last() {
            self.slots.pop();
        }
    }

    /// Ends everything: nothing leaves or comes any more, and everyone who waits is woken.
    ///
    /// What was received before can still be read.
    pub(super) fn end(&mut self, wakes: &mut Wakes) {
        self.is_closed = true;
        self.control = Vec::new();
        self.ready.clear();
        self.owing.clear();
        self.asked.clear();
        for slot in &mut self.slots {
            match slot {
                Slot::Open(channel) => {
                    channel.outbox.clear();
                    channel.asked.clear();
                    wakes.waker(&mut channel.input_waker);
                    wakes.waker(&mut channel.requests_waker);
                    wakes.notify(&channel.changed);
                }
                Slot::Opening(_) => *slot = Slot::Free,
                Slot::Asked { .. } | Slot::Free => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_messages_leave_in_order_and_no_more_of_them_than_a_batch_holds() {
        let mut mux = Mux::new(ConnectionConfig::default());
        let mut wakes = Wakes::default();
        let longest = 2 * BATCH_BYTES;
        let lengths = (0..MAX_CONTROL / 1000).map(|number| 900 + number % 300);
        let messages: Vec<Vec<u8>> = lengths
            .chain([longest])
            .enumerate()
            .map(|(number, length)| vec![number as u8; length])
            .collect();
        messages.iter().for_each(|message| mux.send_raw(message, &mut wakes));
        assert!(mux.is_full());

        let (mut left, mut batch) = (Vec::new(), Batch::default());
        loop {
            mux.fill(&mut batch, &mut wakes);
            if batch.is_empty() {
                break;
            }
            let is_bounded = batch.control.len() <= BATCH_BYTES;
            assert!(is_bounded || batch.control.len() == longest + 4);
            left.extend(batch.messages().map(<[u8]>::to_vec));
        }
        assert!(left == messages);
        assert!(wakes.reader && !mux.is_full());
    }
}
