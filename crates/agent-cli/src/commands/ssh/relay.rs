//! The bytes of one stream of this machine and of one channel, carried to each other; not where
//! either leads.

use std::{io, path::Path};

use agent_sdk::ssh::{Channel, ChannelInput, ChannelOutput};
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, split},
    net::{TcpStream, UnixStream},
};

use crate::commands::feed::read_piece;

/// Anything with two directions.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(super) type BoxedStream = Box<dyn Stream>;

/// Connects to a port.
pub(super) async fn tcp(host: &str, port: u16) -> io::Result<BoxedStream> {
    let stream = TcpStream::connect((host, port)).await?;
    // Without this option it is only slower.
    let _ = stream.set_nodelay(true);
    Ok(Box::new(stream))
}

/// Connects to a socket.
pub(super) async fn unix(path: &Path) -> io::Result<BoxedStream> {
    Ok(Box::new(UnixStream::connect(path).await?))
}

/// Carries bytes until both directions have ended, each on its own; `first` goes to the stream
/// before what the channel brings. What breaks one side closes the other.
pub(super) async fn relay(stream: BoxedStream, channel: Channel, first: Bytes) {
    let Channel { mut input, output, requests } = channel;
    // Nothing can be asked of a forwarded stream.
    drop(requests);
    let (mut from, mut to) = split(stream);
    let inward = async {
        to.write_all(&first).await?;
        to.flush().await?;
        take(&mut input, &mut to).await
    };
    let outward = async {
        tokio::select! {
            given = give(&mut from, &output) => given,
            () = output.closed() => Ok(()),
        }
    };
    // An error ends both: what is left of them is dropped, and with it the stream and the channel.
    let _ = tokio::try_join!(inward, outward);
    output.close();
}

async fn take(input: &mut ChannelInput, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    while let Some(data) = input.read().await {
        if data.stream == 0 {
            to.write_all(&data.bytes).await?;
            to.flush().await?;
        }
    }
    to.shutdown().await
}

async fn give(from: &mut (impl AsyncRead + Unpin), output: &ChannelOutput) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        let piece = read_piece(from, &mut buffer).await?;
        // A channel that takes no more has ended, which whoever waits for that hears.
        if piece.is_empty() || output.write(piece).await.is_err() {
            output.eof();
            return Ok(());
        }
    }
}
