//! The routes behind a server, on an engine that tells what it is told to.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use agent_api::{ErrorBody, ListContainersResponse};
use agent_exec::{Environment, Launcher};
use agent_http::{Access, Peer, Server};
use futures_util::StreamExt;
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error as SocketError, Message},
};
use uuid::Uuid;

use crate::{
    Config, ConfiguredDevContainer, Containers, Workspace,
    engine::fake::{Answer, FakeEngine},
};

const WAIT: Duration = Duration::from_secs(30);
const AGENT: Uuid = Uuid::from_u128(0xaaaa_aaaa_aaaa_aaaa_aaaa_1234_5678_9abc);
const FIRST: Uuid = Uuid::from_u128(1);
const MANAGED: Uuid = Uuid::from_u128(2);
const UNKNOWN: Uuid = Uuid::from_u128(9);

/// A workspace in which no command is found.
#[derive(Debug)]
struct Bare;

impl Workspace for Bare {
    fn cli_environment(&self) -> Environment {
        let mut env = Environment::new();
        env.set("PATH", "/nowhere");
        env
    }

    fn agent_variables(&self) -> Vec<(OsString, OsString)> {
        Vec::new()
    }
}

struct Site {
    dir: TempDir,
    engine: FakeEngine,
    containers: Containers,
    server: Server,
}

fn configured(folder: &Path, id: Uuid, agent_id: Option<Uuid>) -> ConfiguredDevContainer {
    ConfiguredDevContainer {
        workspace_folder: folder.to_owned(),
        id: Some(id),
        config_path: None,
        name: None,
        agent_id,
        autostart: false,
    }
}

impl Site {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::start());
        let mut config = Config::new(AGENT, dir.path().join("state"), dir.path());
        config.engine = engine.source().engine;
        config.dev_containers = vec![
            configured(&dir.path().join("first"), FIRST, None),
            configured(&dir.path().join("managed"), MANAGED, Some(UNKNOWN)),
        ];
        change(&mut config);
        let launcher = Launcher::new(agent_exec::Config::default());
        let containers = Containers::new(config, launcher, Arc::new(Bare));
        let router = axum::Router::new().nest("/api/v0", super::routes(containers.clone()));
        let config = agent_http::Config::default();
        let server = Server::new(router, Access::default(), config, Arc::new(()));
        Self { dir, engine, containers, server }
    }

    fn connect(&self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(64 * 1024);
        self.server.connect(far, Peer::in_process());
        near
    }

    /// Asks below `/api/v0/containers`, by HTTP/1.0 so that nothing is chunked; answers the head and
    /// the body.
    async fn ask(&self, request: &str, headers: &str) -> (String, String) {
        let (method, path) = request.split_once(' ').unwrap();
        let mut near = self.connect();
        let head = format!(
            "{method} /api/v0/containers{path} HTTP/1.0\r\nHost: localhost\r\n{headers}Content-Length: 0\r\n"
        );
        near.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(WAIT, near.read_to_string(&mut answer)).await.unwrap().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    async fn status(&self, request: &str) -> (u16, ErrorBody) {
        let (head, body) = self.ask(request, "").await;
        (status(&head), serde_json::from_str(&body).unwrap_or_default())
    }

    async fn check(&self, request: &str, expected: u16, fragment: &str) {
        let (status, body) = self.status(request).await;
        assert_eq!(status, expected, "{request}: {body:?}");
        let texts = format!("{body:?}");
        assert!(texts.contains(fragment), "{request}: {fragment:?} in {texts}");
    }

    async fn list(&self, path: &str) -> ListContainersResponse {
        let (head, body) = self.ask(&format!("GET {path}"), "").await;
        assert_eq!(status(&head), 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    async fn names(&self, path: &str) -> Vec<String> {
        self.list(path).await.containers.into_iter().map(|container| container.name).collect()
    }

    /// Opens a WebSocket; answers the status when it is refused.
    async fn open(&self, path: &str) -> Result<Socket, u16> {
        let url = format!("ws://localhost/api/v0/containers{path}");
        match timeout(WAIT, client_async(url, self.connect())).await.unwrap() {
            Ok((socket, _)) => Ok(Socket(socket)),
            Err(SocketError::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    fn write_log(&self, id: Uuid) -> [String; 2] {
        let directory = self.dir.path().join("state/devcontainers");
        std::fs::create_dir_all(&directory).unwrap();
        let entry = |text: &str| {
            let at = "2030-01-02T03:04:05.678Z";
            json!({"at": at, "level": "info", "text": text}).to_string()
        };
        let lines = [entry("first"), entry("ä \"second\"")];
        let path: PathBuf = directory.join(format!("{id}.1.log"));
        std::fs::write(path, lines.join("\n") + "\n").unwrap();
        lines
    }
}

struct Socket(WebSocketStream<DuplexStream>);

impl Socket {
    async fn text(&mut self) -> String {
        match timeout(WAIT, self.0.next()).await.unwrap().unwrap().unwrap() {
            Message::Text(text) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    async fn list(&mut self) -> ListContainersResponse {
        serde_json::from_str(&self.text().await).unwrap()
    }

    async fn close_code(&mut self) -> u16 {
        match timeout(WAIT, self.0.next()).await.unwrap().unwrap().unwrap() {
            Message::Close(Some(frame)) => frame.code.into(),
            other => panic!("{other:?}"),
        }
    }
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn without_containers_every_request_says_why() {
    for (is_nested, message) in [
        (false, "containers are not enabled"),
        (true, "containers are not supported inside a dev container"),
    ] {
        let site = Site::with(|config| {
            config.enabled = is_nested;
            config.is_nested = is_nested;
        });
        for request in [
            "GET ",
            "GET /",
            "GET ?label=&x=1",
            "PUT /",
            "GET /watch",
            "POST /devcontainers/x/recreate",
            "DELETE /devcontainers//",
            "DELETE /devcontainers/1/",
            "GET /devcontainers/1/logs",
            "GET /devcontainers/1/agent",
            "PATCH /of/tomorrow/",
            "OPTIONS /x",
        ] {
            let (status, body) = site.status(request).await;
            assert_eq!((status, body.message.as_str()), (403, message), "{request}");
            if !is_nested {
                assert!(body.detail.unwrap().contains("containers.enabled"), "{request}");
            }
        }
        assert_eq!(site.engine.requests("").len(), 0);
        assert_eq!(site.status("HEAD /").await.0, 403);
        assert_eq!(site.open("/watch").await.err(), Some(403));
    }
}

#[tokio::test]
async fn containers_are_listed_with_all_labels_that_are_asked_for() {
    let site = Site::new();
    let numbers = [1, 2, 3];
    for number in numbers {
        let id = site.engine.add(number);
        site.engine.change(&id, |container| {
            container["Config"]["Labels"]["a b"] = json!(format!("{}=&", number % 2));
        });
    }
    assert_eq!(site.names("").await, ["c3", "c2", "c1"]);
    assert_eq!(site.names("/").await, ["c3", "c2", "c1"]);
    assert_eq!(site.names("?label=n").await, ["c3", "c2", "c1"]);
    assert_eq!(site.names("/?label=n=2").await, ["c2"]);
    assert_eq!(site.names("?label=a+b=1%3D%26&label=n").await, ["c3", "c1"]);
    assert_eq!(site.names("?label=a+b=1%3D%26&label=n=1&label=n=1").await, ["c1"]);
    assert_eq!(site.names("?label=a+b=1&label=n=1").await, [""; 0]);
    let list = site.list("?label=none").await;
    assert_eq!((list.containers.len(), list.devcontainers.len()), (0, 2));
}

#[tokio::test]
async fn a_bad_query_is_refused_with_its_parameter() {
    let site = Site::new();
    for (request, field) in [
        ("GET ?label=", "\"label\""),
        ("GET ?label", "\"label\""),
        ("GET ?label==x", "\"label\""),
        ("GET ?label=a&label=", "\"label\""),
        ("GET ?label=%ff", "\"label\""),
        ("GET ?labels=a", "\"labels\""),
        ("GET /watch?label==", "\"label\""),
        ("GET /devcontainers/1/logs?follow=1", "\"follow\""),
        ("GET /devcontainers/1/logs?follow=true&follow=true", "\"follow\""),
        ("POST /devcontainers/1/recreate?x=1", "\"x\""),
        ("DELETE /devcontainers/1?x=1", "\"x\""),
        ("GET /devcontainers/1/agent?x=1", "\"x\""),
    ] {
        if request.contains("watch") {
            // The handshake is looked at first: see the test of the watch.
            assert_eq!(site.open(request.trim_start_matches("GET ")).await.err(), Some(400));
        } else {
            site.check(request, 400, field).await;
        }
    }
}

#[tokio::test]
async fn an_id_is_checked_before_anything_else() {
    let site = Site::new();
    for (method, suffixes) in [
        ("POST", &["/recreate"][..]),
        ("DELETE", &["", "/"][..]),
        ("GET", &["/logs", "/agent"][..]),
    ] {
        for suffix in suffixes {
            let request = |id: &str| format!("{method} /devcontainers/{id}{suffix}");
            for bad in ["", "x", "%ff", "1", &format!("{FIRST}0")] {
                site.check(&request(bad), 400, "UUID").await;
            }
            site.check(&request(&UNKNOWN.to_string()), 404, &UNKNOWN.to_string()).await;
        }
    }
    site.check(&format!("POST /devcontainers/{MANAGED}/recreate"), 403, "managed").await;
    site.check(&format!("DELETE /devcontainers/{MANAGED}"), 403, "managed").await;
    let installing = "npm install -g @devcontainers/cli";
    site.check(&format!("POST /devcontainers/{FIRST}/recreate"), 501, installing).await;
    assert_eq!(site.status(&format!("GET /devcontainers/{FIRST}")).await.0, 405);
    assert_eq!(site.status("GET /of/tomorrow").await.0, 404);
    assert_eq!(site.status("GET /devcontainers").await.0, 404);
    let (head, body) = site.ask(&format!("DELETE /devcontainers/{FIRST}/"), "").await;
    assert_eq!((status(&head), body.as_str()), (204, ""));
    site.check(&format!("DELETE /devcontainers/{FIRST}"), 404, "").await;
}

#[tokio::test]
async fn the_way_to_the_agent_inside_has_its_order_of_checks() {
    let site = Site::new();
    let upgrade = |protocol: &str| format!("Connection: Upgrade\r\nUpgrade: {protocol}\r\n");
    for (id, headers, expected, fragment) in [
        (UNKNOWN, upgrade("tcp"), 404, ""),
        (FIRST, String::new(), 400, "missing upgrade"),
        (FIRST, upgrade("udp"), 400, "invalid upgrade"),
        (FIRST, upgrade("TCP"), 409, "no agent"),
    ] {
        let (method, path) = ("GET", format!("/api/v0/containers/devcontainers/{id}/agent"));
        let mut near = site.connect();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        near.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        while !answer.ends_with('}') {
            answer.push(char::from(timeout(WAIT, near.read_u8()).await.unwrap().unwrap()));
        }
        assert_eq!(status(&answer), expected, "{answer}");
        assert!(answer.contains(fragment), "{answer}");
    }
}

#[tokio::test]
async fn an_engine_that_fails_is_the_answer_also_before_an_upgrade() {
    let site = Site::new();
    site.engine.answer("GET /containers/json", Answer::Says(500, r#"{"message":"hm"}"#.to_owned()));
    site.check("GET ", 500, "could not get containers").await;
    assert_eq!(site.open("/watch").await.err(), Some(500));
    site.engine.answer_truly();
    assert_eq!(site.names("").await, [""; 0]);
}

#[tokio::test]
async fn a_watch_sends_whole_answers_whenever_something_changed() {
    let site = Site::new();
    site.engine.add(1);
    site.check("GET /watch", 426, "").await;
    site.check("GET /watch?x=1", 400, "\"x\"").await;
    let mut all = site.open("/watch").await.unwrap();
    let mut none = site.open("/watch?label=none").await.unwrap();
    let first = all.list().await;
    assert_eq!((first.containers.len(), first.devcontainers.len()), (1, 2));
    assert_eq!(none.list().await.containers.len(), 0);
    site.engine.listeners(1).await;
    let id = site.engine.add(2);
    site.engine.tell("start", &id);
    assert_eq!(all.list().await.containers.len(), 2);
    site.engine.remove(&id);
    site.engine.tell("destroy", &id);
    assert_eq!(all.list().await.containers, first.containers);
    site.containers.shutdown().await;
    assert_eq!(all.close_code().await, 1001);
    assert_eq!(none.close_code().await, 1001, "nothing that it asked for has changed");
}

#[tokio::test]
async fn a_log_comes_as_lines_events_or_messages() {
    let site = Site::new();
    let path = format!("/devcontainers/{FIRST}/logs");
    let (head, body) = site.ask(&format!("GET {path}"), "").await;
    assert_eq!((status(&head), body.as_str()), (200, ""), "there is none yet");
    let [first, second] = site.write_log(FIRST);
    for query in ["", "?follow=true", "?follow=false"] {
        let (head, body) = site.ask(&format!("GET {path}{query}"), "").await;
        let head = head.to_lowercase();
        assert!(head.contains("\r\ncontent-type: application/x-ndjson\r\n"), "{head}");
        assert_eq!(body, format!("{first}\n{second}\n"));
    }
    let (head, body) = site.ask(&format!("GET {path}"), "Accept: text/event-stream\r\n").await;
    assert!(head.to_lowercase().contains("\r\ncontent-type: text/event-stream\r\n"), "{head}");
    let events = format!("event: entry\ndata: {first}\n\nevent: entry\ndata: {second}\n\n");
    assert_eq!(body, format!("{events}event: closed\ndata: {{}}\n\n"));
    let mut socket = site.open(&format!("{path}?follow=true")).await.unwrap();
    for line in [&first, &second] {
        let message = line.replacen('{', "{\"type\":\"entry\",", 1);
        assert_eq!(socket.text().await, message);
    }
    assert_eq!(socket.close_code().await, 1000);
    let unknown = format!("/devcontainers/{UNKNOWN}/logs");
    assert_eq!(site.open(&unknown).await.err(), Some(404));
}
