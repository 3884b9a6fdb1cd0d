//! The end of a server: open requests finish, late ones are told, hung ones are cut.

use std::time::Duration;

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
