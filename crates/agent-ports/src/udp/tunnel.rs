//! One tunnel of datagrams: two queues between a framed stream and a socket, which drop rather than
//! wait.
//!
//! ```text
//!  stream ── read ──▶ 256 datagrams ── send ──▶ socket
//!     ▲                                            │
//!     └───── write ◀── 256 datagrams ◀── receive ──┘
//! ```

use std::{io, pin::pin, time::Duration};

use agent_api::limits::MAX_DATAGRAM_BYTES;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::UdpSocket,
    sync::mpsc::{Receiver, Sender, channel},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::task_tracker::TaskTrackerToken};

use super::frame;
use crate::{ByteReader, ByteStream, service::Place, stream::prepare};

/// Datagrams that wait in one direction; a further one is dropped.
const QUEUE: usize = 256;
/// What is read at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// Datagrams that are written at once, at most 512 KiB.
const BATCH: usize = 8;
/// Longest time that the client may take to notice the end; closing at once would reset a client
/// that still sends, and it would not read what was sent before.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// A socket for datagrams to a port of the workspace; closed when it is dropped.
#[derive(Debug)]
pub struct UdpTunnel {
    far: UdpSocket,
    idle: Duration,
    stop: CancellationToken,
    _place: Place,
    _running: TaskTrackerToken,
}

/// When the last datagram was seen.
struct Clock {
    last: Mutex<Instant>,
}

impl UdpTunnel {
    pub(super) fn new(
        far: UdpSocket,
        idle: Duration,
        stop: CancellationToken,
        place: Place,
        running: TaskTrackerToken,
    ) -> Self {
        Self { far, idle, stop, _place: place, _running: running }
    }

    /// Carries datagrams both ways until the stream ends or breaks the framing, nothing was
    /// carried for [`Config::datagram_timeout`](crate::Config::datagram_timeout), or the service is
    /// shut down.
    ///
    /// What was read from the stream before its end is sent; what the stream does not take in time
    /// is dropped.
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes both sides.
    pub async fn carry(self, mut near: impl ByteStream) {
        prepare(&near);
        let work = async {
            let (mut reader, mut writer) = near.split();
            exchange(&mut reader, &mut writer, &self.far, self.idle).await;
            let close = async {
                writer.shutdown().await?;
                tokio::io::copy(&mut reader, &mut tokio::io::sink()).await
            };
            // A client that is gone needs no close.
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, close).await;
        };
        self.stop.run_until_cancelled(work).await;
    }
}

async fn exchange(
    reader: &mut impl ByteReader,
    writer: &mut (impl AsyncWrite + Unpin),
    far: &UdpSocket,
    idle: Duration,
) {
    let clock = Clock { last: Mutex::new(Instant::now()) };
    let (up_sender, up) = channel(QUEUE);
    let (down_sender, down) = channel(QUEUE);
    let mut read = pin!(read(reader, up_sender, &clock));
    let mut send = pin!(send(up, far));
    tokio::select! {
        // Ends its queue, and with it the sending, after the last datagram.
        () = &mut read => send.await,
        () = &mut send => {}
        _ = receive(far, down_sender, &clock) => {}
        _ = write(down, writer) => {}
        () = clock.idle_for(idle) => {}
    }
}

/// Reads until the end of the stream, an error, or a length that is none.
async fn read(reader: &mut impl ByteReader, queue: Sender<Bytes>, clock: &Clock) {
    let mut buffer = BytesMut::new();
    loop {
        while let Ok(Some(datagram)) = frame::take(&mut buffer) {
            clock.seen();
            // A full queue drops it.
            let _ = queue.try_send(datagram);
        }
        if frame::take(&mut buffer).is_err() {
            return;
        }
        buffer.reserve(BUFFER_BYTES);
        if !matches!(reader.read_buf(&mut buffer).await, Ok(1..)) {
            return;
        }
    }
}

async fn send(mut queue: Receiver<Bytes>, far: &UdpSocket) {
    while let Some(datagram) = queue.recv().await {
        // A refusal is the answer to an earlier one, and this one was not sent yet. Where nobody
        // listens still, or the system has no room, it is lost, as datagrams are.
        let sent = far.send(&datagram).await;
        if sent.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            let _ = far.send(&datagram).await;
        }
    }
}

async fn receive(far: &UdpSocket, queue: Sender<Bytes>, clock: &Clock) -> io::Error {
    let mut buffer = vec![0; MAX_DATAGRAM_BYTES];
    loop {
        match far.recv(&mut buffer).await {
            Ok(length) => {
                clock.seen();
                // A full queue drops it.
                let _ = queue.try_send(Bytes::copy_from_slice(&buffer[..length]));
            }
            // The answer to one that was sent while nobody listened.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) => return error,
        }
    }
}

async fn write(mut queue: Receiver<Bytes>, writer: &mut (impl AsyncWrite + Unpin)) -> io::Error {
    let mut buffer = BytesMut::new();
    loop {
        let Some(datagram) = queue.recv().await else {
            return io::ErrorKind::BrokenPipe.into();
        };
        frame::put(&datagram, &mut buffer);
        // What waits goes along, so that many small datagrams cost one call of the system.
        let more = std::iter::from_fn(|| queue.try_recv().ok());
        for datagram in more.take(BATCH - 1) {
            frame::put(&datagram, &mut buffer);
        }
        let written = async {
            writer.write_all_buf(&mut buffer).await?;
            writer.flush().await
        };
        if let Err(error) = written.await {
            return error;
        }
    }
}

impl Clock {
    fn seen(&self) {
        *self.last.lock() = Instant::now();
    }

    async fn idle_for(&self, idle: Duration) {
        loop {
            let end = *self.last.lock() + idle;
            if end <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    }
}
