//! What the live stream of a process costs and when it ends by itself: limits, slow and silent ends,
//! dropping.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use agent_sdk::{AgentClient, AgentConn, Config, Error, ProcessStreamItem, api::close_codes};
use futures_util::{FutureExt, StreamExt};
use tokio::time::timeout;

use crate::{
    peer::{Flag, Peer, SOON},
    socket::{self, PING, PONG, close, closed, frame, output},
    streams::{OPERATION, error, from, id, item, open, playing, printed, sending},
};

#[tokio::test]
async fn a_ping_is_answered() {
    let answered = Flag::new();
    let raise = answered.clone();
    let peer = playing(move |mut conn| {
        let raise = raise.clone();
        async move {
            conn.send(frame(PING, b"here?")).await;
            assert_eq!(conn.client_frame().await, Some((PONG, b"here?".to_vec())));
            raise.raise();
            conn.gone().await;
        }
    })
    .await;
    // Nobody reads the stream meanwhile.
    let _stream = open(&peer.client()).await;
    answered.raised().await;
}

#[tokio::test]
async fn a_message_over_the_limit_closes_with_1009() {
    let limit = Config::default().max_message_bytes;
    let at_limit = vec![7; limit as usize - 8];
    for frames in [
        output(limit - 8, &[7; 1]),
        output(limit - 8, &vec![7; limit as usize - 7]),
        // In two frames, of which each is small enough.
        {
            let mut first = output(limit - 8, &vec![7; limit as usize - 8]);
            first[0] &= 0x7f;
            [first, frame(0, b"x")].concat()
        },
    ] {
        let is_small = frames.len() < 100;
        let (told, at_limit) = (Flag::new(), at_limit.clone());
        let raise = told.clone();
        let peer = playing(move |mut conn| {
            let (first, frames, raise) = (output(0, &at_limit), frames.clone(), raise.clone());
            async move {
                conn.send([first, frames].concat()).await;
                if !is_small {
                    let code = close_codes::TOO_LARGE.to_be_bytes().to_vec();
                    assert_eq!(conn.client_frame().await, Some((socket::CLOSE, code)));
                    raise.raise();
                }
                conn.gone().await;
            }
        })
        .await;
        let mut stream = open(&peer.client()).await;
        assert_eq!(item(&mut stream).await.end(), Some(limit - 8));
        if is_small {
            assert_eq!(item(&mut stream).await.end(), Some(limit - 7));
            continue;
        }
        let error = error(&mut stream).await;
        assert!(matches!(error, Error::TooLarge { limit_bytes } if limit_bytes == limit));
        drop(stream);
        told.raised().await;
    }
}

/// Counts what a peer gets rid of until it stands still.
async fn stands_still(sent: &AtomicU64) -> u64 {
    let mut before = 0;
    while before == 0 || before != sent.load(Ordering::SeqCst) {
        before = sent.load(Ordering::SeqCst);
        let _ = timeout(Duration::from_millis(50), std::future::pending::<()>()).await;
    }
    before
}

#[tokio::test]
async fn a_caller_that_does_not_read_slows_the_peer_down_and_loses_nothing() {
    const CHUNK: u64 = 32 * 1024;
    const CHUNKS: u64 = 2048;
    // 1 MiB is held; the rest is in the buffers of the two sockets.
    const MOST: u64 = 24 * 1024 * 1024;
    let sent = Arc::<AtomicU64>::default();
    let counter = Arc::clone(&sent);
    let peer = playing(move |mut conn| {
        let counter = Arc::clone(&counter);
        async move {
            for nth in 0..CHUNKS {
                conn.send(output(nth * CHUNK, &[nth as u8; CHUNK as usize])).await;
                counter.fetch_add(CHUNK, Ordering::SeqCst);
            }
            conn.send([closed(CHUNKS * CHUNK), close(1000, "")].concat()).await;
            conn.gone().await;
        }
    })
    .await;
    let client = peer.client();
    let mut stream = open(&client).await;
    let before = timeout(SOON, stands_still(&sent)).await.unwrap();
    assert!(before < MOST, "{before} bytes were sent");
    for nth in 0..CHUNKS {
        let bytes = vec![nth as u8; CHUNK as usize];
        assert_eq!(item(&mut stream).await, printed(nth * CHUNK, bytes));
    }
    assert_eq!(item(&mut stream).await, ProcessStreamItem::Closed { end_bytes: CHUNKS * CHUNK });
}

#[tokio::test]
async fn at_most_64_messages_are_held() {
    let (first, second) = (Flag::new(), Flag::new());
    let flags = (first.clone(), second.clone());
    let peer = playing(move |mut conn| {
        let (first, second) = flags.clone();
        async move {
            let outputs = |range: std::ops::Range<u64>| {
                range.map(|nth| output(nth, b"x")).collect::<Vec<_>>().concat()
            };
            // The pong behind 64 messages is never read, that before them is.
            conn.send([outputs(0..63), frame(PING, b"1")].concat()).await;
            assert_eq!(conn.client_frame().await, Some((PONG, b"1".to_vec())));
            first.raise();
            conn.send([outputs(63..65), frame(PING, b"2")].concat()).await;
            assert_eq!(conn.client_frame().await, Some((PONG, b"2".to_vec())));
            second.raise();
            conn.gone().await;
        }
    })
    .await;
    let mut stream = open(&peer.client()).await;
    first.raised().await;
    let wait = timeout(Duration::from_millis(100), std::future::pending::<()>());
    assert!(wait.await.is_err() && !second.is_raised());
    for nth in 0..65 {
        assert_eq!(item(&mut stream).await, printed(nth, "x"));
    }
    second.raised().await;
}

#[tokio::test]
async fn a_peer_that_is_not_read_still_hears_of_the_client() {
    let heard = Flag::new();
    let raise = heard.clone();
    let peer = playing(move |mut conn| {
        let raise = raise.clone();
        async move {
            let frames = (0..70).map(|nth| output(nth, b"x")).collect::<Vec<_>>();
            conn.send(frames.concat()).await;
            assert_eq!(conn.read_frame().await, Some((PONG, vec![])));
            raise.raise();
            conn.gone().await;
        }
    })
    .await;
    let mut stream = open(&peer.client()).await;
    assert_eq!(item(&mut stream).await, printed(0, "x"));
    // The second time nothing is left to read, should that be so the first time.
    for _ in 0..2 {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(16)).await;
        tokio::time::resume();
        let _ = timeout(Duration::from_millis(100), heard.raised()).await;
    }
    assert!(heard.is_raised());
    for nth in 1..70 {
        assert_eq!(item(&mut stream).await, printed(nth, "x"));
    }
}

#[tokio::test]
async fn a_silent_peer_is_given_up() {
    let (peer, gone) = sending(vec![output(0, b"x")]).await;
    let mut stream = open(&peer.client()).await;
    assert_eq!(item(&mut stream).await, printed(0, "x"));
    tokio::time::pause();
    let begin = tokio::time::Instant::now();
    let error = stream.next().await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Closed { code: None, .. }), "{error:?}");
    let (least, most) = (Duration::from_secs(44), Duration::from_secs(46));
    assert!((least..most).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    assert!(stream.next().await.is_none());
    tokio::time::resume();
    gone.raised().await;
}

#[tokio::test]
async fn dropping_a_stream_closes_its_connection_and_no_other() {
    let (peer, gone) = sending(vec![output(0, b"hi")]).await;
    let client = peer.client();
    let mut first = open(&client).await;
    let mut second = open(&client).await;
    assert_eq!(item(&mut first).await, printed(0, "hi"));
    drop(first);
    gone.raised_at_once().await;
    assert_eq!(item(&mut second).await, printed(0, "hi"));
    assert!(second.next().now_or_never().is_none());
}

#[tokio::test]
async fn dropping_a_handshake_closes_its_connection() {
    let (reached, gone) = (Flag::new(), Flag::new());
    let flags = (reached.clone(), gone.clone());
    let peer = Peer::start(move |_, mut conn| {
        let (reached, gone) = flags.clone();
        async move {
            conn.request().await.unwrap();
            reached.raise();
            conn.gone().await;
            gone.raise();
        }
    })
    .await;
    let client = peer.client();
    let mut call = client.stream_process_output(id(), from(0));
    tokio::select! {
        _ = &mut call => unreachable!("nobody answers"),
        () = reached.raised() => {}
    }
    drop(call);
    gone.raised_at_once().await;
}

#[tokio::test]
async fn a_handshake_ends_after_the_time_for_requests() {
    let peer = Peer::start(|_, mut conn| async move { conn.gone().await }).await;
    let after = Duration::from_millis(50);
    let config = Config { request_timeout: Some(after), ..Config::default() };
    let client = AgentClient::connect(peer.target(), config).unwrap();
    let call = client.stream_process_output(id(), from(0));
    let error = timeout(SOON, call).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Timeout { operation: OPERATION, .. }), "{error:?}");
}

#[tokio::test]
async fn a_stream_ends_with_close_and_outlives_its_client() {
    let (peer, gone) = sending(vec![output(0, b"hi")]).await;
    let client = peer.client();
    let mut stream = open(&client).await;
    let clone = client.clone();
    drop(client);
    assert_eq!(item(&mut stream).await, printed(0, "hi"));
    clone.close();
    assert!(clone.is_closed());
    let error = error(&mut stream).await;
    assert!(matches!(error, Error::Closed { code: None, .. }), "{error:?}");
    gone.raised_at_once().await;
}
