//! `close`: what it ends, and that nothing begins after it.

use std::time::Duration;

use agent_sdk::{
    AgentConn, ByteStream, Error,
    api::{ReadFileRequest, WriteFileRequest},
};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::peer::{Flag, Peer, SOON};

fn is_closed<T: std::fmt::Debug>(result: Result<T, Error>) {
    match result {
        Err(Error::Closed { code: None, .. }) => {}
        other => panic!("{other:?}"),
    }
}

/// A peer that says `reached` at each request, then sends `start` and no more.
async fn stalling(start: &'static str) -> (Peer, Flag, Flag) {
    let (reached, gone) = (Flag::new(), Flag::new());
    let flags = (reached.clone(), gone.clone());
    let peer = Peer::start(move |_, mut conn| {
        let (reached, gone) = flags.clone();
        async move {
            conn.head().await.unwrap();
            conn.send(start).await;
            reached.raise();
            conn.gone().await;
            gone.raise();
        }
    })
    .await;
    (peer, reached, gone)
}

#[tokio::test]
async fn a_pending_call_ends_with_closed() {
    let (peer, reached, gone) = stalling("").await;
    let client = peer.client();
    let call = client.get_greeting();
    let close = async {
        reached.raised().await;
        client.close();
        client.close();
    };
    let (result, ()) = timeout(SOON, async { tokio::join!(call, close) }).await.unwrap();
    is_closed(result);
    gone.raised_at_once().await;
    is_closed(client.get_greeting().await);
    is_closed(client.check_health().await);
    assert_eq!(peer.accepted(), 1, "nothing begins after close");
}

#[tokio::test]
async fn a_pending_upload_ends_with_closed() {
    let (peer, reached, gone) = stalling("").await;
    let client = peer.client();
    let request = WriteFileRequest { path: "/a".into(), ..Default::default() };
    let endless = ByteStream::from_stream(futures_util::stream::pending());
    let call = client.write_file(request, endless);
    let close = async {
        reached.raised().await;
        client.close();
    };
    let (result, ()) = timeout(SOON, async { tokio::join!(call, close) }).await.unwrap();
    is_closed(result);
    gone.raised_at_once().await;
}

#[tokio::test]
async fn a_stream_ends_with_closed_and_then_gives_nothing() {
    let (peer, _, gone) = stalling("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await;
    let client = peer.client();
    let request = ReadFileRequest { path: "/a".into(), ..Default::default() };
    let mut body = client.read_file(request).await.unwrap().body;
    assert_eq!(body.next().await.unwrap().unwrap(), "abc");
    let close = async { client.close() };
    let (next, ()) = timeout(SOON, async { tokio::join!(body.next(), close) }).await.unwrap();
    is_closed(next.unwrap());
    assert!(body.next().await.is_none());
    gone.raised_at_once().await;
}

#[tokio::test]
async fn waiting_for_an_agent_ends_with_closed() {
    let client = agent_sdk::AgentClient::connect(
        "unix:/nonexistent/agentd.sock".parse().unwrap(),
        Default::default(),
    )
    .unwrap();
    let wait = client.await_reachable(Duration::MAX);
    let close = async { client.close() };
    let (result, ()) = timeout(SOON, async { tokio::join!(wait, close) }).await.unwrap();
    is_closed(result);
}
