//! How a connection ends, seen from both sides.

use std::future::pending;
use std::time::Duration;

use agent_ssh_protocol::{
    Authenticator, ConnectionConfig, Ended, HandshakeError, Offer, OpenError, accept_until, connect,
};
use tokio::io::duplex;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::support::{Pair, client_config, server_config, soon};

const BY_APPLICATION: u32 = 11;

#[tokio::test]
async fn a_disconnect_ends_both_sides() {
    let mut pair = Pair::new().await;
    pair.server.connection.disconnect(BY_APPLICATION, "enough");
    assert!(matches!(pair.server.ended().await, Ended::Disconnected));
    assert!(matches!(
        pair.client.ended().await,
        Ended::ClosedByPeer { reason: Some(BY_APPLICATION), .. }
    ));
    assert!(soon(pair.client.incoming.next()).await.is_none());
}

#[tokio::test]
async fn a_channel_ends_with_its_connection() {
    let mut pair = Pair::new().await;
    let (mut near, far) = pair.channel().await;
    pair.client.connection.disconnect(BY_APPLICATION, "enough");
    assert!(matches!(pair.server.ended().await, Ended::ClosedByPeer { .. }));
    soon(far.output.closed()).await;
    assert!(soon(near.input.read()).await.is_none());
    assert!(!near.input.is_at_eof());
}

#[tokio::test]
async fn a_session_after_the_last_one_is_refused() {
    let mut pair = Pair::new().await;
    let (_near, _far) = pair.channel().await;
    soon(pair.client.connection.request("no-more-sessions@openssh.com", b"")).await.unwrap();
    let refused = soon(pair.client.connection.open("session", b"")).await.err();
    assert!(matches!(refused, Some(OpenError::Refused { reason: 1, .. })), "{refused:?}");
    assert!(pair.server.connection.has_no_more_sessions());
}

/// Never decides, and says when it was asked.
struct Undecided(Option<oneshot::Sender<()>>);

impl Authenticator for Undecided {
    async fn none(&mut self, _: &[u8]) -> bool {
        self.0.take().map(|asked| asked.send(()));
        pending().await
    }

    async fn public_key(&mut self, _: Offer<'_>) -> bool {
        pending().await
    }
}

#[tokio::test]
async fn a_server_that_stops_tells_a_client_that_is_not_yet_in() {
    let (near, far) = duplex(1 << 16);
    let (asked, is_asked) = oneshot::channel();
    let stop = async {
        is_asked.await.unwrap();
        (BY_APPLICATION, "enough")
    };
    let server = server_config(ConnectionConfig::default());
    let client = client_config(ConnectionConfig::default());
    let (accepted, connected) = soon(async {
        tokio::join!(
            accept_until(far, server, Undecided(Some(asked)), stop),
            connect(near, client, |_| true),
        )
    })
    .await;
    assert!(matches!(accepted.err(), Some(HandshakeError::Stopped)));
    match connected.err() {
        Some(HandshakeError::Disconnected { reason: BY_APPLICATION, text }) => {
            assert_eq!(text, "enough");
        }
        other => panic!("a disconnect, not {other:?}"),
    }
}

/// A connection whose server asks for a sign of life after a second of silence.
async fn asked_each_second() -> Pair {
    let keepalive = Some(Duration::from_secs(1));
    let server = ConnectionConfig { keepalive, ..ConnectionConfig::default() };
    Pair::with(ConnectionConfig::default(), server).await
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_that_answers_at_once_is_kept() {
    let mut pair = asked_each_second().await;
    let ended = timeout(Duration::from_secs(15), pair.server.ended());
    assert!(ended.await.is_err(), "it goes on");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_leaves_three_questions_without_an_answer_is_gone() {
    let mut pair = asked_each_second().await;
    pair.client.stall();
    let silent_since = Instant::now();
    assert!(matches!(pair.server.ended().await, Ended::KeepaliveTimeout));
    let took = silent_since.elapsed();
    assert!((Duration::from_secs(3)..=Duration::from_secs(5)).contains(&took), "{took:?}");
}
