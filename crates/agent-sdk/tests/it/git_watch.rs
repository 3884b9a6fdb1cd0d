//! The watch of git over a WebSocket: what is said by each end, what it costs, how it ends.

use std::{sync::Arc, time::Duration};

use agent_sdk::{
    AgentClient, AgentConn, Config, Error, GitWatch,
    api::{
        Caller, ErrorCode, GitNoticeCode, GitServerMessage, RepositoryChange, WatchGitRequest,
        close_codes,
    },
    caller_headers,
};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use http::Response;
use http_body_util::Full;
use tokio::{sync::mpsc, time::timeout};

use crate::{
    peer::{Flag, Peer, SOON, response},
    shared::serve,
    socket::{self, PING, PONG, TEXT, close, frame, text},
    streams::{playing, sending},
};

const TIME: &str = "2026-01-31T12:00:00.000Z";

fn changes(repositories: &str) -> Vec<u8> {
    text(&format!(r#"{{"type":"changes","scanned_at":"{TIME}","repositories":{repositories}}}"#))
}

async fn open(client: &AgentClient) -> GitWatch {
    timeout(SOON, client.watch_git(WatchGitRequest::default())).await.unwrap().unwrap()
}

async fn next(watch: &mut GitWatch) -> Option<Result<GitServerMessage, Error>> {
    timeout(SOON, watch.next()).await.unwrap()
}

async fn message(watch: &mut GitWatch) -> GitServerMessage {
    next(watch).await.unwrap().unwrap()
}

/// The roots of a `changes`, with a minus for those that are removed.
async fn roots(watch: &mut GitWatch) -> Vec<String> {
    let GitServerMessage::Changes(changes) = message(watch).await else { panic!("no changes") };
    let show = |change: &RepositoryChange| match change {
        RepositoryChange::Removed(removed) => format!("-{}", removed.repo_root),
        RepositoryChange::Snapshot(repository) => repository.repo_root.clone(),
    };
    changes.repositories.iter().map(show).collect()
}

/// The error that ends a watch; nothing follows it.
async fn error(watch: &mut GitWatch) -> Error {
    loop {
        if let Err(error) = next(watch).await.unwrap() {
            assert!(next(watch).await.is_none());
            return error;
        }
    }
}

fn is_closed(result: Result<(), Error>) {
    assert!(matches!(result, Err(Error::Closed { code: None, .. })), "{result:?}");
}

/// A peer that hands over what the client says after the handshake.
async fn listening() -> (Peer, mpsc::UnboundedReceiver<(u8, Vec<u8>)>) {
    let (tx, rx) = mpsc::unbounded_channel();
    let peer = playing(move |mut conn| {
        let tx = tx.clone();
        async move {
            while let Some(frame) = conn.read_frame().await {
                tx.send(frame).unwrap();
            }
        }
    })
    .await;
    (peer, rx)
}

async fn said(rx: &mut mpsc::UnboundedReceiver<(u8, Vec<u8>)>) -> String {
    let (opcode, payload) = timeout(SOON, rx.recv()).await.unwrap().unwrap();
    assert_eq!(opcode, TEXT);
    String::from_utf8(payload).unwrap()
}

#[tokio::test]
async fn a_watch_gives_what_the_agent_says_and_skips_what_it_does_not_know() {
    let (peer, gone) = sending(vec![
        changes(r#"[{"repo_root":"/a","detached":false,"unified_diff":"","files":[],"new":1}]"#),
        text(r#"{"type":"of_tomorrow","repositories":[{}]}"#),
        changes("null"),
        changes(r#"[{"repo_root":"/a","removed":true,"unified_diff":""},{"repo_root":"/b"}]"#),
        text(r#"{"type":"notice","code":"polling","message":"m","repo_root":null}"#),
        text(r#"{"type":"error","message":"unknown type"}"#),
    ])
    .await;
    let mut watch = open(&peer.client()).await;
    assert_eq!(roots(&mut watch).await, ["/a"]);
    assert_eq!(roots(&mut watch).await, [""; 0]);
    assert_eq!(roots(&mut watch).await, ["-/a", "/b"]);
    let GitServerMessage::Notice(notice) = message(&mut watch).await else { panic!() };
    assert_eq!((notice.code, notice.repo_root), (GitNoticeCode::Polling, None));
    let refusal = GitServerMessage::Error { message: "unknown type".to_owned() };
    assert_eq!(message(&mut watch).await, refusal);
    assert!(watch.next().now_or_never().is_none());
    drop(watch);
    gone.raised_at_once().await;
}

#[tokio::test]
async fn the_handshake_names_the_chat_and_carries_the_caller() {
    let (tx, mut requests) = mpsc::unbounded_channel();
    let peer = Peer::start(move |_, mut conn| {
        let tx = tx.clone();
        async move {
            tx.send(conn.agree().await).unwrap();
            conn.gone().await;
        }
    })
    .await;
    let client = peer.client();
    let chat = |n| format!("00000000-0000-4000-8000-00000000000{n}").parse().unwrap();
    let caller = Caller::new(Some(chat(1)), &[chat(2)]).unwrap();
    client.set_extra_headers(caller_headers(&caller)).unwrap();
    let _watch = client.watch_git(WatchGitRequest::default()).await.unwrap();
    let request = requests.recv().await.unwrap();
    assert_eq!(request.line, "GET /api/v0/git/watch HTTP/1.1");
    assert_eq!(request.header("coder-chat-id"), Some("00000000-0000-4000-8000-000000000001"));
    let ancestors = r#"["00000000-0000-4000-8000-000000000002"]"#;
    assert_eq!(request.header("coder-ancestor-chat-ids"), Some(ancestors));
    assert_eq!(request.header("upgrade"), Some("websocket"));
    let _watch = client.watch_git(WatchGitRequest { chat_id: Some(chat(3)) }).await.unwrap();
    let line = requests.recv().await.unwrap().line;
    let query = "chat_id=00000000-0000-4000-8000-000000000003";
    assert_eq!(line, format!("GET /api/v0/git/watch?{query} HTTP/1.1"));
}

#[tokio::test]
async fn what_a_client_says_is_checked_first_and_arrives_in_order() {
    let (peer, mut heard) = listening().await;
    let mut watch = open(&peer.client()).await;
    for wrong in [vec![], vec!["r".to_owned()], vec!["/r".to_owned(); 1001]] {
        for result in [
            watch.subscribe(wrong.clone()).await,
            watch.unsubscribe(wrong.clone()).await,
            watch.sender().subscribe(wrong).await,
        ] {
            assert!(matches!(result, Err(Error::InvalidArgument { .. })), "{result:?}");
        }
    }
    let too_long = vec!["/".repeat(4 * 1024 * 1024)];
    let error = watch.subscribe(too_long).await.unwrap_err();
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error:?}");
    watch.refresh().await.unwrap();
    watch.subscribe(vec!["/r".to_owned(), "/\u{e9}\"".to_owned()]).await.unwrap();
    let sender = watch.sender().clone();
    let other = tokio::task::JoinSet::from_iter([async move {
        sender.unsubscribe(vec!["/r".to_owned()]).await
    }]);
    other.join_all().await.remove(0).unwrap();
    assert_eq!(said(&mut heard).await, r#"{"type":"refresh"}"#);
    assert_eq!(said(&mut heard).await, r#"{"type":"subscribe","paths":["/r","/é\""]}"#);
    assert_eq!(said(&mut heard).await, r#"{"type":"unsubscribe","paths":["/r"]}"#);
}

#[tokio::test]
async fn a_watch_that_nobody_reads_still_sends() {
    let heard = Flag::new();
    let raise = heard.clone();
    let peer = playing(move |mut conn| {
        let raise = raise.clone();
        async move {
            let frames = (0..70).map(|_| changes("[]")).collect::<Vec<_>>();
            conn.send(frames.concat()).await;
            assert_eq!(conn.client_frame().await, Some((TEXT, br#"{"type":"refresh"}"#.to_vec())));
            raise.raise();
            conn.gone().await;
        }
    })
    .await;
    let mut watch = open(&peer.client()).await;
    watch.refresh().await.unwrap();
    heard.raised().await;
    for _ in 0..70 {
        assert_eq!(roots(&mut watch).await, [""; 0]);
    }
}

/// A subscription of almost 2 MiB, the `nth` of its kind.
fn large(nth: usize) -> Vec<String> {
    (0..1000).map(|path| format!("/{nth}/{path}/{}", "x".repeat(2000))).collect()
}

#[tokio::test]
async fn neither_end_waits_for_the_other_to_read() {
    const MESSAGES: usize = 8;
    let (tx, mut heard) = mpsc::unbounded_channel();
    let peer = playing(move |mut conn| {
        let tx = tx.clone();
        async move {
            // More than all buffers between the two hold, before anything is read.
            let padding = " ".repeat(2 * 1024 * 1024);
            for _ in 0..MESSAGES {
                conn.send(changes(&format!("[{padding}]"))).await;
            }
            while let Some(frame) = conn.read_frame().await {
                tx.send(frame).unwrap();
            }
        }
    })
    .await;
    let mut watch = open(&peer.client()).await;
    let sender = watch.sender();
    let send = async {
        for nth in 0..MESSAGES {
            sender.subscribe(large(nth)).await.unwrap();
        }
    };
    let read = async {
        for _ in 0..MESSAGES {
            assert_eq!(roots(&mut watch).await, [""; 0]);
        }
    };
    timeout(6 * SOON, async { tokio::join!(send, read) }).await.unwrap();
    for nth in 0..MESSAGES {
        let paths = said(&mut heard).await;
        assert!(paths.starts_with(&format!(r#"{{"type":"subscribe","paths":["/{nth}/0/x"#)));
        assert!(paths.ends_with("x\"]}"), "the whole message came");
    }
}

#[tokio::test]
async fn a_peer_that_does_not_read_slows_senders_down_and_a_dropped_send_sends_nothing() {
    let read = Flag::new();
    let go = read.clone();
    let (tx, mut heard) = mpsc::unbounded_channel();
    let peer = playing(move |mut conn| {
        let (go, tx) = (go.clone(), tx.clone());
        async move {
            go.raised().await;
            while let Some(frame) = conn.read_frame().await {
                tx.send(frame).unwrap();
            }
        }
    })
    .await;
    let watch = open(&peer.client()).await;
    let sender = watch.sender();
    let mut sent = 0;
    // Each is larger than what may be queued; the sockets' buffers take some.
    while timeout(Duration::from_millis(200), sender.subscribe(large(sent))).await.is_ok() {
        sent += 1;
        assert!(sent < 16, "32 MiB are sent to nobody");
    }
    assert!(sent > 0);
    read.raise();
    timeout(SOON, sender.refresh()).await.unwrap().unwrap();
    for nth in 0..sent {
        assert!(
            said(&mut heard)
                .await
                .starts_with(&format!(r#"{{"type":"subscribe","paths":["/{nth}/"#))
        );
    }
    assert_eq!(said(&mut heard).await, r#"{"type":"refresh"}"#);
}

#[tokio::test]
async fn a_message_of_4_mib_is_taken_and_a_larger_one_closes_with_1009() {
    let limit = Config::default().max_message_bytes as usize;
    let around = changes("[]").len() - 2;
    let sized = |size: usize| changes(&format!("[{}]", " ".repeat(size - around)));
    // The header of a long frame has ten bytes.
    assert_eq!(sized(limit).len(), limit + 10);
    let told = Flag::new();
    let raise = told.clone();
    let frames = [sized(limit), sized(limit + 1)].concat();
    let peer = playing(move |mut conn| {
        let (frames, raise) = (frames.clone(), raise.clone());
        async move {
            conn.send(frames).await;
            let code = close_codes::TOO_LARGE.to_be_bytes().to_vec();
            assert_eq!(conn.client_frame().await, Some((socket::CLOSE, code)));
            raise.raise();
            conn.gone().await;
        }
    })
    .await;
    let mut watch = open(&peer.client()).await;
    assert_eq!(roots(&mut watch).await, [""; 0]);
    let error = error(&mut watch).await;
    assert!(matches!(error, Error::TooLarge { limit_bytes } if limit_bytes == limit as u64));
    is_closed(watch.refresh().await);
    told.raised().await;
}

#[tokio::test]
async fn what_is_no_message_is_refused() {
    for frames in [
        text("{"),
        text("[]"),
        text(r#"{"scanned_at":"2026-01-31T12:00:00.000Z","repositories":[]}"#),
        text(r#"{"type":"changes","repositories":[]}"#),
        text(r#"{"type":"error"}"#),
        text(r#"{"type":"notice","code":7,"message":"m"}"#),
        changes(r#"[{"branch":"main"}]"#),
        changes("[7]"),
        frame(socket::BINARY, br#"{"type":"error","message":"m"}"#),
        frame(TEXT, b"\xff"),
    ] {
        let (peer, gone) = sending(vec![frames.clone()]).await;
        let mut watch = open(&peer.client()).await;
        let error = error(&mut watch).await;
        assert!(matches!(error, Error::Protocol { operation: "watch_git", .. }), "{error:?}");
        gone.raised_at_once().await;
    }
}

#[tokio::test]
async fn pings_are_answered_and_a_silent_peer_is_given_up() {
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
    let mut watch = open(&peer.client()).await;
    answered.raised().await;
    tokio::time::pause();
    let begin = tokio::time::Instant::now();
    // What is sent is no sign of the peer.
    watch.refresh().await.unwrap();
    let error = watch.next().await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Closed { code: None, .. }), "{error:?}");
    let (least, most) = (Duration::from_secs(44), Duration::from_secs(46));
    assert!((least..most).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    is_closed(watch.refresh().await);
}

#[tokio::test]
async fn a_lost_connection_ends_the_watch_and_its_senders() {
    for (frames, code) in [
        (vec![], None),
        (close(close_codes::GOING_AWAY, "restart"), Some(close_codes::GOING_AWAY)),
        (close(close_codes::INTERNAL, "defect"), Some(close_codes::INTERNAL)),
    ] {
        let peer = playing(move |mut conn| {
            let frames = frames.clone();
            async move { conn.send([changes("[]"), frames].concat()).await }
        })
        .await;
        let mut watch = open(&peer.client()).await;
        let sender = watch.sender();
        assert_eq!(roots(&mut watch).await, [""; 0]);
        let error = error(&mut watch).await;
        assert!(matches!(error, Error::Closed { code: told, .. } if told == code), "{error:?}");
        is_closed(sender.refresh().await);
    }
}

#[tokio::test]
async fn dropping_the_watch_or_closing_the_client_ends_it_and_wakes_its_senders() {
    for closes in [false, true] {
        let gone = Flag::new();
        let raise = gone.clone();
        let peer = playing(move |mut conn| {
            let raise = raise.clone();
            async move {
                conn.gone().await;
                raise.raise();
            }
        })
        .await;
        let client = peer.client();
        let watch = open(&client).await;
        let sender = watch.sender();
        // One that waits, and one that begins later.
        let waiting = Arc::new(tokio::sync::Notify::new());
        let (blocked, notify) = (sender.clone(), Arc::clone(&waiting));
        let sends = async move {
            loop {
                notify.notify_one();
                if let Err(error) = blocked.subscribe(large(0)).await {
                    return error;
                }
            }
        };
        let ends = async {
            waiting.notified().await;
            if closes {
                client.close();
                return Some(watch);
            }
            drop(watch);
            None
        };
        let (error, watch) = timeout(SOON, async { tokio::join!(sends, ends) }).await.unwrap();
        assert!(matches!(error, Error::Closed { code: None, .. }), "{error:?}");
        is_closed(sender.refresh().await);
        gone.raised_at_once().await;
        if let Some(mut watch) = watch {
            assert!(matches!(next(&mut watch).await, Some(Err(Error::Closed { .. }))));
        }
    }
}

#[tokio::test]
async fn an_answer_other_than_an_upgrade_is_the_agents_error() {
    for (status, code) in [
        ("400 Bad Request", ErrorCode::InvalidArgument),
        ("404 Not Found", ErrorCode::NotFound),
        ("429 Too Many Requests", ErrorCode::ResourceExhausted),
        ("503 Service Unavailable", ErrorCode::Unavailable),
    ] {
        let peer = Peer::answering(response(status, "", r#"{"message": "no"}"#)).await;
        let error = peer.client().watch_git(WatchGitRequest::default()).await.unwrap_err();
        assert!(
            matches!(&error, Error::Api { operation: "watch_git", code: told, .. } if *told == code),
            "{status}: {error:?}"
        );
    }
    // A shared stream has no WebSockets, and the agent is the one to say so.
    let (near, _tasks) = serve(|_| async {
        let body = Full::new(Bytes::from(r#"{"message": "use a WebSocket"}"#));
        Response::builder().status(426).body(body).unwrap()
    });
    let client = AgentClient::from_stream(near);
    let error = client.watch_git(WatchGitRequest::default()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::UpgradeRequired);
}
