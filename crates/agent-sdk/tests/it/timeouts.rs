//! Times that pass: of the configuration, of a call, and of nothing when none is set.

use std::time::Duration;

use agent_sdk::{AgentClient, AgentConn, Config, Error, PingPath, api::ReadFileRequest};
use tokio::time::{Instant, timeout};

use crate::{
    cancel::Blackhole,
    peer::{Flag, Peer, SOON, UnixPeer, lifecycle},
};

const SHORT: Duration = Duration::from_millis(50);

fn is_timeout<T: std::fmt::Debug>(result: Result<T, Error>, operation: &str) {
    match result {
        Err(Error::Timeout { operation: named, after: SHORT }) => assert_eq!(named, operation),
        other => panic!("{other:?}"),
    }
}

/// A peer that never says a word.
async fn silent() -> Peer {
    Peer::start(|_, mut conn| async move { conn.gone().await }).await
}

#[tokio::test]
async fn dialing_ends_after_the_time_for_connections() {
    let hole = Blackhole::open().await;
    let config = Config { connect_timeout: SHORT, ..Config::default() };
    let client = AgentClient::connect(hole.target(), config).unwrap();
    is_timeout(timeout(SOON, client.get_greeting()).await.unwrap(), "get_greeting");
}

#[tokio::test]
async fn a_silent_agent_ends_a_call_after_the_time_for_requests() {
    let peer = silent().await;
    let config = Config { request_timeout: Some(SHORT), ..Config::default() };
    let client = AgentClient::connect(peer.target(), config).unwrap();
    is_timeout(timeout(SOON, client.get_greeting()).await.unwrap(), "get_greeting");
}

#[tokio::test]
async fn the_time_for_requests_includes_dialing() {
    let hole = Blackhole::open().await;
    let config = Config { request_timeout: Some(SHORT), ..Config::default() };
    let client = AgentClient::connect(hole.target(), config).unwrap();
    is_timeout(timeout(SOON, client.get_greeting()).await.unwrap(), "get_greeting");
}

#[tokio::test]
async fn the_time_for_requests_does_not_limit_a_body() {
    let late = Flag::new();
    let is_late = late.clone();
    let peer = Peer::start(move |_, mut conn| {
        let is_late = is_late.clone();
        async move {
            conn.request().await;
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na").await;
            is_late.raised().await;
            conn.send("bc").await;
        }
    })
    .await;
    let config = Config { request_timeout: Some(SHORT), ..Config::default() };
    let client = AgentClient::connect(peer.target(), config).unwrap();
    let request = ReadFileRequest { path: "/a".into(), ..Default::default() };
    let body = client.read_file(request).await.unwrap().body;
    tokio::time::pause();
    tokio::time::advance(SHORT * 3).await;
    tokio::time::resume();
    late.raise();
    assert_eq!(body.collect(10).await.unwrap(), "abc");
}

#[tokio::test]
async fn a_ping_without_an_answer_ends_after_the_callers_time() {
    let peer = silent().await;
    is_timeout(timeout(SOON, peer.client().ping_within(SHORT)).await.unwrap(), "ping");
    let half_said = Peer::start(|_, mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{").await;
        conn.gone().await;
    })
    .await;
    is_timeout(timeout(SOON, half_said.client().ping_within(SHORT)).await.unwrap(), "ping");
}

#[tokio::test(start_paused = true)]
async fn a_ping_waits_five_seconds_by_default() {
    let peer = silent().await;
    let client = peer.client();
    let begin = Instant::now();
    let error = client.ping().await.unwrap_err();
    assert_eq!(begin.elapsed().as_secs(), 5);
    let expected = Duration::from_secs(5);
    assert!(matches!(error, Error::Timeout { after, .. } if after == expected), "{error:?}");
}

#[tokio::test]
async fn a_pong_says_how_long_it_took_and_how_it_came() {
    let peer = Peer::answering(lifecycle()).await;
    let pong = peer.client().ping().await.unwrap();
    assert_eq!(pong.path, PingPath::Direct { address: peer.address.to_string() });
    assert!(pong.latency > Duration::ZERO && pong.latency < SOON);

    let unix = UnixPeer::start(lifecycle());
    let target = format!("unix:{}", unix.path().display()).parse().unwrap();
    let client = AgentClient::connect(target, Config::default()).unwrap();
    assert_eq!(client.ping().await.unwrap().path, PingPath::Local);
}
