//! Terminals: how they are opened, what they show, what is typed, how they end.

use agent_sdk::{
    AgentClient, AgentConn, Config, Error, TerminalItem, TerminalStream,
    api::{
        ErrorCode, OpenTerminalRequest, TerminalBackend, TerminalClientMessage, TerminalExited,
        TerminalId, TerminalInit, TerminalServerMessage,
    },
};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::{io::AsyncReadExt, sync::mpsc, time::timeout};

use crate::{
    peer::{Flag, Peer, SOON, response},
    socket::{BINARY, TEXT, close, frame, text},
    streams::{playing, sending},
};

const ID: &str = "7c0b3c3e-3f0c-4a51-9b1e-0d6d0b1f2a11";

fn id() -> TerminalId {
    ID.to_uppercase().parse().unwrap()
}

async fn open(client: &AgentClient) -> TerminalStream {
    let request = OpenTerminalRequest::default();
    timeout(SOON, client.open_terminal(id(), request)).await.unwrap().unwrap()
}

async fn next(terminal: &mut TerminalStream) -> Option<Result<TerminalItem, Error>> {
    timeout(SOON, terminal.next()).await.unwrap()
}

async fn item(terminal: &mut TerminalStream) -> TerminalItem {
    next(terminal).await.unwrap().unwrap()
}

fn output(bytes: &'static [u8]) -> TerminalItem {
    TerminalItem::Output(Bytes::from_static(bytes))
}

fn ended(reason: &str) -> TerminalItem {
    TerminalItem::Closed { reason: reason.to_owned() }
}

#[tokio::test]
async fn a_terminal_shows_bytes_and_events_to_its_end() {
    let (peer, gone) = sending(vec![
        text(r#"{"type":"attached","created":true,"rows":24,"cols":80,"backend":"of_tomorrow"}"#),
        frame(BINARY, b"$ \xff"),
        text(r#"{"type":"of_tomorrow"}"#),
        text(r#"{"type":"resync"}"#),
        text(r#"{"type":"exited","exit_code":137,"signal":"SIGKILL"}"#),
        close(1000, "exited"),
    ])
    .await;
    let mut terminal = open(&peer.client()).await;
    let TerminalItem::Event(TerminalServerMessage::Attached(attached)) = item(&mut terminal).await
    else {
        panic!("it begins with `attached`")
    };
    assert_eq!((attached.created, attached.backend), (true, TerminalBackend::Unknown));
    assert_eq!(item(&mut terminal).await, output(b"$ \xff"));
    assert_eq!(item(&mut terminal).await, TerminalItem::Event(TerminalServerMessage::Resync));
    let exited = TerminalExited { exit_code: Some(137), signal: Some("SIGKILL".to_owned()) };
    let expected = TerminalItem::Event(TerminalServerMessage::Exited(exited));
    assert_eq!(item(&mut terminal).await, expected);
    assert_eq!(item(&mut terminal).await, ended("exited"));
    assert!(next(&mut terminal).await.is_none());
    drop(terminal);
    gone.raised_at_once().await;
}

#[tokio::test]
async fn an_end_that_is_no_completion_is_an_error_with_its_code() {
    for (code, reason) in [(4001, "taken over"), (1001, ""), (1007, "invalid message")] {
        let (peer, _gone) = sending(vec![close(code, reason)]).await;
        match next(&mut open(&peer.client()).await).await {
            Some(Err(Error::Closed { code: Some(found), reason: why })) => {
                assert_eq!((found, why.as_str()), (code, reason));
            }
            other => panic!("{other:?}"),
        }
    }
    let peer = playing(async |_| {}).await;
    let lost = next(&mut open(&peer.client()).await).await;
    assert!(matches!(lost, Some(Err(Error::Closed { code: None, .. }))), "{lost:?}");
    let (peer, _gone) = sending(vec![text("{")]).await;
    let wrong = next(&mut open(&peer.client()).await).await;
    assert!(matches!(wrong, Some(Err(Error::Protocol { operation: "open_terminal", .. }))));
}

#[tokio::test]
async fn the_request_is_the_query_and_refusals_are_the_agents() {
    let (peer, mut requests) = Peer::recording("{}").await;
    let request = OpenTerminalRequest {
        rows: 40,
        cols: 120,
        command: Some("vi a&b".to_owned()),
        backend: TerminalBackend::Screen,
        takeover: true,
        events: true,
        ..Default::default()
    };
    peer.client().open_terminal(id(), request).await.unwrap_err();
    let request = requests.recv().await.unwrap();
    let query = "backend=screen&cols=120&command=vi+a%26b&events=true&rows=40&takeover=true";
    assert_eq!(request.line, format!("GET /api/v0/terminals/{ID}?{query} HTTP/1.1"));
    assert_eq!(request.header("upgrade"), Some("websocket"));
    let body = r#"{"message": "too many terminals"}"#;
    let peer = Peer::answering(response("429 Too Many Requests", "", body)).await;
    let error = peer.client().open_terminal(id(), Default::default()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ResourceExhausted);
    assert_eq!(error.to_string(), "open_terminal: too many terminals");
}

#[tokio::test]
async fn what_is_typed_arrives_in_order_while_nobody_reads() {
    let (tx, mut heard) = mpsc::unbounded_channel();
    let peer = playing(move |mut conn| {
        let tx = tx.clone();
        async move {
            conn.send((0..70).flat_map(|_| frame(BINARY, b"x")).collect::<Vec<_>>()).await;
            while let Some(frame) = conn.read_frame().await {
                tx.send(frame).unwrap();
            }
        }
    })
    .await;
    let mut terminal = open(&peer.client()).await;
    terminal.input("ls\r").await.unwrap();
    terminal.sender().resize(40, 120).await.unwrap();
    let both =
        TerminalClientMessage { data: Some(String::new()), ..TerminalClientMessage::resize(1, 2) };
    terminal.send(both).await.unwrap();
    for expected in [
        r#"{"data":"ls\r"}"#,
        r#"{"height":40,"width":120}"#,
        r#"{"data":"","height":1,"width":2}"#,
    ] {
        let said = timeout(SOON, heard.recv()).await.unwrap().unwrap();
        assert_eq!(said, (TEXT, expected.as_bytes().to_vec()));
    }
    let error = terminal.input("x".repeat(4 << 20)).await.unwrap_err();
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error:?}");
    for _ in 0..70 {
        assert_eq!(item(&mut terminal).await, output(b"x"));
    }
}

#[tokio::test]
async fn output_has_no_limit() {
    let limit = Config::default().max_message_bytes as usize;
    let peer = playing(move |mut conn| async move {
        conn.send(frame(BINARY, &vec![7; limit + 1])).await;
        conn.gone().await;
    })
    .await;
    let TerminalItem::Output(bytes) = item(&mut open(&peer.client()).await).await else { panic!() };
    assert_eq!(bytes.len(), limit + 1);
}

#[tokio::test]
async fn a_raw_terminal_begins_with_its_opening() {
    let (tx, mut heard) = mpsc::unbounded_channel();
    let gone = Flag::new();
    let raise = gone.clone();
    let peer = Peer::start(move |_, mut conn| {
        let (tx, raise) = (tx.clone(), raise.clone());
        async move {
            let request = conn.request().await.unwrap();
            assert_eq!(request.line, "GET /api/v0/tcp/2 HTTP/1.1");
            let head =
                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: tcp\r\n\r\n";
            conn.send(head).await;
            let mut opening = vec![0; usize::from(conn.stream.read_u16_le().await.unwrap())];
            conn.stream.read_exact(&mut opening).await.unwrap();
            let init: TerminalInit = serde_json::from_slice(&opening).unwrap();
            assert_eq!((init.id, init.command.as_str()), (id(), "top"));
            conn.send("shown").await;
            let mut typed = [0; 16];
            conn.stream.read_exact(&mut typed).await.unwrap();
            tx.send(typed).unwrap();
            conn.gone().await;
            raise.raise();
        }
    })
    .await;
    let init = TerminalInit { command: "top".to_owned(), ..TerminalInit::new(id()) };
    let mut terminal = peer.client().open_terminal_stream(init).await.unwrap();
    assert_eq!(item(&mut terminal).await, output(b"shown"));
    terminal.input("a").await.unwrap();
    terminal.sender().input("b").await.unwrap();
    let typed = timeout(SOON, heard.recv()).await.unwrap().unwrap();
    assert_eq!(&typed, br#"{"data":"a"}{"da"#);
    drop(terminal);
    gone.raised_at_once().await;
    let long = TerminalInit { command: "x".repeat(70_000), ..TerminalInit::new(id()) };
    let error = peer.client().open_terminal_stream(long).await.unwrap_err();
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error:?}");
}

#[tokio::test]
async fn a_raw_terminal_ends_with_its_connection() {
    let peer = Peer::start(|_, mut conn| async move {
        conn.request().await.unwrap();
        conn.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: tcp\r\n\r\nbye").await;
        let length = conn.stream.read_u16_le().await.unwrap();
        conn.stream.read_exact(&mut vec![0; usize::from(length)]).await.unwrap();
    })
    .await;
    let init = TerminalInit::new(id());
    let mut terminal = peer.client().open_terminal_stream(init).await.unwrap();
    assert_eq!(item(&mut terminal).await, output(b"bye"));
    assert_eq!(item(&mut terminal).await, ended(""));
    assert!(next(&mut terminal).await.is_none());
}

#[tokio::test]
async fn terminals_are_listed_and_closed() {
    let (peer, mut requests) = Peer::recording(r#"{"terminals": null}"#).await;
    assert_eq!(peer.client().list_terminals().await.unwrap().terminals, []);
    assert_eq!(requests.recv().await.unwrap().line, "GET /api/v0/terminals HTTP/1.1");
    let error = peer.client().close_terminal(id()).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "a 200 is not its answer: {error:?}");
    let line = requests.recv().await.unwrap().line;
    assert_eq!(line, format!("DELETE /api/v0/terminals/{ID} HTTP/1.1"));
    let peer = Peer::answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    let client = peer.client();
    for _ in 0..2 {
        client.close_terminal(id()).await.unwrap();
    }
    assert_eq!(peer.accepted(), 1, "the connection is used again");
    let body = r#"{"message": "no terminal"}"#;
    let peer = Peer::answering(response("404 Not Found", "", body)).await;
    let error = peer.client().close_terminal(id()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
}
