//! Waiting for an agent that is not there yet, or that will never let this caller in.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use agent_sdk::{AgentClient, AgentConn, Config, Error, api::ErrorCode};
use tokio::time::timeout;

use crate::peer::{Peer, SOON, UnixPeer, lifecycle, response};

#[tokio::test]
async fn waiting_ends_when_the_agent_answers() {
    let peer = UnixPeer::start(lifecycle());
    let later = peer.path().with_file_name("later.sock");
    let target = format!("unix:{}", later.display()).parse().unwrap();
    let client = AgentClient::connect(target, Config::default()).unwrap();
    let wait = client.await_reachable(SOON);
    tokio::pin!(wait);
    // Some pings fail before the socket appears.
    assert!(timeout(Duration::from_millis(120), &mut wait).await.is_err());
    std::fs::rename(peer.path(), &later).unwrap();
    wait.await.unwrap();
}

#[tokio::test]
async fn an_agent_that_is_busy_is_asked_again() {
    let count = Arc::<AtomicUsize>::default();
    let asked = Arc::clone(&count);
    let peer = Peer::start(move |_, mut conn| {
        let asked = Arc::clone(&asked);
        async move {
            while conn.request().await.is_some() {
                let answer = match asked.fetch_add(1, Ordering::SeqCst) {
                    0 => response("503 Service Unavailable", "", "starting"),
                    1 => response("404 Not Found", "", "another program"),
                    2 => b"nonsense\r\n\r\n".to_vec(),
                    _ => lifecycle(),
                };
                conn.send(answer).await;
            }
        }
    })
    .await;
    timeout(SOON, peer.client().await_reachable(SOON)).await.unwrap().unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn waiting_ends_at_once_when_it_cannot_help() {
    for (status, code) in [
        ("401 Unauthorized", ErrorCode::Unauthenticated),
        ("403 Forbidden", ErrorCode::PermissionDenied),
    ] {
        let peer = Peer::answering(response(status, "", "")).await;
        let error = timeout(SOON, peer.client().await_reachable(Duration::MAX)).await.unwrap();
        assert_eq!(error.unwrap_err().code(), code);
        assert_eq!(peer.accepted(), 1);
    }
}

#[tokio::test]
async fn waiting_ends_after_the_callers_time() {
    let target = "unix:/nonexistent/agentd.sock".parse().unwrap();
    let client = AgentClient::connect(target, Config::default()).unwrap();
    let time = Duration::from_millis(80);
    let error = timeout(SOON, client.await_reachable(time)).await.unwrap().unwrap_err();
    assert!(
        matches!(error, Error::Timeout { operation: "await_reachable", after } if after == time),
        "{error:?}"
    );
}
