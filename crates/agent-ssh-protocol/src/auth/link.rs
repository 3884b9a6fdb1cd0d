//! A stream while the connection is not there yet: one message after the other.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use crate::error::{HandshakeError, ProtocolError};
use crate::message::{Disconnect, disconnect, number};
use crate::transport::{Exchange, Identification, Inbound, Line, Outbound, Packet, Side};

/// A byte stream of any kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// How long a peer that is sent away may take to hear why.
const FAREWELL: Duration = Duration::from_secs(1);
/// What is read at once: the messages before the connection are short.
const READ_BYTES: usize = 4 << 10;
/// What may be unwritten while more is read: a peer that asks on and on and takes no answers must
/// not fill the memory. Each side of a key exchange and every answer is far shorter.
const MAX_UNWRITTEN: usize = 64 << 10;

/// The two ends of a connection in the making.
pub(crate) struct Link {
    pub(crate) stream: Box<dyn Stream>,
    pub(crate) inbound: Inbound,
    pub(crate) outbound: Outbound,
    pub(crate) exchange: Exchange,
    /// Messages that wait for the end of a key exchange. The peer asks for each, one at a time.
    held: VecDeque<Vec<u8>>,
}

impl Link {
    /// Sends our identification and reads the peer's.
    pub(crate) async fn identify(
        stream: Box<dyn Stream>,
        software: &str,
        side: Side,
    ) -> Result<(Self, Vec<u8>), HandshakeError> {
        let own = format!("SSH-2.0-{software}").into_bytes();
        let is_server = matches!(side, Side::Server { .. });
        let mut link = Self {
            stream,
            inbound: Inbound::new(),
            outbound: Outbound::new(),
            exchange: Exchange::new(side),
            held: VecDeque::new(),
        };
        link.outbound.put_raw(&own);
        link.outbound.put_raw(b"\r\n");
        let theirs = link.read_identification(is_server).await?;
        let (client_id, server_id) =
            if is_server { (theirs.clone(), own) } else { (own, theirs.clone()) };
        link.exchange.identify(client_id, server_id);
        link.exchange.begin();
        Ok((link, theirs))
    }

    async fn read_identification(&mut self, is_server: bool) -> Result<Vec<u8>, HandshakeError> {
        let mut identification =
            if is_server { Identification::of_client() } else { Identification::of_server() };
        loop {
            match identification.parse(&self.inbound.buffer) {
                Ok(Line::Peer { id, used }) => {
                    let _ = self.inbound.buffer.split_to(used);
                    return Ok(id);
                }
                Ok(Line::Other { used }) => {
                    let _ = self.inbound.buffer.split_to(used);
                }
                Ok(Line::Incomplete) => self.pump().await?,
                Err(error) => {
                    // There are no packets to say it in yet.
                    if is_server {
                        self.outbound.put_raw(b"Invalid SSH identification string.\r\n");
                        self.say_farewell().await;
                    }
                    return Err(HandshakeError::Protocol(error.to_string()));
                }
            }
        }
    }

    /// Queues a message; it leaves while [`receive`](Self::receive) waits, or with
    /// [`flush`](Self::flush).
    pub(crate) fn send(&mut self, payload: Vec<u8>) {
        self.held.push_back(payload);
    }

    /// Waits for the next message that is not the transport's own.
    pub(crate) async fn receive(&mut self) -> Result<Packet, HandshakeError> {
        match self.next_message().await {
            Err(HandshakeError::Protocol(text)) => {
                Err(self.refuse(&ProtocolError::broken(text)).await)
            }
            Err(HandshakeError::NoCommonAlgorithm(text)) => {
                Err(self.refuse(&ProtocolError::NoCommonAlgorithm(text)).await)
            }
            other => other,
        }
    }

    async fn next_message(&mut self) -> Result<Packet, HandshakeError> {
        loop {
            let Some(packet) = self.inbound.next().map_err(ProtocolError::from)? else {
                self.pump().await?;
                continue;
            };
            if let Some(packet) = self.take_transport(packet)? {
                return Ok(packet);
            }
        }
    }

    /// Does what a message of the transport asks; returns any other.
    fn take_transport(&mut self, packet: Packet) -> Result<Option<Packet>, HandshakeError> {
        self.exchange.permit(packet.number())?;
        match packet.number() {
            number::DISCONNECT => {
                let Disconnect { reason, text } =
                    Disconnect::decode(&packet.payload).map_err(ProtocolError::from)?;
                Err(HandshakeError::Disconnected { reason, text })
            }
            number::IGNORE | number::UNIMPLEMENTED | number::DEBUG => Ok(None),
            number::KEXINIT..50 => {
                let new_keys = self.exchange.receive(&packet.payload, packet.sequence)?;
                if let Some(new_keys) = new_keys {
                    self.inbound.rekey(new_keys.opener, new_keys.resets_sequence);
                }
                Ok(None)
            }
            _ => Ok(Some(packet)),
        }
    }

    /// Waits until the first keys are in use both ways.
    pub(crate) async fn secure(&mut self) -> Result<(), HandshakeError> {
        while self.exchange.is_under_way() {
            let result = match self.inbound.next().map_err(ProtocolError::from) {
                Ok(Some(packet)) => self.take_transport(packet).map(|_| ()),
                Ok(None) => self.pump().await,
                Err(error) => Err(error.into()),
            };
            match result {
                Ok(()) => {}
                Err(HandshakeError::Protocol(text)) => {
                    return Err(self.refuse(&ProtocolError::broken(text)).await);
                }
                Err(HandshakeError::NoCommonAlgorithm(text)) => {
                    return Err(self.refuse(&ProtocolError::NoCommonAlgorithm(text)).await);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Tells the peer which rule it broke.
    pub(crate) async fn refuse(&mut self, error: &ProtocolError) -> HandshakeError {
        self.disconnect(error.reason(), &error.to_string()).await;
        error.clone().into()
    }

    /// Sends the peer away; takes a second at most.
    pub(crate) async fn disconnect(&mut self, reason: u32, text: &str) {
        self.seal();
        self.outbound.seal(&[&Disconnect::encode(reason, text)]);
        self.say_farewell().await;
    }

    /// Sends what is queued, and reads what comes until the peer goes too: a stream closed with
    /// bytes unread may lose what was sent last.
    async fn say_farewell(&mut self) {
        let farewell = async {
            while !self.outbound.unwritten().is_empty() {
                if poll_fn(|cx| self.poll_write(cx)).await.is_err() {
                    return;
                }
            }
            if poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx)).await.is_err() {
                return;
            }
            let mut bytes = vec![0; READ_BYTES];
            while let Ok(1..) = self.stream.read(&mut bytes).await {}
        };
        // A peer that does not hear it is left.
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }

    /// Seals what may leave now.
    pub(crate) fn seal(&mut self) {
        self.outbound.seal_exchange(&mut self.exchange);
        while !self.exchange.is_holding()
            && let Some(payload) = self.held.pop_front()
        {
            self.outbound.seal(&[&payload]);
        }
    }

    /// Writes what is queued.
    pub(crate) async fn flush(&mut self) -> Result<(), HandshakeError> {
        self.seal();
        poll_fn(|cx| self.poll_write(cx)).await.map_err(HandshakeError::stream)
    }

    /// Writes what is queued and reads until something came. Both at once: a peer that does the
    /// same would otherwise wait for this side. But a peer that leaves [`MAX_UNWRITTEN`] bytes
    /// untaken is not read from until it takes some.
    async fn pump(&mut self) -> Result<(), HandshakeError> {
        self.seal();
        let read = poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = self.poll_write(cx) {
                return Poll::Ready(Err(error));
            }
            if self.outbound.unwritten().len() > MAX_UNWRITTEN {
                return Poll::Pending;
            }
            self.poll_fill(cx)
        });
        match read.await {
            Ok(0) => Err(HandshakeError::ConnectionLost),
            Ok(_) => Ok(()),
            Err(error) => Err(HandshakeError::stream(error)),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outbound.unwritten().is_empty() {
            let unwritten = self.outbound.unwritten();
            match ready!(Pin::new(&mut self.stream).poll_write(cx, unwritten))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.outbound.wrote(written),
            }
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut bytes = [0; READ_BYTES];
        let mut read = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        self.inbound.buffer.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    }
}

/// The reason for a peer that asks for a service there is not.
pub(crate) const NO_SERVICE: u32 = disconnect::SERVICE_NOT_AVAILABLE;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt as _, duplex};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_no_answers_is_not_read_from() {
        let (near, mut far) = duplex(1 << 10);
        let mut link = Link {
            stream: Box::new(near),
            inbound: Inbound::new(),
            outbound: Outbound::new(),
            exchange: Exchange::new(Side::Server { host_keys: Vec::new() }),
            held: VecDeque::new(),
        };
        link.outbound.put_raw(&vec![0; MAX_UNWRITTEN + (2 << 10)]);
        far.write_all(b"more").await.unwrap();
        let waited = timeout(Duration::from_secs(1), link.pump()).await;
        assert!(waited.is_err() && link.inbound.buffer.is_empty());

        // One more that is taken is within the bound, and what was sent is read.
        let mut taken = vec![0; 2 << 10];
        let (pumped, read) = tokio::join!(link.pump(), far.read_exact(&mut taken));
        assert!(pumped.is_ok() && read.is_ok());
        assert_eq!(&link.inbound.buffer[..], b"more");
    }
}
