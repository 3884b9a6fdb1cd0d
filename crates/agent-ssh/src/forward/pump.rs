//! Carries the bytes of one socket and one channel to each other.
//!
//! Nothing is stored but one read's worth: a side that does not take its bytes stops the other.

use agent_ssh_protocol::{Channel, ChannelInput, ChannelOutput};
use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream, tcp, unix},
    select,
};
use tokio_util::sync::CancellationToken;

/// Most bytes that one read takes.
const READ_BYTES: usize = 64 * 1024;
/// Room below which a new buffer is made.
const MIN_READ_BYTES: usize = 8 * 1024;

/// A connected socket, both of whose directions close on their own.
pub(crate) trait Socket: Send + 'static {
    type Read: AsyncRead + Unpin + Send;
    type Write: AsyncWrite + Unpin + Send;

    fn halves(self) -> (Self::Read, Self::Write);
}

impl Socket for TcpStream {
    type Read = tcp::OwnedReadHalf;
    type Write = tcp::OwnedWriteHalf;

    fn halves(self) -> (Self::Read, Self::Write) {
        // Without it every key press would wait for an earlier one's receipt.
        let _ = self.set_nodelay(true);
        self.into_split()
    }
}

impl Socket for UnixStream {
    type Read = unix::OwnedReadHalf;
    type Write = unix::OwnedWriteHalf;

    fn halves(self) -> (Self::Read, Self::Write) {
        self.into_split()
    }
}

/// Runs until socket and channel are both closed, by whichever side.
///
/// The end of one direction is carried over and leaves the other open. A socket that fails closes
/// its channel, and a channel that is closed its socket, once it has what came before.
pub(super) async fn pump<S: Socket>(socket: S, channel: Channel) {
    let Channel { input, output, requests } = channel;
    // Nothing can be asked of a forwarded stream.
    drop(requests);
    let (mut from, mut to) = socket.halves();
    let broken = CancellationToken::new();
    let inward = async {
        let _ = broken.run_until_cancelled(write_all(input, &mut to)).await;
        drop(to);
    };
    let outward = async {
        select! {
            read = read_all(&mut from, &output) => match read {
                Ok(()) => output.eof(),
                Err(_) => broken.cancel(),
            },
            () = output.closed() => {}
        }
        drop(from);
    };
    tokio::join!(inward, outward);
    output.close();
    output.closed().await;
}

/// Writes what comes from the channel, and then its end.
async fn write_all(
    mut input: ChannelInput,
    to: &mut (impl AsyncWrite + Unpin),
) -> std::io::Result<()> {
    while let Some(data) = input.read().await {
        if data.stream == 0 {
            to.write_all(&data.bytes).await?;
        }
    }
    to.shutdown().await
}

/// Reads until the socket's end; a channel that takes no more ends it as well.
async fn read_all(
    from: &mut (impl AsyncRead + Unpin),
    output: &ChannelOutput,
) -> std::io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        if buffer.capacity() < MIN_READ_BYTES {
            buffer.reserve(READ_BYTES);
        }
        if from.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        if output.write(buffer.split().freeze()).await.is_err() {
            return Ok(());
        }
    }
}
