//! The live stream of a process over a WebSocket: how it is asked for, what it gives, how it ends.

use std::sync::Arc;

use agent_sdk::{
    AgentClient, AgentConn, Config, Error, ProcessStream, ProcessStreamItem,
    api::{
        ErrorCode, GapReason, OutputGap, OutputStreamName, ProcessId, StreamProcessOutputRequest,
        StreamStart, close_codes,
    },
};
use futures_util::StreamExt;
use tokio::{net::TcpStream, time::timeout};

use crate::{
    peer::{Conn, Flag, Peer, SOON, response},
    socket::{self, EXITED, close, closed, frame, output, text},
};

pub(crate) const ID: &str = "0b7c5b0e-5a07-4a5e-9a55-3d2f6f0c9f01";
pub(crate) const OPERATION: &str = "stream_process_output";

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
pub(crate) async fn sending(frames: Vec<Vec<u8>>) -> (Peer, Flag) {
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
pub(crate) async fn playing<F>(
    script: impl Fn(Conn<TcpStream>) -> F + Send + Sync + 'static,
) -> Peer
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

pub(crate) async fn open(client: &AgentClient) -> ProcessStream {
    let request = StreamProcessOutputRequest::default();
    timeout(SOON, client.stream_process_output(id(), request)).await.unwrap().unwrap()
}

async fn next(stream: &mut ProcessStream) -> Option<Result<ProcessStreamItem, Error>> {
    timeout(SOON, stream.next()).await.unwrap()
}

pub(crate) async fn item(stream: &mut ProcessStream) -> ProcessStreamItem {
    next(stream).await.unwrap().unwrap()
}

/// The error after some items; nothing follows it.
pub(crate) async fn error(stream: &mut ProcessStream) -> Error {
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
