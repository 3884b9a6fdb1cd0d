//! Headers of requests: those a caller adds, those it cannot add, and the token.

use agent_sdk::{
    AgentClient, AgentConn, Config, Error, Token,
    api::{Caller, StatPathRequest},
    caller_headers, headers_from,
};

use crate::peer::{Peer, UnixPeer, ok_json, response};

const GREETING: &str = r#"{"message": "hello"}"#;

#[tokio::test]
async fn extra_headers_go_with_every_request_until_they_are_replaced() {
    let (peer, mut requests) = Peer::recording(GREETING).await;
    let extra_headers = headers_from([("X-First", "1"), ("x-both", "a"), ("x-both", "b")]).unwrap();
    let config = Config { extra_headers, ..Config::default() };
    let client = AgentClient::connect(peer.target(), config).unwrap();
    for _ in 0..2 {
        client.get_greeting().await.unwrap();
        let request = requests.recv().await.unwrap();
        assert_eq!(request.header("x-first"), Some("1"));
        assert_eq!(request.headers.iter().filter(|(name, _)| name == "x-both").count(), 2);
    }
    client.set_extra_headers(headers_from([("X-Second", "2")]).unwrap()).unwrap();
    client.clone().get_greeting().await.unwrap();
    let request = requests.recv().await.unwrap();
    assert_eq!((request.header("x-first"), request.header("x-second")), (None, Some("2")));
}

#[tokio::test]
async fn a_reserved_header_is_refused_and_the_old_set_stays() {
    let (peer, mut requests) = Peer::recording(GREETING).await;
    let client = peer.client();
    client.set_extra_headers(headers_from([("x-old", "1")]).unwrap()).unwrap();
    for name in [
        "authorization",
        "host",
        "connection",
        "upgrade",
        "content-length",
        "transfer-encoding",
        "te",
        "trailer",
        "sec-websocket-key",
    ] {
        let mut headers = headers_from([("x-new", "1")]).unwrap();
        headers.insert(name, "x".parse().unwrap());
        let config = Config { extra_headers: headers.clone(), ..Config::default() };
        let error = client.set_extra_headers(headers).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument { .. }), "{name}: {error:?}");
        assert!(AgentClient::connect(peer.target(), config).is_err(), "{name}");
    }
    assert_eq!(peer.accepted(), 0, "nothing was sent");
    client.get_greeting().await.unwrap();
    let request = requests.recv().await.unwrap();
    assert_eq!((request.header("x-old"), request.header("x-new")), (Some("1"), None));
}

#[tokio::test]
async fn an_injected_line_is_refused_and_nothing_is_sent() {
    let (peer, _requests) = Peer::recording(GREETING).await;
    let client = peer.client();
    let error = headers_from([("X-A", "1\r\nX-B: 2")])
        .and_then(|headers| client.set_extra_headers(headers))
        .unwrap_err();
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error:?}");
    let request = agent_sdk::api::ReadFileRequest {
        path: "/a".into(),
        if_none_match: Some("*\r\nX-B: 2".into()),
        ..Default::default()
    };
    let error = client.read_file(request).await.unwrap_err();
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error:?}");
    assert_eq!(peer.accepted(), 0);
}

#[tokio::test]
async fn a_caller_is_sent_with_its_ancestors() {
    let (peer, mut requests) = Peer::recording(GREETING).await;
    let client = peer.client();
    let id = |n| format!("00000000-0000-4000-8000-00000000000{n}").parse().unwrap();
    let caller = Caller::new(Some(id(1)), &[id(2)]).unwrap();
    client.set_extra_headers(caller_headers(&caller)).unwrap();
    client.get_greeting().await.unwrap();
    let request = requests.recv().await.unwrap();
    assert_eq!(request.header("coder-chat-id"), Some("00000000-0000-4000-8000-000000000001"));
    assert_eq!(
        request.header("coder-ancestor-chat-ids"),
        Some(r#"["00000000-0000-4000-8000-000000000002"]"#)
    );
}

#[tokio::test]
async fn the_token_is_sent_over_tcp_and_never_over_a_unix_socket() {
    let token = Token::new("hunter2").unwrap();
    let (peer, mut requests) = Peer::recording(GREETING).await;
    let target = peer.target().with_token(token.clone());
    let client = AgentClient::connect(target, Config::default()).unwrap();
    client.get_greeting().await.unwrap();
    let request = requests.recv().await.unwrap();
    assert_eq!(request.header("authorization"), Some("Bearer hunter2"));
    assert_eq!(request.header("host"), Some(peer.address.to_string().as_str()));
    assert_eq!(request.header("accept-encoding"), None);
    assert_eq!(request.line, "GET / HTTP/1.1");

    let mut unix = UnixPeer::start(ok_json(GREETING));
    let target: agent_sdk::Target = format!("unix:{}", unix.path().display()).parse().unwrap();
    let client = AgentClient::connect(target.with_token(token), Config::default()).unwrap();
    client.get_greeting().await.unwrap();
    let request = unix.requests.recv().await.unwrap();
    assert_eq!(request.header("authorization"), None);
    assert_eq!(request.header("host"), Some("localhost"));
}

#[tokio::test]
async fn a_token_is_in_no_debug_and_no_error() {
    let peer = Peer::answering(response("401 Unauthorized", "", "no")).await;
    let target = peer.target().with_token(Token::new("hunter2").unwrap());
    let extra_headers = headers_from([("x-secret", "hunter2")]).unwrap();
    let config = Config { extra_headers, ..Config::default() };
    let shown = format!("{target:?} {config:?}");
    let client = AgentClient::connect(target, config).unwrap();
    let stat = client.stat_path(StatPathRequest { path: "/".into(), follow: false }).await;
    let error = stat.unwrap_err();
    let shown = format!("{shown} {client:?} {client:#?} {error:?} {error}");
    assert!(!shown.contains("hunter2"), "{shown}");
}
