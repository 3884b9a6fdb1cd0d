//! When a request is sent again, counted by the peer that got it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use agent_sdk::{
    AgentClient, AgentConn, ByteStream, Config, Error,
    api::{MakeDirectoryRequest, WriteFileRequest},
};

use crate::peer::{Flag, Peer, ok_json};

const ANSWER: &str = r#"{"message": "hello", "path": "/a", "created": true}"#;

/// What the peer does with the second request of its first connection.
#[derive(Clone, Copy, PartialEq)]
enum Second {
    /// Closes without a byte.
    Close,
    /// Closes after some bytes of a response.
    CloseAfterBytes,
    /// Closes, and does so on every later connection too.
    CloseForever,
}

/// A peer whose first connection answers once, and the number of requests it got in all.
async fn failing(second: Second) -> (Peer, Arc<AtomicUsize>) {
    let requests = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&requests);
    let peer = Peer::start(move |nth, mut conn| {
        let count = Arc::clone(&count);
        async move {
            let mut on_this = 0;
            while conn.request().await.is_some() {
                count.fetch_add(1, Ordering::SeqCst);
                on_this += 1;
                match second {
                    _ if (nth, on_this) == (0, 1) => {}
                    Second::Close if nth == 0 => return,
                    Second::CloseForever => return,
                    Second::CloseAfterBytes if nth == 0 => {
                        conn.send("HTTP/1.1 200 O").await;
                        return;
                    }
                    _ => {}
                }
                conn.send(ok_json(ANSWER)).await;
            }
        }
    })
    .await;
    (peer, requests)
}

fn make() -> MakeDirectoryRequest {
    MakeDirectoryRequest { path: "/a".into(), mode: None }
}

#[tokio::test]
async fn a_get_is_sent_once_more_when_a_kept_connection_gave_no_byte() {
    let (peer, requests) = failing(Second::Close).await;
    let client = peer.client();
    client.get_greeting().await.unwrap();
    client.get_greeting().await.unwrap();
    assert_eq!(requests.load(Ordering::SeqCst), 3);
    assert_eq!(peer.accepted(), 2);
}

#[tokio::test]
async fn a_get_is_sent_at_most_twice() {
    let (peer, requests) = failing(Second::CloseForever).await;
    let client = peer.client();
    client.get_greeting().await.unwrap();
    let error = client.get_greeting().await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error:?}");
    assert!(!error.is_retryable());
    assert_eq!(requests.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_get_on_a_new_connection_is_sent_once() {
    let (peer, requests) = failing(Second::CloseForever).await;
    peer.client().get_greeting().await.unwrap();
    let error = peer.client().get_greeting().await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error:?}");
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_get_is_not_sent_again_after_a_byte_of_a_response() {
    let (peer, requests) = failing(Second::CloseAfterBytes).await;
    let client = peer.client();
    client.get_greeting().await.unwrap();
    let error = client.get_greeting().await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error:?}");
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_post_is_never_sent_again() {
    let (peer, requests) = failing(Second::Close).await;
    let client = peer.client();
    client.get_greeting().await.unwrap();
    let error = client.make_directory(make()).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error:?}");
    assert_eq!(requests.load(Ordering::SeqCst), 2);

    let (peer, requests) = failing(Second::Close).await;
    let client = peer.client();
    client.get_greeting().await.unwrap();
    let write = WriteFileRequest { path: "/a".into(), ..Default::default() };
    let error = client.write_file(write, ByteStream::from("content")).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error:?}");
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_kept_connection_that_the_peer_closed_is_not_used() {
    let closed = Flag::new();
    let raise = closed.clone();
    let peer = Peer::start(move |nth, mut conn| {
        let raise = raise.clone();
        async move {
            while conn.request().await.is_some() {
                conn.send(ok_json(ANSWER)).await;
                if nth == 0 {
                    drop(conn);
                    return raise.raise();
                }
            }
        }
    })
    .await;
    let client = peer.client();
    client.get_greeting().await.unwrap();
    closed.raised().await;
    // The first call may still be dispatched to the closed connection; none is lost.
    client.get_greeting().await.unwrap();
    client.make_directory(make()).await.unwrap();
    assert_eq!(peer.accepted(), 2);
}

#[tokio::test]
async fn calls_one_after_another_share_a_connection_and_calls_at_once_do_not() {
    let (peer, mut requests) = Peer::recording(ANSWER).await;
    let client = peer.client();
    for _ in 0..3 {
        client.get_greeting().await.unwrap();
        client.make_directory(make()).await.unwrap();
    }
    assert_eq!(peer.accepted(), 1);
    let (one, two) = tokio::join!(client.get_greeting(), client.get_greeting());
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(peer.accepted(), 2);
    for _ in 0..8 {
        requests.recv().await.unwrap();
    }
}

#[tokio::test]
async fn an_unused_connection_is_closed_after_its_time() {
    let gone = Flag::new();
    let raise = gone.clone();
    let peer = Peer::start(move |_, mut conn| {
        let raise = raise.clone();
        async move {
            while conn.request().await.is_some() {
                conn.send(ok_json(ANSWER)).await;
            }
            raise.raise();
        }
    })
    .await;
    let config = Config { idle_timeout: std::time::Duration::from_millis(30), ..Config::default() };
    let client = AgentClient::connect(peer.target(), config).unwrap();
    client.get_greeting().await.unwrap();
    gone.raised().await;
    client.make_directory(make()).await.unwrap();
    assert_eq!(peer.accepted(), 2);
}

#[tokio::test]
async fn dropping_the_client_closes_what_it_kept() {
    let gone = Flag::new();
    let raise = gone.clone();
    let peer = Peer::start(move |_, mut conn| {
        let raise = raise.clone();
        async move {
            while conn.request().await.is_some() {
                conn.send(ok_json(ANSWER)).await;
            }
            raise.raise();
        }
    })
    .await;
    let client = peer.client();
    client.get_greeting().await.unwrap();
    drop(client);
    gone.raised_at_once().await;
}
