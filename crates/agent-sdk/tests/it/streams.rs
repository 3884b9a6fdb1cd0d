//! The live stream of a process over a WebSocket: what it gives, how it ends, what it costs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use agent_sdk::{
    AgentClient, AgentConn, Config, Error, ProcessStream, ProcessStreamItem,
    api::{
        ErrorCode, GapReason, OutputGap, OutputStreamName, ProcessId, StreamProcessOutputRequest,
        StreamStart, close_codes,
    },
};
use futures_util::{FutureExt, StreamExt};
use tokio::{net::TcpStream, time::timeout};

use crate::{
    peer::{Conn, Flag, Peer, SOON, response},
    socket::{self, EXITED, PING, PONG, close, closed, frame, output, text},
};

pub(crate) const ID: &str = "0b7c5b0e-5a07-4a5e-9a55-3d2f6f0c9f01";
const OPERATION: &str = "stream_process_output";

pub(crate) fn id() -> ProcessId {
    ID.parse().unwrap()
}

pub(crate) fn from(offset: u64) -> StreamProcessOutputRequest {
    StreamProcessOutputRequest { from: StreamStart::Offset(offset), ..Default::default() }
}

pub(crate) fn printed(offset: u64, bytes: impl Into<bytes::Bytes>) -> ProcessStreamItem {
    ProcessStreamItem::Output { offset, bytes: bytes.into() }
}

/// A peer that agrees to each handshake, sends `frames`, and waits for the client to leave.
async fn sending(frames: Vec<Vec<u8>>) -> (Peer, Flag) {
    let gone = Flag::new();
    let raise = gone.clone();
    let peer = Peer::start(move |_, mut conn| {
        let (frames, raise) = (frames.concat(), raise.clone());
        async move {
            conn.agree().await;
            conn.send(frames).await;
            conn.gone().await;
            raise.raise();
        }
    })
    .await;
    (peer, gone)
}

/// A peer of one connection that is played after the handshake.
async fn playing<F>(script: impl Fn(Conn<TcpStream>) -> F + Send + Sync + 'static) -> Peer
where
    F: Future<Output = ()> + Send + 'static,
{
    let script = Arc::new(script);
    Peer::start(move |_, mut conn| {
        let script = Arc::clone(&script);
        async move {
            conn.agree().await;
            script(conn).await;
        }
    })
    .await
}

async fn open(client: &AgentClient) -> ProcessStream {
    let request = StreamProcessOutputRequest::default();
    timeout(SOON, client.stream_process_output(id(), request)).await.unwrap().unwrap()
}

async fn next(stream: &mut ProcessStream) -> Option<Result<ProcessStreamItem, Error>> {
    timeout(SOON, stream.next()).await.unwrap()
}

async fn item(stream: &mut ProcessStream) -> ProcessStreamItem {
    next(stream).await.unwrap().unwrap()
}

/// The error after some items; nothing follows it.
async fn error(stream: &mut ProcessStream) -> Error {
    loop {
        if let Err(error) = next(stream).await.unwrap() {
            assert!(next(stream).await.is_none());
            return error;
        }
    }
}

#[tokio::test]
async fn a_stream_gives_everything_in_order_and_ends() {
    let gap = r#"{"type":"gap","from":2,"to":9,"reason":"quota"}"#;
    let (peer, gone) = sending(vec![
        output(0, b"hi"),
        text(r#"{"type":"of_tomorrow","from":7}"#),
        text(gap),
        output(9, b"\xff\0"),
        text(EXITED),
        output(11, b"late"),
        closed(15),
        close(1000, ""),
    ])
    .await;
    let mut stream = open(&peer.client()).await;
    assert_eq!(item(&mut stream).await, printed(0, "hi"));
    let lost = OutputGap { from: 2, to: 9, reason: GapReason::Quota };
    assert_eq!(item(&mut stream).await, ProcessStreamItem::Gap(lost));
    assert_eq!(item(&mut stream).await, printed(9, &b"\xff\0"[..]));
    let exited = item(&mut stream).await;
    assert!(matches!(exited, ProcessStreamItem::Exited(exit) if exit.exit_code == 0));
    assert_eq!(item(&mut stream).await, printed(11, "late"));
    assert_eq!(item(&mut stream).await, ProcessStreamItem::Closed { end_bytes: 15 });
    assert!(next(&mut stream).await.is_none());
    gone.raised_at_once().await;
}

#[tokio::test]
async fn the_handshake_asks_for_a_websocket_with_all_headers() {
    let (tx, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let peer = Peer::start(move |_, mut conn| {
        let tx = tx.clone();
        async move {
            tx.send(conn.agree().await).unwrap();
            conn.gone().await;
        }
    })
    .await;
    let target = peer.target().with_token(agent_sdk::Token::new("hunter2").unwrap());
    let extra_headers = agent_sdk::headers_from([("coder-chat-id", "x")]).unwrap();
    let config = Config { extra_headers, ..Config::default() };
    let client = AgentClient::connect(target, config).unwrap();
    let request =
        StreamProcessOutputRequest { stream: OutputStreamName::Stderr, from: StreamStart::End };
    let _stream = client.stream_process_output(id(), request).await.unwrap();
    let request = requests.recv().await.unwrap();
    let path = format!("/api/v0/processes/{ID}/output/stream?from=end&stream=stderr");
    assert_eq!(request.line, format!("GET {path} HTTP/1.1"));
    let expected = [
        ("host", peer.address.to_string()),
        ("authorization", "Bearer hunter2".to_owned()),
        ("coder-chat-id", "x".to_owned()),
        ("connection", "Upgrade".to_owned()),
        ("upgrade", "websocket".to_owned()),
        ("sec-websocket-version", "13".to_owned()),
    ];
    for (name, value) in expected {
        assert_eq!(request.header(name), Some(value.as_str()), "{name}");
    }
    assert!(request.header("sec-websocket-key").is_some_and(|key| key.len() == 24));
    assert!(request.header("sec-websocket-extensions").is_none());
}

#[tokio::test]
async fn a_stream_has_a_connection_of_its_own() {
    let peer = Peer::start(|_, mut conn| async move {
        while let Some(request) = conn.request().await {
            if request.header("upgrade").is_some() {
                conn.send(socket::switch(&request)).await;
                return conn.gone().await;
            }
            conn.send(crate::peer::ok_json(r#"{"message": "hello"}"#)).await;
        }
    })
    .await;
    let client = peer.client();
    client.get_greeting().await.unwrap();
    let _stream = open(&client).await;
    client.get_greeting().await.unwrap();
    assert_eq!(peer.accepted(), 2, "the kept connection stays for calls");
}

async fn refused(answer: Vec<u8>) -> Error {
    let peer = Peer::answering(answer).await;
    let request = StreamProcessOutputRequest::default();
    let call = async { peer.client().stream_process_output(id(), request).await };
    timeout(SOON, call).await.unwrap().unwrap_err()
}

#[tokio::test]
async fn an_answer_other_than_an_upgrade_is_the_agents_error() {
    for (status, code) in [
        ("404 Not Found", ErrorCode::NotFound),
        ("410 Gone", ErrorCode::Gone),
        ("416 Range Not Satisfiable", ErrorCode::RangeNotSatisfiable),
        ("426 Upgrade Required", ErrorCode::UpgradeRequired),
        ("429 Too Many Requests", ErrorCode::ResourceExhausted),
        ("503 Service Unavailable", ErrorCode::Unavailable),
    ] {
        match refused(response(status, "", r#"{"message": "no", "detail": "why"}"#)).await {
            Error::Api { operation, code: told, message, detail, .. } => {
                assert_eq!((operation, told, message.as_str()), (OPERATION, code, "no"));
                assert_eq!(detail.as_deref(), Some("why"));
            }
            other => panic!("{status}: {other:?}"),
        }
    }
    for status in ["200 OK", "302 Found"] {
        let error = refused(response(status, "Location: http://example.com/\r\n", "{}")).await;
        assert!(matches!(error, Error::Protocol { .. }), "{status}: {error:?}");
    }
}

/// A peer whose upgrade is the right one with some text replaced.
async fn agrees_with(right: &'static str, wrong: &'static str) -> Error {
    let peer = Peer::start(move |_, mut conn| async move {
        let request = conn.request().await.unwrap();
        let answer = socket::switch(&request);
        assert!(answer.contains(right), "{answer}");
        conn.send(answer.replacen(right, wrong, 1)).await;
        conn.gone().await;
    })
    .await;
    let request = StreamProcessOutputRequest::default();
    let call = async { peer.client().stream_process_output(id(), request).await };
    timeout(SOON, call).await.unwrap().unwrap_err()
}

#[tokio::test]
async fn an_upgrade_to_anything_else_is_refused() {
    let cases = [
        ("Upgrade: websocket", "Upgrade: h2c"),
        ("Connection: Upgrade\r\n", "Connection: close\r\n"),
        ("Accept: ", "Accept: x"),
        ("Sec-WebSocket-Accept", "X-Accept"),
        (
            "Connection: Upgrade",
            "Sec-WebSocket-Extensions: permessage-deflate\r\nConnection: Upgrade",
        ),
        ("Connection: Upgrade", "Sec-WebSocket-Protocol: chat\r\nConnection: Upgrade"),
    ];
    for (right, wrong) in cases {
        let error = agrees_with(right, wrong).await;
        assert!(matches!(error, Error::Protocol { .. }), "{wrong}: {error:?}");
    }
}

#[tokio::test]
async fn a_close_is_an_error_with_its_code() {
    for (code, expected) in [
        (1000, ErrorCode::Unavailable),
        (close_codes::GOING_AWAY, ErrorCode::Unavailable),
        (close_codes::INTERNAL, ErrorCode::Internal),
        (close_codes::DELETED, ErrorCode::NotFound),
        (close_codes::TOO_LARGE, ErrorCode::TooLarge),
    ] {
        let peer = playing(move |mut conn| async move {
            conn.send([output(0, b"hi"), close(code, "because")].concat()).await;
            let answer = conn.client_frame().await;
            assert_eq!(answer, Some((socket::CLOSE, code.to_be_bytes().to_vec())));
            conn.gone().await;
        })
        .await;
        let mut stream = open(&peer.client()).await;
        assert_eq!(item(&mut stream).await, printed(0, "hi"));
        let error = error(&mut stream).await;
        assert_eq!(error.code(), expected);
        assert!(
            matches!(&error, Error::Closed { code: Some(told), reason }
                if *told == code && reason == "because"),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn an_end_without_a_close_is_an_error() {
    for frames in [vec![], output(0, b"hi"), frame(socket::CLOSE, b""), vec![0x82, 9, 0]] {
        let peer = playing(move |mut conn| {
            let frames = frames.clone();
            async move { conn.send(frames).await }
        })
        .await;
        let error = error(&mut open(&peer.client()).await).await;
        assert!(matches!(error, Error::Closed { code: None, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn what_does_not_join_is_refused() {
    let gap =
        |from, to| text(&format!(r#"{{"type":"gap","from":{from},"to":{to},"reason":"disk"}}"#));
    for frames in [
        vec![output(1, b"hole")],
        vec![output(0, b"ab"), output(3, b"hole")],
        vec![output(0, b"ab"), output(1, b"overlap")],
        vec![output(0, b"ab"), output(0, b"ab")],
        vec![output(0, b"ab"), gap(3, 4)],
        vec![output(0, b"ab"), gap(1, 4)],
        vec![gap(0, 0)],
        vec![output(0, b"ab"), gap(2, 1)],
        vec![output(0, b"ab"), closed(3)],
        vec![output(0, b"")],
        vec![frame(socket::BINARY, b"short")],
        vec![output(u64::MAX, b"x")],
        vec![text("{")],
        vec![text("[]")],
        vec![text(r#"{"type":"gap","from":-1,"to":4}"#)],
        vec![text(r#"{"type":"exited"}"#)],
        // A masked frame, a reserved bit, a reserved opcode, text that is not UTF-8.
        vec![vec![0x82, 0x80, 0, 0, 0, 0]],
        vec![vec![0xc2, 0]],
        vec![vec![0x83, 0]],
        vec![frame(socket::TEXT, b"\xff")],
    ] {
        let (peer, gone) = sending(frames.clone()).await;
        let error = error(&mut open(&peer.client()).await).await;
        assert!(
            matches!(error, Error::Protocol { operation: OPERATION, .. }),
            "{frames:?} {error:?}"
        );
        gone.raised_at_once().await;
    }
}

#[tokio::test]
async fn a_stream_from_the_end_begins_anywhere() {
    let (peer, _) = sending(vec![output(77, b"ab"), output(79, b"c"), output(81, b"hole")]).await;
    let request = StreamProcessOutputRequest { from: StreamStart::End, ..Default::default() };
    let mut stream = peer.client().stream_process_output(id(), request).await.unwrap();
    assert_eq!(item(&mut stream).await, printed(77, "ab"));
    assert_eq!(item(&mut stream).await, printed(79, "c"));
    assert!(matches!(error(&mut stream).await, Error::Protocol { .. }));
}

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
