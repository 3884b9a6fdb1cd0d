//! The routes behind a server, as a client of HTTP/1.1 sees them.

use std::{sync::Arc, time::Duration};

use agent_http::{Access, Config as ServerConfig, Peer, Server, Token, Trust};
use agent_ports::{Config, Ports};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    net::UdpSocket,
};

use crate::fixture::{Full, dial, listen, ports, soon, spawn};

fn server(ports: &Ports) -> Server {
    let router = axum::Router::new().nest("/api/v0", agent_ports::http::routes(ports.clone()));
    let token = Token::from_file_content(b"secret").unwrap();
    let access = Access { token: Some(token), ..Access::default() };
    Server::new(router, access, ServerConfig::default(), Arc::new(()))
}

/// Sends a request and reads the head of its answer.
async fn ask(server: &Server, path: &str, headers: &str) -> (String, DuplexStream) {
    ask_as(server, Peer::in_process(), path, headers).await
}

async fn ask_as(server: &Server, peer: Peer, path: &str, headers: &str) -> (String, DuplexStream) {
    let (mut near, far) = tokio::io::duplex(64 * 1024);
    server.connect(far, peer);
    let request = format!("GET /api/v0{path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    near.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(near.read_u8()).await.unwrap());
    }
    (String::from_utf8(head).unwrap(), near)
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

async fn check_error(server: &Server, path: &str, headers: &str, code: u16, fragment: &str) {
    let (head, mut stream) = ask(server, path, headers).await;
    assert_eq!(status(&head), code, "{path} {headers:?}");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
    });
    let mut body = vec![0; length.unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    let body = String::from_utf8(body).unwrap();
    assert!(body.contains(fragment), "{path} {headers:?}: {body}");
}

const TCP: &str = "Connection: Upgrade\r\nUpgrade: tcp\r\n";
const UDP: &str = "Connection: Upgrade\r\nUpgrade: udp\r\n";

#[tokio::test]
async fn the_checks_have_their_order() {
    let ports = ports(Config { max_tunnels: 1, ..Config::default() });
    let server = server(&ports);
    let (listener, free) = listen("127.0.0.1").await.unwrap();
    drop(listener);
    let free = format!("/tcp/{free}");
    let cases = [
        ("/tcp/70000", "", "invalid port"),
        ("/tcp/03000", TCP, "invalid port"),
        ("/tcp/%FF", TCP, "invalid port"),
        ("/tcp/-1", TCP, "invalid port"),
        ("/tcp/0", "", "unsupported port"),
        ("/tcp/7", TCP, "unsupported port"),
        ("/tcp/8", TCP, "9 to 65535"),
        ("/tcp/22", TCP, "unsupported port"),
        (&free, "", "missing upgrade"),
        (&free, "Upgrade: tcp\r\n", "missing upgrade"),
        (&free, UDP, "invalid upgrade"),
        ("/udp/65536", "", "invalid port"),
        ("/udp/8", UDP, "unsupported port"),
        ("/udp/9", "", "missing upgrade"),
        ("/udp/9", TCP, "invalid upgrade"),
        ("/tcp/3000?x=1", TCP, "x"),
        ("/listening-ports?x=1", "", "x"),
    ];
    for (path, headers, fragment) in cases {
        check_error(&server, path, headers, 400, fragment).await;
    }
    check_error(&server, &free, TCP, 502, "connection refused").await;

    let (_busy, port) = listen("127.0.0.1").await.unwrap();
    let held = dial(&ports, port).await.unwrap();
    check_error(&server, &free, TCP, 429, "tunnels are open").await;
    check_error(&server, "/udp/9", UDP, 429, "tunnels are open").await;
    check_error(&server, &free, UDP, 400, "invalid upgrade").await;
    drop(held);

    ports.begin_drain();
    check_error(&server, &free, TCP, 503, "shutting down").await;
}

#[tokio::test]
async fn nothing_is_connected_without_the_token() {
    let ports = ports(Config::default());
    let server = server(&ports);
    let (listener, port) = listen("127.0.0.1").await.unwrap();
    let stranger = Peer { trust: Trust::Token, ..Peer::in_process() };
    let (head, _) = ask_as(&server, stranger, &format!("/tcp/{port}"), TCP).await;
    assert_eq!(status(&head), 401);
    let accepted = tokio::time::timeout(Duration::from_millis(200), listener.accept()).await;
    assert!(accepted.is_err());
    assert_eq!(ports.statistics().tcp, Default::default());
}

#[tokio::test]
async fn a_tunnel_carries_early_bytes_and_half_closes() {
    let ports = ports(Config::default());
    let server = server(&ports);
    let (listener, port) = listen("127.0.0.1").await.unwrap();
    let serve = spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut got = String::new();
        stream.read_to_string(&mut got).await.unwrap();
        stream.write_all(got.to_uppercase().as_bytes()).await.unwrap();
    });
    let (mut near, far) = tokio::io::duplex(64 * 1024);
    server.connect(far, Peer::in_process());
    let head = format!("GET /api/v0/tcp/{port} HTTP/1.1\r\nHost: localhost\r\n{TCP}\r\nearly");
    near.write_all(head.as_bytes()).await.unwrap();
    near.shutdown().await.unwrap();
    let mut got = String::new();
    soon(near.read_to_string(&mut got)).await.unwrap();
    let got = got.to_ascii_uppercase();
    assert!(got.starts_with("HTTP/1.1 101 ") && got.ends_with("\r\n\r\nEARLY"), "{got}");
    assert!(got.contains("\r\nUPGRADE: TCP\r\n") && got.contains("\r\nCONNECTION: UPGRADE\r\n"));
    soon(serve).await.unwrap();
}

#[tokio::test]
async fn datagrams_pass_a_tunnel() {
    let ports = ports(Config::default());
    let server = server(&ports);
    let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = target.local_addr().unwrap().port();
    let (head, mut stream) = ask(&server, &format!("/udp/{port}"), UDP).await;
    assert_eq!(status(&head), 101);
    stream.write_all(b"\0\x04ping").await.unwrap();
    let mut buffer = [0; 8];
    let (length, from) = soon(target.recv_from(&mut buffer)).await.unwrap();
    assert_eq!(&buffer[..length], b"ping");
    target.send_to(b"pong!", from).await.unwrap();
    let mut answer = [0; 7];
    soon(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"\0\x05pong!");
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_abandons_the_connect() {
    let ports = ports(Config { connect_timeout: Duration::from_secs(600), ..Config::default() });
    let server = server(&ports);
    let full = Full::new().await;
    let (mut near, far) = tokio::io::duplex(1024);
    server.connect(far, Peer::in_process());
    let head = format!("GET /api/v0/tcp/{} HTTP/1.1\r\nHost: localhost\r\n{TCP}\r\n", full.port);
    near.write_all(head.as_bytes()).await.unwrap();
    let open = async |count| {
        while ports.statistics().tcp.open != count {
            tokio::task::yield_now().await;
        }
    };
    soon(open(1)).await;
    drop(near);
    soon(open(0)).await;
}

#[tokio::test]
async fn an_open_tunnel_is_cut_by_the_server_after_the_grace() {
    let ports = ports(Config::default());
    let server = server(&ports);
    let (listener, port) = listen("127.0.0.1").await.unwrap();
    let (head, mut stream) = ask(&server, &format!("/tcp/{port}"), TCP).await;
    assert_eq!(status(&head), 101);
    let (mut target, _) = listener.accept().await.unwrap();
    assert!(!server.shutdown(Duration::from_millis(50)).await);
    assert_eq!(soon(stream.read(&mut [0; 8])).await.unwrap(), 0);
    assert_eq!(soon(target.read(&mut [0; 8])).await.unwrap(), 0);
    assert_eq!(ports.statistics().tcp.open, 0);
    soon(ports.shutdown()).await;
}

#[tokio::test]
async fn what_listens_is_answered() {
    let ports = ports(Config::default());
    let server = server(&ports);
    let (head, _) = ask(&server, "/listening-ports", "").await;
    assert_eq!(status(&head), 200);
    assert_eq!(ports.statistics().scans.count, 1);
}
