//! Connections that become plain byte streams: what is asked for, what comes first, how each side
//! ends, and what the server's stop does.

use std::{sync::Arc, time::Duration};

use agent_http::{Config, Failure, Listener, Tunnel, TunnelStream};
use axum::{response::Response, routing::get};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::{Notify, mpsc, oneshot},
    time::timeout,
};

use crate::{
    client::Client,
    streams::{PATH, Site},
};

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: tcp\r\n";

/// A server whose one route is a tunnel.
fn site<F, T>(talk: F) -> Site
where
    F: Fn(TunnelStream) -> T + Clone + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let handler =
        move |tunnel: Tunnel| async move { Ok::<Response, Failure>(tunnel.to("tcp")?.on(talk)) };
    Site::new(Config::default(), get(handler))
}

/// Answers what it got when that ends, backwards.
async fn reverse(mut stream: TunnelStream) {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    bytes.reverse();
    stream.write_all(&bytes).await.unwrap();
}

fn head() -> String {
    format!("GET {PATH} HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}\r\n")
}

async fn rest<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut rest = String::new();
    let read = stream.read_to_string(&mut rest);
    timeout(Duration::from_secs(60), read).await.expect("in time").unwrap();
    rest
}

/// Opens a tunnel and checks the answer.
async fn open(site: &Site) -> Client<DuplexStream> {
    let mut client = site.client();
    client.send(head()).await;
    assert!(client.head().await.unwrap().starts_with("HTTP/1.1 101 "));
    client
}

async fn early_bytes_and_half_closes<S: AsyncRead + AsyncWrite + Unpin>(stream: S) {
    let mut client = Client { stream };
    client.send(head() + "early").await;
    let head = client.head().await.unwrap().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("\r\nconnection: upgrade\r\n"), "{head}");
    assert!(head.contains("\r\nupgrade: tcp\r\n"), "{head}");
    client.send(" and late").await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut client.stream).await, "etal dna ylrae");
}

#[tokio::test]
async fn early_bytes_come_first_and_each_direction_ends_by_itself_on_every_transport() {
    let site = site(reverse);
    early_bytes_and_half_closes(site.stream()).await;

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    site.server.listen(Listener::tcp(listener, agent_http::Trust::Granted).unwrap());
    early_bytes_and_half_closes(TcpStream::connect(address).await.unwrap()).await;

    let path = std::env::temp_dir().join(format!("agent-http-tunnel-{}", std::process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    let stream = UnixStream::connect(&path).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let own_uid = stream.peer_cred().unwrap().uid();
    site.server.listen(Listener::unix(listener, own_uid));
    early_bytes_and_half_closes(stream).await;
    site.all_gone().await;
}

#[tokio::test]
async fn the_servers_side_may_end_first() {
    let site = site(async |mut stream: TunnelStream| {
        stream.write_all(b"bye").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes, b"still here");
    });
    let mut client = open(&site).await;
    assert_eq!(rest(&mut client.stream).await, "bye");
    client.send("still here").await;
    drop(client);
    site.all_gone().await;
    assert!(site.server.shutdown(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn only_a_request_for_this_protocol_alone_is_upgraded() {
    let site = site(reverse);
    let cases = [
        ("", "missing upgrade"),
        ("Upgrade: tcp\r\n", "missing upgrade"),
        ("Connection: Upgrade\r\n", "missing upgrade"),
        ("Connection: keep-alive\r\nUpgrade: tcp\r\n", "missing upgrade"),
        ("Connection: Upgrade\r\nUpgrade: udp\r\n", "invalid upgrade"),
        ("Connection: Upgrade\r\nUpgrade: tcp, udp\r\n", "invalid upgrade"),
        ("Connection: Upgrade\r\nUpgrade: tcp/1\r\n", "invalid upgrade"),
        ("Connection: Upgrade\r\nUpgrade:\r\n", "invalid upgrade"),
        ("Connection: Upgrade\r\nUpgrade: tcp\r\nUpgrade: tcp\r\n", "invalid upgrade"),
    ];
    let mut client = site.client();
    for (headers, fragment) in cases {
        let answer = client.get(PATH, headers).await;
        assert_eq!(answer.status(), 400, "{headers:?}");
        assert!(answer.body.contains(fragment), "{headers:?}: {}", answer.body);
    }
    client.send(format!("GET {PATH} HTTP/1.0\r\nHost: localhost\r\n{UPGRADE}\r\n")).await;
    assert!(client.answer().await.unwrap().body.contains("missing upgrade"));
    for headers in ["Connection: keep-alive, UPGRADE\r\nUpgrade: TCP\r\n", UPGRADE] {
        let mut client = site.client();
        assert_eq!(client.get(PATH, headers).await.status(), 101, "{headers:?}");
    }
    site.all_gone().await;
}

#[tokio::test]
async fn a_body_comes_before_the_stream() {
    let site = site(reverse);
    let mut client = site.client();
    let length = "Content-Length: 4\r\n";
    client
        .send(format!("GET {PATH} HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}{length}\r\nbodyearly"))
        .await;
    assert!(client.head().await.unwrap().starts_with("HTTP/1.1 101 "));
    client.stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut client.stream).await, "ylrae");
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_ends_the_handler() {
    struct Dropped(mpsc::UnboundedSender<()>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
        }
    }
    let (sender, mut dropped) = mpsc::unbounded_channel();
    let entered = Arc::new(Notify::new());
    let entering = Arc::clone(&entered);
    let handler = move |_: Tunnel| async move {
        let _dropped = Dropped(sender);
        entering.notify_one();
        std::future::pending::<Response>().await
    };
    let site = Site::new(Config::default(), get(handler));
    let mut client = site.client();
    client.send(head()).await;
    entered.notified().await;
    drop(client);
    timeout(Duration::from_secs(60), dropped.recv()).await.expect("in time").unwrap();
    site.all_gone().await;
}

#[tokio::test]
async fn a_tunnel_is_an_open_request_until_its_end() {
    let site = site(reverse);
    let mut client = open(&site).await;
    site.server.begin_drain();
    let mut drained = Box::pin(site.server.drained());
    assert!(futures_util::poll!(&mut drained).is_pending());
    client.send("ab").await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut client.stream).await, "ba");
    timeout(Duration::from_secs(60), drained).await.expect("in time");
    assert!(site.server.shutdown(Duration::from_secs(10)).await);
    assert_eq!(site.open_now(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_that_goes_on_is_cut_after_the_grace() {
    let site = site(reverse);
    let mut client = open(&site).await;
    client.send("ab").await;
    assert!(!site.server.shutdown(Duration::from_secs(10)).await);
    assert_eq!(rest(&mut client.stream).await, "");
    assert_eq!(site.open_now(), (0, 0));
}

#[tokio::test]
async fn a_stream_that_was_handed_over_is_neither_waited_for_nor_cut() {
    let (sender, receiver) = oneshot::channel();
    let sender = Arc::new(Mutex::new(Some(sender)));
    let handler = move |tunnel: Tunnel| async move {
        let sender = sender.lock().take().unwrap();
        let take = move |stream| assert!(sender.send(stream).is_ok());
        Ok::<Response, Failure>(tunnel.to("tcp")?.hand_over(take))
    };
    let site = Site::new(Config::default(), get(handler));
    let mut client = open(&site).await;
    let mut stream = receiver.await.unwrap();
    assert!(site.server.shutdown(Duration::from_secs(60)).await);
    assert_eq!(site.open_now(), (1, 0), "its connection still counts");
    stream.write_all(b"alive").await.unwrap();
    drop(stream);
    assert_eq!(rest(&mut client.stream).await, "alive");
    site.all_gone().await;
}

#[tokio::test]
async fn a_reset_is_seen_by_either_side_without_reading() {
    let (sender, mut broken) = mpsc::unbounded_channel();
    let site = site(move |mut stream: TunnelStream| {
        let sender = sender.clone();
        async move {
            let (mut reader, mut writer) = stream.split();
            writer.write_all(b"!").await.unwrap();
            reader.broken().await;
            sender.send(()).unwrap();
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    site.server.listen(Listener::tcp(listener, agent_http::Trust::Granted).unwrap());
    let mut client = Client { stream: TcpStream::connect(address).await.unwrap() };
    client.send(head()).await;
    client.head().await.unwrap();
    assert_eq!(client.stream.read_u8().await.unwrap(), b'!');
    client.stream.set_zero_linger().unwrap();
    drop(client);
    timeout(Duration::from_secs(60), broken.recv()).await.expect("in time").unwrap();
}

#[tokio::test]
async fn a_tunnel_can_reset_its_client() {
    let site = site(async |stream: TunnelStream| {
        assert!(stream.peer_addr().is_some() && stream.local_addr().is_some());
        stream.reset();
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    site.server.listen(Listener::tcp(listener, agent_http::Trust::Granted).unwrap());
    let mut client = Client { stream: TcpStream::connect(address).await.unwrap() };
    client.send(head()).await;
    // The reset may overtake what was written before it.
    let mut bytes = Vec::new();
    let ended = timeout(Duration::from_secs(60), client.stream.read_to_end(&mut bytes)).await;
    assert_eq!(ended.unwrap().unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}
