//! A small HTTP client that shows what is on the wire, and the answers of a running agent.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::Value;

use crate::daemon::{Daemon, LONG, Setup};

/// An answer as it came.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// Sends a GET that closes the connection after its answer; HTTP/1.0, so nothing is chunked.
pub(crate) fn send(stream: &mut impl Write, path: &str, headers: &str) {
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n").unwrap();
}

/// Reads an answer to the end of the connection.
pub(crate) fn receive(stream: &mut impl Read) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let split = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(bytes[..split].to_vec()).unwrap();
    let status = head[9..12].parse().unwrap();
    Answer { status, head, body: bytes[split + 4..].to_vec() }
}

/// Asks over the Unix socket.
pub(crate) fn get(daemon: &Daemon, path: &str) -> Answer {
    let mut stream = daemon.connect();
    send(&mut stream, path, "");
    receive(&mut stream)
}

/// Asks over TCP.
pub(crate) fn get_tcp(daemon: &Daemon, path: &str, headers: &str) -> Answer {
    let mut stream = TcpStream::connect(daemon.tcp()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    send(&mut stream, path, headers);
    receive(&mut stream)
}

#[test]
fn tcp_takes_the_token_and_the_unix_socket_its_user() {
    let daemon = Setup::listening().start();
    let path = "/api/v0/lifecycle";
    let token = format!("Authorization: Bearer {}\r\n", daemon.token());
    assert_eq!(get_tcp(&daemon, path, "").status, 401);
    assert_eq!(get_tcp(&daemon, path, "Authorization: Bearer x\r\n").status, 401);
    assert_eq!(get_tcp(&daemon, &format!("{path}?token={}", daemon.token()), "").status, 401);
    for answer in [get_tcp(&daemon, path, &token), get(&daemon, path)] {
        assert_eq!((answer.status, answer.json()["state"].as_str()), (200, Some("ready")));
        assert!(answer.head.contains("x-content-type-options: nosniff"), "{}", answer.head);
    }
    for public in ["/", "/healthz"] {
        assert_eq!(get_tcp(&daemon, public, "").status, 200, "{public}");
    }
}

#[test]
fn no_auth_serves_a_loopback_address_without_the_token() {
    let daemon = Setup::listening().arg("--no-auth").start();
    assert_eq!(get_tcp(&daemon, "/api/v0/lifecycle", "").status, 200);
}

#[test]
fn a_token_file_replaces_the_own_token() {
    let setup = Setup::listening();
    let file = setup.dir.path().join("secret");
    std::fs::write(&file, "of my own\n").unwrap();
    let daemon = setup.arg(&format!("--token-file={}", file.display())).start();
    let path = "/api/v0/lifecycle";
    assert_eq!(get_tcp(&daemon, path, "Authorization: Bearer of my own\r\n").status, 200);
    assert_eq!(get_tcp(&daemon, path, "Authorization: Bearer of my own!\r\n").status, 401);
}

#[test]
fn an_allowed_origin_is_answered_and_others_are_not() {
    let daemon = Setup::listening().arg("--allow-origin=https://ide.example").start();
    let allowed = get(&daemon, "/healthz");
    assert_eq!(allowed.status, 200);
    let mut stream = daemon.connect();
    send(&mut stream, "/healthz", "Origin: https://ide.example\r\n");
    assert_eq!(receive(&mut stream).status, 200);
    let mut stream = daemon.connect();
    send(&mut stream, "/healthz", "Origin: https://evil.example\r\n");
    assert_eq!(receive(&mut stream).status, 403);
}

#[test]
fn the_states_are_told_with_their_times() {
    let daemon = Setup::listening().start();
    let lifecycle = get(&daemon, "/api/v0/lifecycle").json();
    let history = lifecycle["history"].as_array().unwrap();
    let states: Vec<&str> = history.iter().map(|h| h["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["created", "starting", "ready"]);
    assert_eq!(lifecycle["scripts"], serde_json::json!([]));
}

#[test]
fn the_configuration_in_effect_is_shown_without_values_of_variables() {
    let setup = Setup::listening()
        .file("request_grace = \"7s\"\nmax_requests = 9\n[env]\nA = \"hidden value\"\nB = \"\"\n")
        .variable("AGENTD_MAX_REQUESTS", "11")
        .arg("--workspace-name=mine");
    let config_file = setup.config_file();
    let daemon = setup.start();
    for path in ["/debug/config", "/debug/manifest"] {
        let answer = get(&daemon, path);
        let config = answer.json();
        assert_eq!(config["request_grace"], "7s");
        assert_eq!(config["max_requests"], 11);
        assert_eq!(config["workspace_name"], "mine");
        assert_eq!(config["config"], config_file.to_str().unwrap());
        assert_eq!(config["env"], serde_json::json!({"A": "***REDACTED***", "B": ""}));
        assert!(!answer.text().contains("hidden value"));
    }
}

#[test]
fn metrics_count_requests_by_operation() {
    let daemon = Setup::listening().start();
    get(&daemon, "/api/v0/lifecycle");
    get(&daemon, "/no/such/route");
    let answer = get(&daemon, "/debug/prometheus");
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
    let text = answer.text();
    for line in [
        "agent_http_requests_total{operation=\"get_lifecycle\",status=\"200\"} 1",
        "agent_http_requests_total{operation=\"unknown\",status=\"404\"} 1",
        "agent_lifecycle_state{state=\"ready\"} 1",
    ] {
        assert!(text.lines().any(|got| got == line), "{line} is not in\n{text}");
    }
    // Connections of earlier requests may still be closing.
    assert!(text.contains("agent_open_connections{listener=\"unix\"} "), "{text}");
}

#[test]
fn an_agent_without_mesh_answers_unsupported() {
    let daemon = Setup::listening().start();
    assert_eq!(get(&daemon, "/debug/mesh").status, 501);
    assert_eq!(get(&daemon, "/debug/magicsock/debug-logging/1").status, 501);
    assert_eq!(get(&daemon, "/debug/mesh/debug-logging/on").status, 400);
}
