//! Dropping a call at each of its stages: its connection is closed at once, and no other.

use std::{net::SocketAddr, time::Duration};

use agent_sdk::{
    AgentClient, AgentConn, ByteStream, Config, Target,
    api::{ReadFileRequest, WriteFileRequest},
};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::{Instant, timeout},
};

use crate::peer::{Flag, Peer, SOON, ok_json};

const AT_ONCE: Duration = Duration::from_millis(100);

/// A listener whose queue is full, so that further SYNs are swallowed.
pub(crate) struct Blackhole {
    address: SocketAddr,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl Blackhole {
    pub(crate) async fn open() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        // A connection on loopback takes microseconds; one that takes this long was swallowed.
        while let Ok(stream) = timeout(AT_ONCE, TcpStream::connect(address)).await {
            queued.push(stream.unwrap());
        }
        Self { address, _listener: listener, _queued: queued }
    }

    pub(crate) fn target(&self) -> Target {
        format!("http://{}", self.address).parse().unwrap()
    }

    /// Waits until this many sockets of the machine have sent a SYN here and got no answer.
    async fn dialed_by(&self, expected: usize, within: Duration) {
        let end = Instant::now() + within;
        while self.dialing() != expected {
            assert!(Instant::now() < end, "{} sockets dial, not {expected}", self.dialing());
            tokio::task::yield_now().await;
        }
    }

    fn dialing(&self) -> usize {
        const SYN_SENT: &str = "02";
        let remote = format!("0100007F:{:04X}", self.address.port());
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let fields = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        fields.filter(|f| f[2] == remote && f[3] == SYN_SENT).count()
    }
}

fn read(path: &str) -> ReadFileRequest {
    ReadFileRequest { path: path.into(), ..Default::default() }
}

fn write() -> WriteFileRequest {
    WriteFileRequest { path: "/a".into(), ..Default::default() }
}

#[tokio::test]
async fn dropping_a_call_while_it_dials_closes_the_socket() {
    let hole = Blackhole::open().await;
    hole.dialed_by(0, SOON).await;
    let client = AgentClient::connect(hole.target(), Config::default()).unwrap();
    let mut call = Box::pin(client.read_file(read("/a")));
    let dialed = async {
        tokio::select! {
            _ = &mut call => unreachable!("nobody answers"),
            () = hole.dialed_by(1, SOON) => {}
        }
    };
    dialed.await;
    drop(call);
    hole.dialed_by(0, AT_ONCE).await;
}

#[tokio::test]
async fn dropping_the_wait_for_an_agent_closes_the_socket() {
    let hole = Blackhole::open().await;
    let client = AgentClient::connect(hole.target(), Config::default()).unwrap();
    let mut wait = client.await_reachable(SOON);
    tokio::select! {
        _ = &mut wait => unreachable!("nobody answers"),
        () = hole.dialed_by(1, SOON) => {}
    }
    drop(wait);
    hole.dialed_by(0, AT_ONCE).await;
}

/// A peer whose connections do not answer `/a`, and say when they got it and when they are gone.
async fn deaf_to_a() -> (Peer, Flag, Flag) {
    let (reached, gone) = (Flag::new(), Flag::new());
    let flags = (reached.clone(), gone.clone());
    let peer = Peer::start(move |_, mut conn| {
        let (reached, gone) = flags.clone();
        async move {
            while let Some(request) = conn.head().await {
                if request.line.contains("%2Fa") {
                    reached.raise();
                    conn.gone().await;
                    return gone.raise();
                }
                conn.send(ok_json(r#"{"message": "hello"}"#)).await;
            }
        }
    })
    .await;
    (peer, reached, gone)
}

#[tokio::test]
async fn dropping_a_call_that_waits_closes_its_connection_and_no_other() {
    let (peer, reached, gone) = deaf_to_a().await;
    let client = peer.client();
    client.get_greeting().await.unwrap();
    // Takes the kept connection, so that the next greeting makes one of its own.
    let mut call = client.read_file(read("/a"));
    tokio::select! {
        _ = &mut call => unreachable!("nobody answers"),
        () = reached.raised() => {}
    }
    client.get_greeting().await.unwrap();
    assert!(!gone.is_raised());
    drop(call);
    gone.raised_at_once().await;
    client.get_greeting().await.unwrap();
    assert_eq!(peer.accepted(), 2, "the other connection stays");
}

#[tokio::test]
async fn dropping_an_upload_that_the_peer_does_not_take_closes_its_connection() {
    let (stopped, drop_seen) = (Flag::new(), Flag::new());
    let flags = (stopped.clone(), drop_seen.clone());
    let peer = Peer::start(move |_, mut conn| {
        let (stopped, drop_seen) = flags.clone();
        async move {
            conn.head().await.unwrap();
            stopped.raised().await;
            conn.gone().await;
            drop_seen.raise();
        }
    })
    .await;
    let client = peer.client();
    let pulled = Flag::new();
    let pull = pulled.clone();
    let chunk = Bytes::from(vec![0; 64 * 1024]);
    // Gives chunks until nobody asks for more: the connection's buffers are full then.
    let body = ByteStream::from_stream(futures_util::stream::repeat_with(move || {
        pull.raise();
        Ok(chunk.clone())
    }));
    let mut call = client.write_file(write(), body);
    tokio::select! {
        _ = &mut call => unreachable!("nobody answers"),
        () = pulled.raised() => {}
    }
    drop(call);
    stopped.raise();
    drop_seen.raised_at_once().await;
}

#[tokio::test]
async fn dropping_a_download_closes_its_connection() {
    let gone = Flag::new();
    let raise = gone.clone();
    let peer = Peer::start(move |_, mut conn| {
        let raise = raise.clone();
        async move {
            conn.head().await.unwrap();
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nabc").await;
            conn.gone().await;
            raise.raise();
        }
    })
    .await;
    let client = peer.client();
    let mut body = client.read_file(read("/a")).await.unwrap().body;
    assert_eq!(body.next().await.unwrap().unwrap(), "abc");
    drop(body);
    gone.raised_at_once().await;
}

#[tokio::test]
async fn a_download_outlives_its_client() {
    let finish = Flag::new();
    let may_finish = finish.clone();
    let peer = Peer::start(move |_, mut conn| {
        let may_finish = may_finish.clone();
        async move {
            conn.head().await.unwrap();
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc").await;
            may_finish.raised().await;
            conn.send("def").await;
        }
    })
    .await;
    let client = peer.client();
    let mut body = client.read_file(read("/a")).await.unwrap().body;
    drop(client);
    assert_eq!(body.next().await.unwrap().unwrap(), "abc");
    assert!(body.next().now_or_never().is_none());
    finish.raise();
    assert_eq!(body.next().await.unwrap().unwrap(), "def");
    assert!(body.next().await.is_none());
}
