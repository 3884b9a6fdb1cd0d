//! The routes in somebody else's server: statuses before the upgrade, and WebSockets to their ends.

use agent_api::{ListTerminalsResponse, TerminalServerMessage};
use agent_term::http::routes;
use futures_util::{SinkExt, StreamExt};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, protocol::CloseFrame},
};

use crate::fixture::{Fixture, LONG, with, with_config};

const ONE: &str = "7c0b3c3e-3f0c-4a51-9b1e-0d6d0b1f2a11";
const NUMBER: u128 = 0x7c0b_3c3e_3f0c_4a51_9b1e_0d6d_0b1f_2a11;

/// A connection to a server of its own.
#[expect(clippy::disallowed_methods, reason = "the server is the test's and ends with the stream")]
fn connect(f: &Fixture) -> (DuplexStream, JoinHandle<()>) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let service = TowerToHyperService::new(routes(f.terminals.clone()));
    let serving = tokio::spawn(async move {
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(far), service)
            .with_upgrades();
        // A client that leaves ends it.
        let _ = connection.await;
    });
    (near, serving)
}

/// Asks; answers the status and the body.
async fn ask(f: &Fixture, line: &str, headers: &str) -> (u16, String) {
    let (mut near, serving) = connect(f);
    let request = format!("{line} HTTP/1.1\r\nHost: other\r\nConnection: close\r\n{headers}\r\n");
    near.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(LONG, near.read_to_string(&mut answer)).await.unwrap().unwrap();
    timeout(LONG, serving).await.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

struct Socket(WebSocketStream<DuplexStream>);

impl Socket {
    async fn open(f: &Fixture, path: &str) -> Self {
        let (near, _) = connect(f);
        let opened = client_async(format!("ws://other/terminals/{path}"), near);
        Self(timeout(LONG, opened).await.unwrap().unwrap().0)
    }

    async fn next(&mut self) -> Message {
        timeout(LONG, self.0.next()).await.unwrap().unwrap().unwrap()
    }

    async fn send(&mut self, text: &str) {
        timeout(LONG, self.0.send(Message::text(text))).await.unwrap().unwrap();
    }

    async fn sees(&mut self, text: &str) {
        let mut shown = Vec::new();
        while !String::from_utf8_lossy(&shown).contains(text) {
            match self.next().await {
                Message::Binary(bytes) => shown.extend_from_slice(&bytes),
                other => {
                    panic!("{other:?} before {text:?} in {:?}", String::from_utf8_lossy(&shown))
                }
            }
        }
    }

    /// Code and reason of the close, and what was shown before.
    async fn end(mut self) -> (u16, String, String) {
        let mut shown = Vec::new();
        loop {
            match self.next().await {
                Message::Binary(bytes) => {
                    assert!(bytes.len() <= 32 * 1024);
                    shown.extend_from_slice(&bytes);
                }
                Message::Close(Some(CloseFrame { code, reason })) => {
                    let shown = String::from_utf8_lossy(&shown).into_owned();
                    return (code.into(), reason.as_str().to_owned(), shown);
                }
                _ => {}
            }
        }
    }
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[test]
fn what_is_refused_has_its_status_before_the_upgrade() {
    with_config(
        |config| (config.max, config.path) = (1, "/nowhere".into()),
        |f| async move {
            let cases = [
                ("GET /terminals/7".to_owned(), 400, "UUID"),
                (format!("GET /terminals/{ONE}?backend=zellij"), 400, r#""field":"backend""#),
                (format!("GET /terminals/{ONE}?rows=-1"), 400, "value is negative"),
                (format!("GET /terminals/{ONE}?takeover=yes"), 400, r#""field":"takeover""#),
                (format!("GET /terminals/{ONE}?color=red"), 400, r#""field":"color""#),
                (format!("GET /terminals/{ONE}?command=%00"), 400, r#""field":"command""#),
                (format!("GET /terminals/{ONE}?container=web"), 403, "containers are not enabled"),
                (format!("GET /terminals/{ONE}?backend=screen"), 501, "screen"),
                (format!("GET /terminals/{ONE}?command=%23!/no/such%0A"), 500, "no such file"),
                ("DELETE /terminals/7".to_owned(), 400, "UUID"),
                (format!("DELETE /terminals/{ONE}"), 404, "not found"),
                ("GET /terminals?x=1".to_owned(), 400, r#""field":"x""#),
            ];
            for (line, status, fragment) in cases {
                let (got, body) = ask(&f, &line, UPGRADE).await;
                assert_eq!(got, status, "{}: {body}", &line[..line.len().min(80)]);
                assert!(body.contains(fragment), "{body}");
            }
            assert_eq!(ask(&f, &format!("GET /terminals/{ONE}"), "").await.0, 426);
            assert_eq!(
                ask(&f, "GET /terminals", "").await,
                (200, r#"{"terminals":[]}"#.to_owned())
            );
            let _one = Socket::open(&f, ONE).await;
            let (status, _) =
                ask(&f, "GET /terminals/8c0b3c3e-3f0c-4a51-9b1e-0d6d0b1f2a11", UPGRADE).await;
            assert_eq!(status, 429);
            f.terminals.kill_all().await;
            f.terminals.shutdown().await;
            assert_eq!(ask(&f, &format!("GET /terminals/{ONE}"), UPGRADE).await.0, 503);
        },
    );
}

#[test]
fn containers_have_statuses_of_their_own_and_their_terminals_work() {
    use crate::contained::{contain, fleet::Fleet};
    with(|f| async move {
        contain(&f, Fleet::default());
        let cases = [
            ("container=nowhere", 404, "not found"),
            ("container=old", 409, "not running"),
            ("container=web&container_user=ghost", 404, "ghost"),
            ("container=gone", 500, "connection refused"),
            ("container=web&backend=screen", 501, "screen"),
        ];
        for (query, status, fragment) in cases {
            let (got, body) = ask(&f, &format!("GET /terminals/{ONE}?{query}"), UPGRADE).await;
            assert_eq!(got, status, "{query}: {body}");
            assert!(body.contains(fragment), "{body}");
        }
        let query = "?container=web&container_user=me&command=echo+in$INSIDE;cat";
        let mut socket = Socket::open(&f, &format!("{ONE}{query}")).await;
        socket.sees("inweb").await;
        let (_, body) = ask(&f, "GET /terminals", "").await;
        assert!(body.contains(r#""container":"web","container_user":"me""#), "{body}");
        assert!(!body.contains("pid"), "{body}");
        socket.send(r#"{"data":"\u0004"}"#).await;
        let (code, reason, _) = socket.end().await;
        assert_eq!((code, reason.as_str()), (1000, "exited"));
    });
}

#[test]
fn a_terminal_is_typed_into_listed_and_closed() {
    with(|f| async move {
        let query = "?command=echo+up%3B+cat&backend=auto&rows=9223372036854775807&cols=90";
        let mut socket = Socket::open(&f, &format!("{}{query}", ONE.to_uppercase())).await;
        socket.sees("up").await;
        socket.send(r#"{"data":"ty"} {"data":"ped\r"}"#).await;
        socket.sees("typed\r\ntyped\r\n").await;
        socket.0.send(Message::binary(r#"{"data":"bytes\r"}"#)).await.unwrap();
        socket.sees("bytes\r\nbytes\r\n").await;
        let (_, body) = ask(&f, "GET /terminals", "").await;
        let list: ListTerminalsResponse = serde_json::from_str(&body).unwrap();
        let record = &list.terminals[0];
        assert_eq!((record.rows, record.cols, record.attached), (500, 90, 1));
        assert_eq!(ask(&f, &format!("DELETE /terminals/{ONE}"), "").await, (204, String::new()));
        let (code, reason, _) = socket.end().await;
        assert_eq!((code, reason.as_str()), (1000, "closed"));
    });
}

#[test]
fn the_end_of_the_program_is_told_in_frames_and_close() {
    with(|f| async move {
        let mut socket = Socket::open(&f, &format!("{ONE}?command=echo+test&events=true")).await;
        let Message::Text(first) = socket.next().await else { panic!() };
        let attached =
            r#"{"type":"attached","created":true,"rows":24,"cols":80,"backend":"buffered"}"#;
        assert_eq!(first.as_str(), attached);
        socket.sees("test").await;
        let exited = loop {
            if let Message::Text(text) = socket.next().await {
                break text;
            }
        };
        let exited: TerminalServerMessage = serde_json::from_str(&exited).unwrap();
        assert!(matches!(exited, TerminalServerMessage::Exited(e) if e.exit_code == Some(0)));
        let (code, reason, _) = socket.end().await;
        assert_eq!((code, reason.as_str()), (1000, "exited"));
    });
}

#[test]
fn bad_and_large_messages_close_their_connection_only() {
    with(|f| async move {
        let mut other = Socket::open(&f, &format!("{ONE}?command=cat")).await;
        for bad in [r#"{"data":"#, r#"{"data":"first\r"}{"data":7}"#, "[]", ""] {
            let mut socket = Socket::open(&f, ONE).await;
            socket.send(bad).await;
            let (code, reason, _) = socket.end().await;
            assert_eq!((code, reason.as_str()), (1007, "invalid message"), "{bad}");
        }
        other.sees("first\r\nfirst\r\n").await;
        let mut socket = Socket::open(&f, ONE).await;
        let large = format!(r#"{{"data":"{}"}}"#, "x".repeat(4 * 1024 * 1024));
        // It is refused before all of it was sent.
        let _ = timeout(LONG, socket.0.send(Message::text(large))).await.unwrap();
        assert_eq!(socket.end().await.0, 1009);
        let taking = Socket::open(&f, &format!("{ONE}?takeover=true")).await;
        let (code, reason, _) = other.end().await;
        assert_eq!((code, reason.as_str()), (4001, "taken over"));
        drop(taking);
        f.record_when(NUMBER, |record| record.attached == 0).await;
    });
}

#[test]
fn one_that_does_not_read_can_still_interrupt() {
    with(|f| async move {
        let mut socket = Socket::open(&f, &format!("{ONE}?command=yes&events=true")).await;
        socket.next().await;
        let began = f.record(NUMBER).unwrap().created_at.as_unix_ms();
        // More than any queue holds is printed meanwhile.
        f.record_when(NUMBER, |record| record.last_output_at.as_unix_ms() > began + 500).await;
        socket.send(r#"{"data":"\u0003"}"#).await;
        f.gone(NUMBER).await;
        let (code, reason, shown) = socket.end().await;
        assert_eq!((code, reason.as_str()), (1000, "exited"));
        assert!(shown.contains("^C"));
    });
}

#[test]
fn the_end_of_the_service_is_told() {
    with(|f| async move {
        let socket = Socket::open(&f, &format!("{ONE}?command=cat")).await;
        f.terminals.shutdown().await;
        assert_eq!(socket.end().await.0, 1001);
    });
}
