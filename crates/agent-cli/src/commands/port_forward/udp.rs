//! One UDP port: each sender at this end is a sender of its own in the workspace; not which port.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use agent_sdk::{AgentConn, DatagramSocket, Error as SdkError};
use bytes::{Bytes, BytesMut};
use futures_util::future::select_all;
use tokio::{
    net::UdpSocket,
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::complaints::Complaints;

/// A sender that is silent for this long is forgotten.
const IDLE: Duration = Duration::from_secs(60);
/// Most senders of a port.
const MAX_SENDERS: usize = 256;
/// Datagrams of a sender that wait; a new one is dropped then, as a network would.
const QUEUED: usize = 256;
/// More than the largest datagram has.
const BUFFER: usize = 64 * 1024;
/// Pause after datagrams could not be received, for which only the system's want of memory is a
/// reason: the next attempt would fail at once, and the socket stays ready meanwhile.
const RECEIVE_PAUSE: Duration = Duration::from_millis(100);

/// A sender at this end. Its session ends with this value, whatever it waits for.
struct Sender {
    datagrams: mpsc::Sender<Bytes>,
    last: Arc<Clock>,
    _session: DropGuard,
}

/// When a datagram of a sender, or for it, came last.
struct Clock(Mutex<Instant>);

impl Clock {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Instant::now())))
    }

    fn tick(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn get(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forwards datagrams until it is dropped.
pub(super) async fn forward(
    sockets: Vec<UdpSocket>,
    remote: u16,
    conn: Arc<dyn AgentConn>,
    complaints: Complaints,
) {
    let sockets: Vec<_> = sockets.into_iter().map(Arc::new).collect();
    let complaints = Arc::new(complaints);
    let mut senders = HashMap::new();
    let mut sessions = JoinSet::new();
    let mut buffer = BytesMut::zeroed(BUFFER);
    loop {
        let (at, from, length) = tokio::select! {
            received = receive(&sockets, &mut buffer) => match received {
                Ok(received) => received,
                Err(error) => {
                    complaints.say(format_args!("cannot receive datagrams: {error}"));
                    tokio::time::sleep(RECEIVE_PAUSE).await;
                    continue;
                }
            },
            Some(_) = sessions.join_next(), if !sessions.is_empty() => continue,
        };
        let datagram = Bytes::copy_from_slice(&buffer[..length]);
        let Some(datagram) = offer(&senders, (at, from), datagram) else { continue };
        make_room(&mut senders);
        let (tx, datagrams) = mpsc::channel(QUEUED);
        let _ = tx.try_send(datagram);
        let last = Clock::new();
        let (forgotten, socket) = (CancellationToken::new(), Arc::clone(&sockets[at]));
        let _session = forgotten.clone().drop_guard();
        senders.insert((at, from), Sender { datagrams: tx, last: Arc::clone(&last), _session });
        let session = Session { socket, from, datagrams, last, forgotten };
        let (conn, complaints) = (Arc::clone(&conn), Arc::clone(&complaints));
        sessions.spawn(async move {
            if let Err(error) = session.run(remote, &*conn).await {
                complaints.say(error);
            }
        });
    }
}

/// The next datagram of any socket: which one, from where, how long.
async fn receive(
    sockets: &[Arc<UdpSocket>],
    buffer: &mut [u8],
) -> io::Result<(usize, SocketAddr, usize)> {
    loop {
        let (ready, at, _) = select_all(sockets.iter().map(|s| Box::pin(s.readable()))).await;
        ready?;
        match sockets[at].try_recv_from(buffer) {
            Ok((length, from)) => return Ok((at, from, length)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Gives a datagram to the session of its sender; gives it back when there is none.
fn offer(
    senders: &HashMap<(usize, SocketAddr), Sender>,
    key: (usize, SocketAddr),
    datagram: Bytes,
) -> Option<Bytes> {
    let Some(sender) = senders.get(&key) else { return Some(datagram) };
    match sender.datagrams.try_send(datagram) {
        Ok(()) => sender.last.tick(),
        Err(mpsc::error::TrySendError::Full(_)) => {}
        Err(mpsc::error::TrySendError::Closed(datagram)) => return Some(datagram),
    }
    None
}

/// Forgets those that ended, and if that is not enough the one that was silent longest.
fn make_room(senders: &mut HashMap<(usize, SocketAddr), Sender>) {
    if senders.len() < MAX_SENDERS {
        return;
    }
    senders.retain(|_, sender| !sender.datagrams.is_closed());
    if senders.len() >= MAX_SENDERS {
        let oldest = senders.iter().min_by_key(|(_, sender)| sender.last.get());
        let oldest = oldest.map(|(key, _)| *key);
        oldest.and_then(|key| senders.remove(&key));
    }
}

/// The datagrams of one sender, both ways.
struct Session {
    socket: Arc<UdpSocket>,
    from: SocketAddr,
    datagrams: mpsc::Receiver<Bytes>,
    last: Arc<Clock>,
    forgotten: CancellationToken,
}

impl Session {
    /// Runs until the sender is silent, is forgotten, or the agent ends it.
    async fn run(self, remote: u16, conn: &dyn AgentConn) -> Result<(), SdkError> {
        let (last, forgotten) = (Arc::clone(&self.last), self.forgotten.clone());
        tokio::select! {
            ended = self.carry(remote, conn) => ended,
            () = silence(&last) => Ok(()),
            () = forgotten.cancelled() => Ok(()),
        }
    }

    async fn carry(mut self, remote: u16, conn: &dyn AgentConn) -> Result<(), SdkError> {
        let far: DatagramSocket = conn.dial_udp(remote).await?;
        let (mut to, mut from) = far.into_split();
        let there = async {
            while let Some(datagram) = self.datagrams.recv().await {
                to.send(datagram).await?;
            }
            Ok(())
        };
        let back = async {
            while let Some(datagram) = from.recv().await? {
                self.last.tick();
                // One that cannot be delivered is lost, as datagrams may be.
                let _ = self.socket.send_to(&datagram, self.from).await;
            }
            Ok(())
        };
        tokio::select! {
            ended = there => ended,
            ended = back => ended,
        }
    }
}

async fn silence(last: &Clock) {
    loop {
        let end = last.get() + IDLE;
        if end <= Instant::now() {
            return;
        }
        sleep_until(end).await;
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::poll;
    use tokio::time::timeout;

    use super::*;
    use crate::commands::tests::silent_agent;

    fn address(port: usize) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap()))
    }

    #[tokio::test(start_paused = true)]
    async fn the_sender_that_was_silent_longest_makes_room() {
        let (mut senders, mut inboxes) = (HashMap::new(), Vec::new());
        for port in 0..MAX_SENDERS {
            let (datagrams, inbox) = mpsc::channel(1);
            inboxes.push(inbox);
            let _session = CancellationToken::new().drop_guard();
            let sender = Sender { datagrams, last: Clock::new(), _session };
            senders.insert((0, address(port)), sender);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(offer(&senders, (0, address(0)), Bytes::new()).is_none());
        make_room(&mut senders);
        assert_eq!(senders.len(), MAX_SENDERS - 1);
        assert!(senders.contains_key(&(0, address(0))) && !senders.contains_key(&(0, address(1))));
        assert!(inboxes[1].is_closed(), "its session hears of it");
        inboxes.truncate(10);
        assert!(offer(&senders, (0, address(20)), Bytes::new()).is_some(), "it has ended");
        make_room(&mut senders);
        assert_eq!(senders.len(), MAX_SENDERS - 1, "there is room");
    }

    /// A session, and its sender, that has sent a datagram.
    async fn session() -> (Session, Sender) {
        let (last, forgotten) = (Clock::new(), CancellationToken::new());
        let (tx, datagrams) = mpsc::channel(1);
        tx.try_send(Bytes::from_static(&[0])).unwrap();
        let _session = forgotten.clone().drop_guard();
        let sender = Sender { datagrams: tx, last: Arc::clone(&last), _session };
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        (Session { socket, from: address(9), datagrams, last, forgotten }, sender)
    }

    #[tokio::test]
    async fn a_session_does_not_wait_for_an_agent_that_never_answers() {
        let (agent, _listener, _dir) = silent_agent();
        let (forgotten, sender) = session().await;
        let mut run = pin!(forgotten.run(9, &agent));
        assert!(poll!(run.as_mut()).is_pending());
        drop(sender);
        timeout(Duration::from_secs(20), run).await.unwrap().unwrap();
        let (silent, _sender) = session().await;
        tokio::time::pause();
        let begin = Instant::now();
        silent.run(9, &agent).await.unwrap();
        assert!(begin.elapsed() <= IDLE + Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_a_minute_without_a_datagram() {
        let last = Clock::new();
        let mut silent = pin!(silence(&last));
        assert!(poll!(silent.as_mut()).is_pending());
        tokio::time::advance(Duration::from_secs(59)).await;
        last.tick();
        let begin = Instant::now();
        silent.await;
        assert_eq!(begin.elapsed(), IDLE);
    }
}
