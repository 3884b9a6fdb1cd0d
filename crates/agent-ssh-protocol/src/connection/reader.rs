//! The reader of the socket: large reads, packets opened in place and given to their channels.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, ReadHalf};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::{Instant, timeout};

use super::Channel;
use super::core::Core;
use super::driver::Stop;
use super::incoming::{Event, GlobalRequest, Open};
use super::receive::Arrived;
use super::wakes::Wakes;
use super::window::Arrival;
use crate::auth::Stream;
use crate::error::ProtocolError;
use crate::message::{ChannelMessage, Disconnect, number, unimplemented};
use crate::transport::{Inbound, Packet};

/// What is read at once from a peer that says little.
const MIN_READ: usize = 4 << 10;
/// What is read at once from a peer that sends all it can.
const MAX_READ: usize = 128 << 10;
/// How long a large buffer that holds nothing is kept.
const KEEP: Duration = Duration::from_secs(1);
/// How long the program may leave requests untaken or unanswered once there are too many.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a peer may send while it owes us its part of a key exchange.
const MAX_DURING_EXCHANGE: u64 = 256 << 20;
/// Control messages in bytes that may wait for the end of a key exchange; nothing else could end
/// it than what is read meanwhile.
const MAX_HELD: usize = 4 << 20;

/// Reads and opens what the peer sends.
pub(super) struct Reader {
    socket: ReadHalf<Box<dyn Stream>>,
    inbound: Inbound,
    /// What is read at once, which follows what comes.
    read_bytes: usize,
    /// From when on nothing came, if it had to wait for what it read last.
    awaited: Option<Instant>,
    events: mpsc::Sender<Event>,
    core: Core,
}

impl Reader {
    pub(super) fn new(
        socket: ReadHalf<Box<dyn Stream>>,
        inbound: Inbound,
        events: mpsc::Sender<Event>,
        core: Core,
    ) -> Self {
        Self { socket, inbound, read_bytes: MIN_READ, awaited: None, events, core }
    }

    /// Reads until the peer goes or breaks a rule, or the stream fails.
    pub(super) async fn run(&mut self) -> Stop {
        let mut wakes = Wakes::default();
        loop {
            let taken = self.take_packets(&mut wakes).await;
            self.core.shared.wake(&mut wakes);
            if let Err(stop) = taken {
                return stop;
            }
            match self.read().await {
                Ok(0) if self.inbound.buffer.is_empty() => {
                    return Stop::ClosedByPeer { reason: None, text: String::new() };
                }
                Ok(0) => return Stop::Lost(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.core.shared.arrived(read),
                Err(error) => return Stop::Lost(error),
            }
        }
    }

    /// Takes all packets that are in the buffer; the channels are woken once for all of them.
    async fn take_packets(&mut self, wakes: &mut Wakes) -> Result<(), Stop> {
        let arrival = Arrival { at: Instant::now(), awaited: self.awaited.take() };
        while let Some(packet) = self.inbound.next().map_err(ProtocolError::from)? {
            self.core.exchange.lock().permit(packet.number())?;
            let (arrived, must_wait) = if packet.number() < number::GLOBAL_REQUEST {
                self.take_transport(&packet, wakes)?;
                (None, self.core.shared.with_wakes(wakes, |mux, _| mux.must_wait()))
            } else {
                self.take_message(&packet, arrival, wakes)?
            };
            if let Some(arrived) = arrived {
                self.tell(arrived, wakes).await;
            }
            // Whatever the message was: it may have been answered.
            if must_wait {
                self.core.shared.wake(wakes);
                self.wait_for_room().await?;
            }
        }
        if self.inbound.opened() >= self.core.config.rekey_bytes {
            self.renew_keys()?;
        }
        Ok(())
    }

    /// Takes a message of the connection; tells also whether the next one has to wait.
    fn take_message(
        &self,
        packet: &Packet,
        arrival: Arrival,
        wakes: &mut Wakes,
    ) -> Result<(Option<Arrived>, bool), ProtocolError> {
        let message = ChannelMessage::decode(&packet.payload).map_err(ProtocolError::from)?;
        self.core.shared.with_wakes(wakes, |mux, wakes| {
            let arrived = if let Some(message) = message {
                mux.arrival = arrival;
                mux.receive(&message, &packet.payload, wakes)?
            } else {
                mux.send_raw(&unimplemented(packet.sequence), wakes);
                None
            };
            Ok((arrived, mux.must_wait()))
        })
    }

    fn renew_keys(&self) -> Result<(), ProtocolError> {
        if !self.core.exchange.lock().is_under_way() {
            self.core.begin_exchange();
        }
        let limit = self.core.config.rekey_bytes.saturating_add(MAX_DURING_EXCHANGE);
        let is_patient = self.inbound.opened() < limit;
        is_patient.then_some(()).ok_or_else(|| ProtocolError::broken("key exchange not answered"))
    }

    /// Does what a message below those of the connection asks.
    fn take_transport(&mut self, packet: &Packet, wakes: &mut Wakes) -> Result<(), Stop> {
        match packet.number() {
            number::DISCONNECT => {
                let Disconnect { reason, text } =
                    Disconnect::decode(&packet.payload).map_err(ProtocolError::from)?;
                return Err(Stop::ClosedByPeer { reason: Some(reason), text });
            }
            number::IGNORE | number::UNIMPLEMENTED | number::DEBUG | number::EXT_INFO => {}
            number::KEXINIT..50 => {
                let mut exchange = self.core.exchange.lock();
                let new_keys = exchange.receive(&packet.payload, packet.sequence)?;
                drop(exchange);
                if let Some(new_keys) = new_keys {
                    self.inbound.rekey(new_keys.opener, new_keys.resets_sequence);
                }
                // It may have something to send, and may no longer hold back the rest.
                wakes.writer = true;
            }
            // What is asked once it was granted is ignored, RFC 4252 section 5.1.
            number::USERAUTH_REQUEST => {}
            _ => {
                let reply = unimplemented(packet.sequence);
                let shared = &self.core.shared;
                shared.with_wakes(wakes, |mux, wakes| mux.send_raw(&reply, wakes));
                return Ok(());
            }
        }
        Ok(())
    }

    /// Hands over what the program has to be told of.
    async fn tell(&mut self, arrived: Arrived, wakes: &mut Wakes) {
        let shared = Arc::clone(&self.core.shared);
        let event = match arrived {
            Arrived::Opened { id, opener } => {
                // Nobody waits any more when the future that asked was dropped: the handles are
                // dropped here, which closes the channel.
                let _ = opener.send(Ok(Channel::new(&shared, id)));
                return;
            }
            Arrived::Open { id, kind, payload } => {
                Event::Open(Open { kind, payload, id, shared: Some(shared) })
            }
            Arrived::Request { ticket, name, payload } => {
                let wants_reply = ticket.is_some();
                Event::Request(GlobalRequest { name, payload, wants_reply, ticket, shared })
            }
        };
        if let Err(TrySendError::Full(event)) = self.events.try_send(event) {
            self.core.shared.wake(wakes);
            // Dropped when nobody takes events any more, which refuses it.
            let _ = self.events.send(event).await;
        }
    }

    /// Waits until the peer has taken its replies, and the program its requests.
    ///
    /// The writer wakes it also when a key exchange begins, which needs what is read.
    async fn wait_for_room(&mut self) -> Result<(), Stop> {
        let shared = &self.core.shared;
        loop {
            let is_holding = self.core.exchange.lock().is_holding();
            let (is_full, is_crowded, queued) =
                shared.with(|mux, _| (mux.is_full(), mux.is_crowded(), mux.control.len()));
            if is_holding && queued > MAX_HELD {
                return Err(ProtocolError::broken("too many requests during key exchange").into());
            }
            let room = shared.reader.notified();
            if is_crowded {
                let waited = timeout(PATIENCE, room).await;
                waited.map_err(|_| ProtocolError::broken("too many requests"))?;
            } else if is_full && !is_holding {
                room.await;
            } else {
                return Ok(());
            }
        }
    }

    /// Reads what there is, at least one byte; none at the end of the stream.
    async fn read(&mut self) -> io::Result<usize> {
        let is_busy = self.read_bytes == MAX_READ;
        if is_busy {
            // Lets the writer and the readers of the channels have their turn.
            tokio::task::yield_now().await;
        }
        let buffer = &mut self.inbound;
        // A length that is wrong is found when the packet is taken.
        let wanted = buffer.wanted().ok().flatten().unwrap_or_default();
        let buffer = &mut buffer.buffer;
        let missing = wanted.saturating_sub(buffer.len());
        if buffer.capacity() - buffer.len() < missing.max(self.read_bytes / 4) {
            buffer.reserve(missing.max(self.read_bytes));
        }
        let room = buffer.capacity() - buffer.len();
        // What is there already needs neither a timer nor the time.
        let at_once = poll_once(self.socket.read_buf(buffer)).await;
        let read = if let Some(read) = at_once {
            read?
        } else {
            self.awaited = Some(Instant::now());
            if self.read_bytes == MIN_READ {
                self.socket.read_buf(buffer).await?
            } else if let Ok(read) = timeout(KEEP, self.socket.read_buf(buffer)).await {
                read?
            } else {
                self.read_bytes = MIN_READ;
                if buffer.is_empty() {
                    *buffer = BytesMut::with_capacity(MIN_READ);
                }
                self.socket.read_buf(buffer).await?
            }
        };
        if read == room {
            self.read_bytes = (self.read_bytes * 4).min(MAX_READ);
        }
        Ok(read)
    }

    /// Reads and throws away what comes until the peer says that nothing follows.
    pub(super) async fn drain(&mut self) {
        let mut bytes = vec![0; MIN_READ];
        while let Ok(1..) = self.socket.read(&mut bytes).await {}
    }
}

/// Polls a future once, and drops it when it would have to wait.
async fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}
