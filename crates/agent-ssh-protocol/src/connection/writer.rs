//! The writer of the socket: batches of packets, sealed in one buffer and written at once.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncWriteExt as _, WriteHalf};
use tokio::time::timeout;

use super::core::Core;
use super::driver::Stop;
use super::mux::Batch;
use super::outbox::{Mark, Packet};
use super::wakes::Wakes;
use crate::auth::Stream;
use crate::cipher::Sealer;
use crate::message::{ChannelMessage, Disconnect, data_header};
use crate::transport::Outbound;

/// How long a buffer that holds nothing is kept.
const KEEP: Duration = Duration::from_secs(1);
/// A buffer up to this size is kept for ever.
const SMALL: usize = 4 << 10;

/// Seals and writes what the connection has to send.
pub(super) struct Writer {
    socket: WriteHalf<Box<dyn Stream>>,
    outbound: Outbound,
    batch: Batch,
    core: Core,
}

impl Writer {
    pub(super) fn new(socket: WriteHalf<Box<dyn Stream>>, outbound: Outbound, core: Core) -> Self {
        Self { socket, outbound, batch: Batch::default(), core }
    }

    /// Writes until the stream fails, or the program disconnects and nothing more can leave.
    ///
    /// # Cancellation
    ///
    /// What was sealed and not written stays, for [`say_farewell`](Self::say_farewell).
    pub(super) async fn run(&mut self) -> Stop {
        match self.write_all().await {
            Ok(()) => Stop::Disconnecting,
            Err(error) => Stop::Lost(error),
        }
    }

    async fn write_all(&mut self) -> io::Result<()> {
        loop {
            let is_holding = self.seal();
            if !self.outbound.unwritten().is_empty() {
                self.write().await?;
                self.core.shared.with(|mux, _| mux.wrote());
                self.core.shared.flushed.notify_waiters();
                continue;
            }
            self.socket.flush().await?;
            if !is_holding && self.core.shared.with(|mux, _| mux.disconnect.is_some()) {
                return Ok(());
            }
            self.wait().await;
        }
    }

    /// Seals the next batch; tells whether a key exchange holds it back.
    fn seal(&mut self) -> bool {
        let core = &self.core;
        let is_holding = {
            let mut exchange = core.exchange.lock();
            if self.outbound.sealed() >= core.config.rekey_bytes {
                exchange.begin();
            }
            self.outbound.seal_exchange(&mut exchange);
            exchange.is_holding()
        };
        if is_holding {
            // A reader that waits for room must read on, or the exchange would never end.
            core.shared.reader.notify_one();
            return true;
        }
        let mut wakes = Wakes::default();
        core.shared.with_wakes(&mut wakes, |mux, wakes| mux.fill(&mut self.batch, wakes));
        core.shared.wake(&mut wakes);
        self.outbound.reserve(self.batch.size());
        for message in self.batch.messages() {
            self.outbound.seal(&[message]);
        }
        for (recipient, packet) in self.batch.packets.drain(..) {
            seal_packet(&mut self.outbound, recipient, &packet);
        }
        false
    }

    async fn write(&mut self) -> io::Result<()> {
        while !self.outbound.unwritten().is_empty() {
            let written = self.socket.write(self.outbound.unwritten()).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.outbound.wrote(written);
            self.core.shared.sent.fetch_add(written as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Waits for something to do; gives up the memory of the last burst when that takes long.
    async fn wait(&mut self) {
        let woken = self.core.shared.writer.notified();
        if self.outbound.capacity() <= SMALL {
            return woken.await;
        }
        tokio::pin!(woken);
        if timeout(KEEP, &mut woken).await.is_err() {
            self.outbound.shrink();
            self.batch = Batch::default();
            woken.await;
        }
    }

    /// Writes what is sealed and a DISCONNECT message, and says that nothing follows.
    pub(super) async fn say_farewell(&mut self, reason: u32, text: &str) -> io::Result<()> {
        self.outbound.seal_exchange(&mut self.core.exchange.lock());
        self.outbound.seal(&[&Disconnect::encode(reason, text)]);
        self.write().await?;
        self.socket.shutdown().await
    }
}

fn seal_packet(outbound: &mut Outbound, recipient: u32, packet: &Packet) {
    let mark = match packet {
        Packet::Data { stream, bytes } => {
            let (header, header_len) = data_header(recipient, *stream, bytes.len());
            return outbound.seal(&[&header[..header_len], bytes]);
        }
        Packet::Mark(mark) => mark,
    };
    let mut payload = Vec::new();
    match mark {
        Mark::Message(message) => return outbound.seal(&[message]),
        Mark::Eof => ChannelMessage::Eof { recipient }.encode(&mut payload),
        Mark::Close => ChannelMessage::Close { recipient }.encode(&mut payload),
    }
    outbound.seal(&[&payload]);
}

impl Batch {
    /// Returns about how many bytes it takes on the wire.
    fn size(&self) -> usize {
        let data = |packet: &Packet| match packet {
            Packet::Data { bytes, .. } => bytes.len(),
            Packet::Mark(Mark::Message(message)) => message.len(),
            Packet::Mark(_) => 0,
        };
        let packets = self.packets.iter().map(|(_, packet)| data(packet) + Sealer::OVERHEAD);
        self.control.len() + packets.sum::<usize>()
    }
}
