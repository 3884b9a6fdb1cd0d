//! How a connection ends, seen from both sides.

use agent_ssh_protocol::{Ended, OpenError};

use crate::support::{Pair, soon};

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
