//! Datagrams over a byte stream: each behind its length in two bytes, big-endian; not where they go.

use std::fmt;

use agent_api::limits::MAX_DATAGRAM_BYTES;
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{ReadHalf, WriteHalf};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};
#[cfg(feature = "mock")]
use tokio_util::sync::CancellationToken;

use super::DialStream;
use crate::Error;

/// Bytes of the length in front of each datagram.
const LENGTH_BYTES: usize = 2;

/// Answer of [`dial_udp`](crate::AgentConn::dial_udp): datagrams to and from one port.
///
/// To the port each socket is a sender of its own. Datagrams may get lost, as with UDP: the agent
/// drops them when nobody listens, and when more than 256 wait in one direction. The agent ends a
/// socket after 5 minutes without a datagram. Dropping both halves closes the connection.
#[derive(Debug)]
pub struct DatagramSocket {
    sender: DatagramSender,
    receiver: DatagramReceiver,
}

/// The half of a [`DatagramSocket`] that sends.
pub struct DatagramSender {
    stream: FramedWrite<WriteHalf<DialStream>, LengthDelimitedCodec>,
}

/// The half of a [`DatagramSocket`] that receives.
pub struct DatagramReceiver {
    stream: FramedRead<ReadHalf<DialStream>, LengthDelimitedCodec>,
}

impl DatagramSocket {
    /// Frames the datagrams on a stream, of which the answer of a mock may have the other end.
    pub fn from_stream(stream: DialStream) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        let codec = LengthDelimitedCodec::builder()
            .length_field_length(LENGTH_BYTES)
            .max_frame_length(MAX_DATAGRAM_BYTES)
            .new_codec();
        let sender = DatagramSender { stream: FramedWrite::new(writer, codec.clone()) };
        let receiver = DatagramReceiver { stream: FramedRead::new(reader, codec) };
        Self { sender, receiver }
    }

    /// The same socket, which this token ends; nothing was sent or received yet.
    #[cfg(feature = "mock")]
    pub(crate) fn until(self, stop: CancellationToken) -> Self {
        let (reader, writer) = (self.receiver.stream.into_inner(), self.sender.stream.into_inner());
        Self::from_stream(reader.unsplit(writer).until(stop))
    }

    /// As [`DatagramSender::send`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn send(&mut self, datagram: Bytes) -> Result<(), Error> {
        self.sender.send(datagram).await
    }

    /// As [`DatagramReceiver::recv`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn recv(&mut self) -> Result<Option<BytesMut>, Error> {
        self.receiver.recv().await
    }

    /// Both halves, for two tasks.
    pub fn into_split(self) -> (DatagramSender, DatagramReceiver) {
        (self.sender, self.receiver)
    }
}

impl DatagramSender {
    /// Sends a datagram of at most 65,507 bytes, or an empty one.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for a longer one, [`Error::Closed`] when the socket has ended.
    ///
    /// # Cancellation
    ///
    /// A datagram whose future is dropped is sent as a whole with the next one, or not at all.
    pub async fn send(&mut self, datagram: Bytes) -> Result<(), Error> {
        if datagram.len() > MAX_DATAGRAM_BYTES {
            let detail = format!("a datagram has at most {MAX_DATAGRAM_BYTES} bytes");
            return Err(Error::invalid(detail));
        }
        self.stream.send(datagram).await.map_err(lost)
    }
}

impl DatagramReceiver {
    /// Waits for the next datagram; `None` when the agent has ended the socket.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the connection was lost, also inside a datagram, and when a length was
    /// no datagram's.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn recv(&mut self) -> Result<Option<BytesMut>, Error> {
        self.stream.next().await.transpose().map_err(lost)
    }
}

fn lost(error: std::io::Error) -> Error {
    error.downcast::<Error>().unwrap_or_else(|error| Error::closed(agent_api::io_text(&error)))
}

impl fmt::Debug for DatagramSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramSender").finish_non_exhaustive()
    }
}

impl fmt::Debug for DatagramReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramReceiver").finish_non_exhaustive()
    }
}
