//! Who is let in, in which order it is checked, and what the refusals look like.

use agent_http::{Peer, PeerAddress, Trust};

use crate::client::{Fixture, TOKEN, access};

#[tokio::test]
async fn every_answer_carries_its_id_and_nosniff() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    for path in ["/", "/api/v0/stat?path=/a", "/api/v0/stat", "/nowhere"] {
        let answer = client.get(path, "Request-Id: abc-1\r\n").await;
        assert_eq!(answer.header("request-id"), Some("abc-1"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
}

#[tokio::test]
async fn tcp_needs_the_token_but_for_greeting_and_health() {
    let fixture = Fixture::with(agent_http::Config::default(), access());
    let mut client = fixture.tcp().await;
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    let cases = [
        ("/", "", 200),
        ("/healthz", "", 200),
        ("/api/v0/stat?path=/a", "", 401),
        ("/nowhere", "", 401),
        ("/api/v0/stat?path=/a", "Authorization: Bearer wrong\r\n", 401),
        ("/api/v0/stat?path=/a", &token, 200),
        ("/api/v0/stat?path=/a&token=correct-horse", "", 401),
        ("/nowhere", &token, 404),
    ];
    for (path, headers, status) in cases {
        let answer = client.get(path, headers).await;
        assert_eq!(answer.status(), status, "{path} {headers}");
        let scheme = (status == 401).then_some("Bearer");
        assert_eq!(answer.header("www-authenticate"), scheme, "{path} {headers}");
    }
}

#[tokio::test]
async fn host_and_origin_are_checked_before_everything_else() {
    let fixture = Fixture::with(agent_http::Config::default(), access());
    let mut client = fixture.tcp().await;
    client.send("GET /healthz HTTP/1.1\r\nHost: evil.example\r\nOrigin: null\r\n\r\n").await;
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.status(), 403);
    assert!(answer.body.contains("host"), "{}", answer.body);
    let answer = client.get("/healthz", "Origin: null\r\n").await;
    assert_eq!(answer.status(), 403);
    assert!(answer.body.contains("origin"), "{}", answer.body);
    let answer = client.get("/api/v0/stat?path=/a", "Origin: https://ide.example\r\n").await;
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://ide.example"));
    assert_eq!(answer.header("vary"), Some("Origin"));
}

#[tokio::test]
async fn a_preflight_of_an_allowed_origin_needs_no_token() {
    let fixture = Fixture::with(agent_http::Config::default(), access());
    let mut client = fixture.tcp().await;
    for asked in ["Access-Control-Request-Method: GET\r\n", ""] {
        let head = "OPTIONS /api/v0/stat HTTP/1.1\r\nHost: localhost\r\n";
        client.send(&format!("{head}Origin: https://ide.example\r\n{asked}\r\n")).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status(), 204, "{asked}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://ide.example"));
    }
}

#[tokio::test]
async fn another_user_of_the_socket_is_refused() {
    let fixture = Fixture::new();
    let mut client = fixture.client_as(Peer {
        listener: "unix",
        address: PeerAddress::Unix { uid: 12345 },
        trust: Trust::Refused,
        is_loopback: false,
    });
    for path in ["/", "/healthz", "/api/v0/stat?path=/a"] {
        assert_eq!(client.get(path, "").await.status(), 403, "{path}");
    }
}

#[tokio::test]
async fn errors_of_every_origin_are_the_error_object() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    let cases = [
        ("GET /nowhere", 404),
        ("GET /api/v0", 404),
        ("GET /api/v0/make-directory", 405),
        ("GET /api/v0/stat", 400),
        ("GET /api/v0/read-file", 500),
    ];
    for (line, status) in cases {
        client.send(format!("{line} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status(), status, "{line}");
        let body: agent_api::ErrorBody = serde_json::from_str(&answer.body).unwrap();
        assert!(!body.message.is_empty(), "{line}");
        let allow = (status == 405).then_some("POST");
        assert_eq!(answer.header("allow"), allow, "{line}");
    }
}

#[tokio::test]
async fn headers_that_every_route_reads_are_checked_after_the_route() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    let chat = "Coder-Chat-Id: x\r\n";
    let gzip = "Content-Encoding: gzip\r\n";
    let cases = [
        ("/api/v0/stat?path=/a", chat, 400, "Coder-Chat-Id"),
        ("/api/v0/stat?path=/a", gzip, 400, "Content-Encoding"),
        ("/", chat, 200, ""),
        ("/nowhere", chat, 404, ""),
        ("/api/v0/make-directory", chat, 405, ""),
    ];
    for (path, headers, status, fragment) in cases {
        let answer = client.get(path, headers).await;
        assert_eq!(answer.status(), status, "{path} {headers}");
        assert!(answer.body.contains(fragment), "{path} {headers}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_the_client_reads_it() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    let body = format!("{{\"path\":\"{}\"}}", "x".repeat(agent_api::limits::MAX_JSON_BODY_BYTES));
    let head = format!(
        "POST /api/v0/make-directory HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.send(head).await;
    client.send(&body).await;
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.status(), 413);
    assert!(answer.body.contains("4194304"));
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_body_is_read_by_the_client() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    let head =
        "POST /api/v0/write-file HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000000\r\n\r\n";
    client.send(head).await;
    // More than the stream holds: it passes only if somebody takes it off.
    client.send(vec![b'x'; 4_000_000]).await;
    assert_eq!(client.answer().await.unwrap().status(), 409);
    assert_eq!(client.get("/", "").await.status(), 200);
}
