//! Containers on the wire: how they are asked for and watched, and the agent in a dev container.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use agent_sdk::{
    AgentClient, AgentConn, Config, ContainersWatch, Error, Reconnect,
    api::{
        DevContainerLogLevel, DevContainerStatus, ErrorCode, ListContainersRequest,
        ListContainersResponse, close_codes,
    },
    follow_containers,
};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use tokio::{net::TcpStream, sync::mpsc, time::timeout};
use uuid::Uuid;

use crate::{
    peer::{Conn, Flag, Peer, Received, SOON, ok_json, response},
    shared::serve,
    socket::{BINARY, CLOSE, close, frame, text},
    streams::{playing, sending},
};

const ID: &str = "644843b5-06b1-5f62-b7eb-613019c35e4e";

fn id() -> Uuid {
    ID.parse().unwrap()
}

fn everything() -> ListContainersRequest {
    ListContainersRequest::default()
}

/// A list of one dev container, as text of the wire.
fn list(name: &str) -> String {
    format!(
        r#"{{"devcontainers": [{{"id": "{ID}", "name": "{name}", "workspace_folder": "/w",
            "status": "of_tomorrow", "dirty": false, "container": null, "mood": "good"}}],
            "containers": null}}"#
    )
}

fn name(list: &ListContainersResponse) -> &str {
    &list.devcontainers[0].name
}

async fn next(watch: &mut ContainersWatch) -> Option<Result<ListContainersResponse, Error>> {
    timeout(SOON, watch.next()).await.unwrap()
}

async fn open(client: &AgentClient) -> ContainersWatch {
    timeout(SOON, client.watch_containers(everything())).await.unwrap().unwrap()
}

/// The error that ends a watch; nothing follows it.
async fn error(watch: &mut ContainersWatch) -> Error {
    let error = next(watch).await.unwrap().unwrap_err();
    assert!(next(watch).await.is_none());
    error
}

#[tokio::test]
async fn a_list_is_asked_for_with_its_labels_and_read() {
    let (peer, mut requests) = Peer::recording(&list("web")).await;
    let request = ListContainersRequest { label: vec!["a=b c".into(), "a=d".into(), "e".into()] };
    let answer = peer.client().list_containers(request).await.unwrap();
    let line = requests.recv().await.unwrap().line;
    assert_eq!(line, "GET /api/v0/containers?label=a%3Db+c&label=a%3Dd&label=e HTTP/1.1");
    let [dev] = &answer.devcontainers[..] else { panic!("{answer:?}") };
    assert_eq!((dev.id, dev.name.as_str()), (id(), "web"));
    assert_eq!((dev.status, &dev.container), (DevContainerStatus::Unknown, &None));
}

#[tokio::test]
async fn lists_that_are_null_are_empty() {
    let (peer, _requests) = Peer::recording(r#"{"devcontainers": null, "containers": null}"#).await;
    let answer = peer.client().list_containers(everything()).await.unwrap();
    assert_eq!(answer, ListContainersResponse::default());
    let container = r#"{"id": "4f", "name": "cat", "image": "i", "labels": null, "running": true,
        "ports": null, "status": "running", "state": "running", "volumes": null,
        "created_at": "2030-01-02T03:04:05.000Z"}"#;
    let json = format!(r#"{{"containers": [{container}], "warnings": null}}"#);
    let (peer, _requests) = Peer::recording(&json).await;
    let answer = peer.client().list_containers(everything()).await.unwrap();
    let [container] = &answer.containers[..] else { panic!("{answer:?}") };
    assert!(container.labels.is_empty() && container.ports.is_empty());
}

#[tokio::test]
async fn a_recreation_is_a_202_and_a_deletion_a_204() {
    let message = r#"{"message": "dev container recreation initiated", "detail": "d"}"#;
    let peer = Peer::answering(response("202 Accepted", "", message)).await;
    let answer = peer.client().recreate_dev_container(id()).await.unwrap();
    assert_eq!(answer.detail, "d");
    let peer = Peer::answering(response("204 No Content", "", "")).await;
    peer.client().delete_dev_container(id()).await.unwrap();
    // Another success is not theirs.
    let (peer, mut requests) = Peer::recording(message).await;
    let client = peer.client();
    let wrong = client.recreate_dev_container(id()).await.unwrap_err();
    assert!(matches!(wrong, Error::Protocol { .. }), "{wrong:?}");
    let wrong = client.delete_dev_container(id()).await.unwrap_err();
    assert!(matches!(wrong, Error::Protocol { .. }), "{wrong:?}");
    for line in [
        format!("POST /api/v0/containers/devcontainers/{ID}/recreate HTTP/1.1"),
        format!("DELETE /api/v0/containers/devcontainers/{ID} HTTP/1.1"),
    ] {
        assert_eq!(requests.recv().await.unwrap().line, line);
    }
}

#[tokio::test]
async fn what_the_agent_refuses_is_its_error() {
    for (status, code) in [
        ("403 Forbidden", ErrorCode::PermissionDenied),
        ("404 Not Found", ErrorCode::NotFound),
        ("409 Conflict", ErrorCode::Conflict),
        ("500 Internal Server Error", ErrorCode::Internal),
        ("501 Not Implemented", ErrorCode::Unsupported),
        ("502 Bad Gateway", ErrorCode::BadGateway),
    ] {
        let peer = Peer::answering(response(status, "", r#"{"message": "no"}"#)).await;
        let client = peer.client();
        let errors = [
            client.list_containers(everything()).await.unwrap_err(),
            client.watch_containers(everything()).await.unwrap_err(),
            client.recreate_dev_container(id()).await.unwrap_err(),
            client.delete_dev_container(id()).await.unwrap_err(),
            client.dev_container_logs(id(), true).await.unwrap_err(),
            client.connect_dev_container(id()).await.unwrap_err(),
            client.dev_container(ID).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.code(), code, "{error}");
            assert!(error.to_string().ends_with(": no"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_log_is_read_entry_by_entry() {
    let line = |level: &str| {
        format!(
            "{{\"at\": \"2030-01-02T03:04:05.678Z\", \"level\": \"{level}\", \"text\": \"t\"}}\n"
        )
    };
    let body = ["info", "error", "of_tomorrow"].map(line).concat();
    let (tx, mut requests) = mpsc::unbounded_channel();
    let peer = Peer::start(move |_, mut conn| {
        let (tx, body) = (tx.clone(), body.clone());
        async move {
            tx.send(conn.request().await.unwrap().line).unwrap();
            conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            for piece in body.as_bytes().chunks(50) {
                conn.send(format!("{:x}\r\n", piece.len())).await;
                conn.send(piece).await;
                conn.send("\r\n").await;
            }
            conn.send("0\r\n\r\n").await;
            conn.gone().await;
        }
    })
    .await;
    let client = peer.client();
    for (follow, query) in [(false, "?follow=false"), (true, "?follow=true")] {
        let logs = client.dev_container_logs(id(), follow).await.unwrap();
        let levels = logs.map_ok(|entry| entry.level).try_collect::<Vec<_>>();
        let levels = timeout(SOON, levels).await.unwrap().unwrap();
        use DevContainerLogLevel::{Error, Info, Unknown};
        assert_eq!(levels, [Info, Error, Unknown]);
        let line = requests.recv().await.unwrap();
        assert_eq!(line, format!("GET /api/v0/containers/devcontainers/{ID}/logs{query} HTTP/1.1"));
    }
}

#[tokio::test]
async fn a_log_that_breaks_is_an_error() {
    let peer = Peer::start(|_, mut conn| async move {
        conn.request().await.unwrap();
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    })
    .await;
    let mut logs = peer.client().dev_container_logs(id(), true).await.unwrap();
    let error = timeout(SOON, logs.next()).await.unwrap().unwrap().unwrap_err();
    assert!(matches!(error, Error::Closed { code: None, .. }), "{error:?}");
    assert!(logs.next().await.is_none());
}

#[tokio::test]
async fn a_watch_gives_lists_until_the_agent_leaves() {
    let frames = vec![text(&list("a")), text(&list("b")), close(close_codes::GOING_AWAY, "bye")];
    let (peer, _gone) = sending(frames).await;
    let mut watch = open(&peer.client()).await;
    for expected in ["a", "b"] {
        assert_eq!(name(&next(&mut watch).await.unwrap().unwrap()), expected);
    }
    let ended = error(&mut watch).await;
    let is_leaving =
        matches!(&ended, Error::Closed { code: Some(1001), reason } if reason == "bye");
    assert!(is_leaving, "{ended:?}");
}

#[tokio::test]
async fn what_is_no_list_ends_a_watch() {
    for wrong in [frame(BINARY, b"{}"), text("["), text(r#"{"devcontainers": 7}"#)] {
        let (peer, _gone) = sending(vec![wrong]).await;
        let ended = error(&mut open(&peer.client()).await).await;
        assert!(
            matches!(ended, Error::Protocol { operation: "watch_containers", .. }),
            "{ended:?}"
        );
    }
}

#[tokio::test]
async fn a_list_of_4_mib_is_taken_and_a_larger_one_is_not() {
    const MOST: usize = 4 * 1024 * 1024;
    let padded = |length: usize| {
        let mut bytes = list("web").into_bytes();
        bytes.resize(length, b' ');
        bytes
    };
    let (tx, mut told) = mpsc::unbounded_channel();
    let peer = playing(move |mut conn| {
        let tx = tx.clone();
        async move {
            conn.send(frame(1, &padded(MOST))).await;
            conn.send(frame(1, &padded(MOST + 1))).await;
            tx.send(conn.client_frame().await).unwrap();
        }
    })
    .await;
    let mut watch = open(&peer.client()).await;
    assert_eq!(name(&next(&mut watch).await.unwrap().unwrap()), "web");
    let ended = error(&mut watch).await;
    assert!(matches!(ended, Error::TooLarge { limit_bytes: 4_194_304 }), "{ended:?}");
    let (opcode, payload) = told.recv().await.unwrap().unwrap();
    assert_eq!((opcode, &payload[..2]), (CLOSE, &1009_u16.to_be_bytes()[..]));
}

#[tokio::test]
async fn a_dropped_watch_closes_its_connection() {
    let (peer, gone) = sending(vec![text(&list("a"))]).await;
    let client = peer.client();
    drop(open(&client).await);
    gone.raised_at_once().await;
}

#[tokio::test]
async fn a_shared_stream_has_no_watch_and_no_agents_inside() {
    let (near, _server) = serve(|_| async {
        let body = r#"{"message": "upgrade required"}"#;
        http::Response::builder()
            .status(426)
            .body(http_body_util::Full::new(Bytes::from_static(body.as_bytes())))
            .unwrap()
    });
    let client = AgentClient::from_stream(near);
    let refused = client.watch_containers(everything()).await.unwrap_err();
    assert_eq!(refused.to_string(), "watch_containers: upgrade required");
    let refused = client.connect_dev_container(id()).await.unwrap_err();
    assert_eq!(refused.to_string(), "connect_dev_container: upgrade required");
}

#[tokio::test]
async fn a_watch_goes_on_after_a_lost_connection_and_repeats_nothing() {
    let connections = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&connections);
    let peer = playing(move |mut conn| {
        let nth = count.fetch_add(1, Ordering::SeqCst);
        async move {
            let names: &[&str] =
                [&["a"][..], &[], &["a", "b"]].get(nth).unwrap_or(&&["b", "c"][..]);
            for name in names {
                conn.send(text(&list(name))).await;
            }
            if nth > 2 {
                conn.gone().await;
            }
        }
    })
    .await;
    let client = peer.client();
    let lists = follow_containers(&client as &dyn AgentConn, everything(), Reconnect::default());
    let three = lists.take(3).map_ok(|list| name(&list).to_owned()).try_collect::<Vec<_>>();
    assert_eq!(timeout(SOON, three).await.unwrap().unwrap(), ["a", "b", "c"]);
    assert_eq!(connections.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn the_first_failure_of_a_watch_and_what_waiting_cannot_help_end_it() {
    let peer = Peer::answering(response("403 Forbidden", "", r#"{"message": "off"}"#)).await;
    let client = peer.client();
    let mut lists = follow_containers(&client, everything(), Reconnect::default());
    let error = timeout(SOON, lists.next()).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.code(), ErrorCode::PermissionDenied);
    assert!(lists.next().await.is_none());

    let (peer, _gone) = sending(vec![text(&list("a")), text("[")]).await;
    let client = peer.client();
    let lists = follow_containers(&client, everything(), Reconnect::default());
    let results = timeout(SOON, lists.collect::<Vec<_>>()).await.unwrap();
    assert!(matches!(&results[..], [Ok(_), Err(Error::Protocol { .. })]), "{results:?}");
}

/// A peer whose connections become those of an agent inside, which answers each request with its
/// first line as a greeting and hands over the request.
async fn outside() -> (Peer, mpsc::UnboundedReceiver<Received>, Flag) {
    let (tx, requests) = mpsc::unbounded_channel();
    let gone = Flag::new();
    let raise = gone.clone();
    let peer = Peer::start(move |_, conn| inside(conn, tx.clone(), raise.clone())).await;
    (peer, requests, gone)
}

async fn inside(mut conn: Conn<TcpStream>, tx: mpsc::UnboundedSender<Received>, gone: Flag) {
    tx.send(conn.request().await.unwrap()).unwrap();
    let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    conn.send(head).await;
    while let Some(request) = conn.request().await {
        let answer = ok_json(&serde_json::json!({ "message": request.line }).to_string());
        tx.send(request).unwrap();
        conn.send(answer).await;
    }
    gone.raise();
}

#[tokio::test]
async fn the_agent_inside_is_asked_through_the_one_outside() {
    let (peer, mut requests, gone) = outside().await;
    let headers = agent_sdk::headers_from([("x-a", "1")]).unwrap();
    let token = agent_sdk::Token::new("hunter2").unwrap();
    let config = Config { extra_headers: headers, ..Config::default() };
    let client = AgentClient::connect(peer.target().with_token(token), config).unwrap();
    let inner = client.connect_dev_container(id()).await.unwrap();
    let upgrade = requests.recv().await.unwrap();
    let line = format!("GET /api/v0/containers/devcontainers/{ID}/agent HTTP/1.1");
    assert_eq!((&upgrade.line, upgrade.header("upgrade")), (&line, Some("tcp")));

    for _ in 0..2 {
        assert_eq!(inner.get_greeting().await.unwrap().message, "GET / HTTP/1.1");
        let request = requests.recv().await.unwrap();
        assert_eq!(request.header("host"), Some("localhost"));
        assert_eq!(request.header("x-a"), Some("1"), "headers go along");
        assert_eq!(request.header("authorization"), None, "the token is for the agent outside");
    }
    assert_eq!(peer.accepted(), 1, "the first connection is kept for the next request");

    // Both ask at once, so one of them needs another connection.
    let both = tokio::join!(inner.get_greeting(), inner.get_greeting());
    assert!(both.0.is_ok() && both.1.is_ok());
    assert_eq!(peer.accepted(), 2);

    drop(inner);
    gone.raised().await;
    assert!(!client.is_closed());
}

#[tokio::test]
async fn closing_the_agent_outside_closes_the_one_inside_and_not_the_reverse() {
    let (peer, _requests, _gone) = outside().await;
    let client = peer.client();
    let first = client.connect_dev_container(id()).await.unwrap();
    let second = client.dev_container(ID).await.unwrap();
    first.close();
    assert!(first.is_closed() && !client.is_closed() && !second.is_closed());
    second.get_greeting().await.unwrap();
    client.close();
    let error = second.get_greeting().await.unwrap_err();
    assert!(second.is_closed() && matches!(error, Error::Closed { .. }), "{error:?}");
}

#[tokio::test]
async fn an_agent_inside_may_have_one_inside_itself() {
    // Each connection is upgraded twice before it answers.
    let peer = Peer::start(|_, mut conn| async move {
        let head =
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
        for _ in 0..2 {
            conn.request().await.unwrap();
            conn.send(head).await;
        }
        conn.request().await.unwrap();
        conn.send(ok_json(r#"{"message": "deep"}"#)).await;
        conn.gone().await;
    })
    .await;
    let middle = Peer::client(&peer).connect_dev_container(id()).await.unwrap();
    let inner = middle.connect_dev_container(id()).await.unwrap();
    assert_eq!(inner.get_greeting().await.unwrap().message, "deep");
    assert!(format!("{inner:?}").contains(&format!("dev container {ID} of dev container {ID} of")));
}
