//! The end of a server: open requests finish, late ones are told, hung ones are cut.

use std::{sync::Arc, time::Duration};

use agent_http::{Access, Config};

use crate::client::Fixture;

const WAIT: &str = "GET /api/v0/resolve-path HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn an_open_request_finishes_and_a_late_one_is_told() {
    let fixture = Fixture::new();
    let (mut busy, mut late) = (fixture.client(), fixture.client());
    assert_eq!(late.get("/", "").await.status(), 200);
    busy.send(WAIT).await;
    fixture.gate.entered.acquire().await.unwrap().forget();

    fixture.server.begin_drain();
    let answer = late.get("/healthz", "").await;
    assert_eq!((answer.status(), answer.header("connection")), (503, Some("close")));
    assert!(late.answer().await.is_none(), "the late connection is closed");

    fixture.gate.go_on.add_permits(1);
    let answer = busy.answer().await.unwrap();
    assert_eq!((answer.status(), answer.body.as_str()), (200, "done"));
    assert_eq!(answer.header("connection"), Some("close"));
    fixture.server.drained().await;
    assert!(fixture.server.shutdown(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn a_listener_closes_when_the_drain_begins() {
    let fixture = Fixture::new();
    let client = fixture.tcp().await;
    let address = client.stream.peer_addr().unwrap();
    fixture.server.begin_drain();
    let closed = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), closed).await.expect("the port is free again");
}

#[tokio::test(start_paused = true)]
async fn a_hung_request_is_cut_after_the_grace() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    client.send(WAIT).await;
    fixture.gate.entered.acquire().await.unwrap().forget();
    assert!(!fixture.server.shutdown(Duration::from_secs(10)).await);
    assert!(client.answer().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_hung_request_over_http2_is_cut_and_none_of_it_is_left() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    let handlers = || Arc::strong_count(&fixture.gate.go_on);
    let before = handlers();
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    client.send([0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
    // GET over http from the static table (RFC 7541 appendix A), then path and authority in full.
    let (path, host) = ("/api/v0/resolve-path", "localhost");
    let mut block = vec![0x82, 0x86, 0x04, 20];
    block.extend(path.bytes().chain([0x01, 9]).chain(host.bytes()));
    // HEADERS on stream 1 that end both the head and the stream (RFC 9113 section 6.2).
    let length = u8::try_from(block.len()).unwrap();
    client.send([0, 0, length, 1, 0x05, 0, 0, 0, 1]).await;
    client.send(block).await;
    fixture.gate.entered.acquire().await.unwrap().forget();
    assert!(handlers() > before);
    assert!(!fixture.server.shutdown(Duration::from_secs(10)).await);
    assert_eq!(handlers(), before);
}

#[tokio::test]
async fn idle_connections_close_at_once_at_the_end() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    assert_eq!(client.get("/", "").await.status(), 200);
    fixture.server.drained().await;
    assert!(fixture.server.shutdown(Duration::from_secs(60)).await);
    assert!(client.answer().await.is_none());
}

#[tokio::test]
async fn dropping_the_last_handle_cuts_its_connections() {
    let fixture = Fixture::with(Config::default(), Access::default());
    let mut client = fixture.client();
    assert_eq!(client.get("/", "").await.status(), 200);
    drop(fixture);
    assert!(client.answer().await.is_none());
}
