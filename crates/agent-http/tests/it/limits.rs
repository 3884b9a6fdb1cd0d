//! Limits of time, size and number, each with what happens beyond it.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicIsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use agent_http::{Access, Config, Observer, Peer, Server};
use tokio::io::AsyncReadExt;

use crate::client::Fixture;

/// Whether the server closed its side.
async fn is_closed(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> bool {
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(3600), stream.read_to_end(&mut rest)).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_lives_a_minute_and_not_forever() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    assert_eq!(client.get("/", "").await.status(), 200);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(client.get("/", "").await.status(), 200);
    let idle_since = tokio::time::Instant::now();
    assert!(is_closed(&mut client.stream).await);
    let idle = idle_since.elapsed();
    assert!((Duration::from_secs(60)..Duration::from_secs(120)).contains(&idle), "{idle:?}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_follows_its_answer_is_no_head() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    client.send("POST /api/v0/write-file HTTP/1.1\r\nHost: localhost\r\n").await;
    client.send("Content-Length: 10\r\n\r\n").await;
    assert_eq!(client.answer().await.unwrap().status(), 409);
    client.send("0123456789").await;
    let idle_since = tokio::time::Instant::now();
    assert!(is_closed(&mut client.stream).await);
    let idle = idle_since.elapsed();
    assert!((Duration::from_secs(60)..Duration::from_secs(120)).contains(&idle), "{idle:?}");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_is_cut() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    let started = tokio::time::Instant::now();
    client.send("GET / HTTP/1.1\r\nHost: ").await;
    assert!(is_closed(&mut client.stream).await);
    let waited = started.elapsed();
    assert!((Duration::from_secs(30)..Duration::from_secs(45)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_at_work_is_never_idle() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    client.send("GET /api/v0/resolve-path HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    fixture.gate.entered.acquire().await.unwrap().forget();
    tokio::time::advance(Duration::from_secs(600)).await;
    fixture.gate.go_on.add_permits(1);
    assert_eq!(client.answer().await.unwrap().body, "done");
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\n").await;
    let header = format!("X-Filler: {}\r\n", "x".repeat(8000));
    let mut sent = 0;
    while sent < 80_000 {
        if tokio::io::AsyncWriteExt::write_all(&mut client.stream, header.as_bytes()).await.is_err()
        {
            return;
        }
        sent += header.len();
    }
    let answer = client.answer().await;
    assert!(answer.is_none_or(|answer| (400..500).contains(&answer.status())));
}

#[tokio::test]
async fn requests_beyond_the_limit_wait_and_health_does_not() {
    let config = Config { max_requests: 1, ..Config::default() };
    let fixture = Fixture::with(config, Access::default());
    let (mut first, mut second, mut third) = (fixture.client(), fixture.client(), fixture.client());
    let request = "GET /api/v0/resolve-path HTTP/1.1\r\nHost: localhost\r\n\r\n";
    first.send(request).await;
    fixture.gate.entered.acquire().await.unwrap().forget();
    second.send(request).await;
    assert_eq!(third.get("/healthz", "").await.status(), 200);
    assert_eq!(fixture.gate.entered.available_permits(), 0);
    fixture.gate.go_on.add_permits(2);
    assert_eq!(first.answer().await.unwrap().body, "done");
    assert_eq!(second.answer().await.unwrap().body, "done");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_in_the_queue() {
    let config = Config { max_connections: 1, ..Config::default() };
    let fixture = Fixture::with(config, Access::default());
    let mut first = fixture.tcp().await;
    assert_eq!(first.get("/", "").await.status(), 200);
    let address = first.stream.peer_addr().unwrap();
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut second = crate::client::Client { stream };
    second.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let waits = tokio::time::timeout(Duration::from_millis(50), second.stream.readable()).await;
    assert!(waits.is_err(), "the second connection is served beside the first");
    drop(first);
    assert_eq!(second.answer().await.unwrap().status(), 200);
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_spoken_on_the_same_stream() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    // An empty SETTINGS frame (RFC 9113 section 6.5).
    client.send([0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
    let mut frame = [0; 9];
    client.stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4, "the server answers with its settings");
}

#[derive(Default)]
struct Open(AtomicIsize);

impl Observer for Open {
    fn request(&self, _: &'static str, _: u16, _: Duration) {}

    fn connection_opened(&self, _: &'static str) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn connection_closed(&self, _: &'static str) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }

    fn stream_opened(&self, _: &'static str) {}

    fn stream_closed(&self, _: &'static str) {}
}

#[tokio::test]
async fn a_connection_that_a_defect_ends_is_no_longer_counted() {
    let open = Arc::new(Open::default());
    let defect = || async {
        let parts =
            futures_util::stream::poll_fn(|_| -> Poll<Option<Result<Vec<u8>, io::Error>>> {
                panic!("a defect in a body")
            });
        axum::body::Body::from_stream(parts)
    };
    let router = axum::Router::new().route("/", axum::routing::get(defect));
    let observer = Arc::clone(&open);
    let server = Server::new(router, Access::default(), Config::default(), observer);
    let (near, far) = tokio::io::duplex(1024);
    server.connect(far, Peer::in_process());
    let mut client = crate::client::Client { stream: near };
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(is_closed(&mut client.stream).await);
    server.shutdown(Duration::from_secs(10)).await;
    assert_eq!(open.0.load(Ordering::SeqCst), 0);
}
