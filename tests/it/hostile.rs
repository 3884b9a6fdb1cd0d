//! Clients that stall, leave, lie or flood: each costs itself and nobody else.

use std::{path::Path, time::Duration};

use agent_api::{ReadFileRequest, WriteFileRequest};
use agent_sdk::{AgentConn, ByteStream};
use agent_tests::{TestAgent, Transport};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let held = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), held).await.expect(what);
}

fn authorized(agent: &TestAgent, line: &str, rest: &str) -> String {
    let token = agent.token();
    format!("{line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{rest}")
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_an_upload_leaves_nothing() {
    let agent = TestAgent::start().await;
    let path = agent.path("f");
    std::fs::write(&path, "original").unwrap();
    for rest in
        ["Content-Length: 1000000\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"]
    {
        let mut stream = TcpStream::connect(agent.tcp()).await.unwrap();
        let line = format!("POST /api/v0/write-file?path={path}");
        stream.write_all(authorized(&agent, &line, rest).as_bytes()).await.unwrap();
        until("the upload begins", || !agent.leftovers().is_empty()).await;
        drop(stream);
        until("the temporary file goes", || agent.leftovers().is_empty()).await;
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "original");
}

#[tokio::test]
async fn a_client_that_never_reads_costs_its_connection_alone() {
    let agent = TestAgent::start().await;
    let path = agent.path("large");
    std::fs::write(&path, vec![b'x'; 64 * 1024 * 1024]).unwrap();
    let mut stalled = Vec::new();
    for _ in 0..20 {
        let mut stream = UnixStream::connect(agent.socket()).await.unwrap();
        let request = format!("GET /api/v0/read-file?path={path} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        // The answer has begun, and nothing more of it is read.
        stream.read_u8().await.unwrap();
        stalled.push(stream);
    }
    for transport in Transport::ALL {
        let client = agent.client(transport);
        let request = ReadFileRequest { path: path.clone(), ..ReadFileRequest::default() };
        let content = client.read_file(request).await.unwrap();
        let read = content.body.collect(100 << 20).await.unwrap();
        assert_eq!(read.len(), 64 * 1024 * 1024, "{transport:?}");
    }
}

#[tokio::test]
async fn what_is_no_http_is_answered_or_closed() {
    let agent = TestAgent::start().await;
    let cases: [&[u8]; 5] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET  /  HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX\x00: y\r\n\r\n",
    ];
    for bytes in cases {
        let mut stream = TcpStream::connect(agent.tcp()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{bytes:?}");
    }
    assert!(agent.client(Transport::Tcp).check_health().await.unwrap());
}

#[tokio::test]
async fn a_refused_upload_is_answered_while_the_client_still_sends() {
    let agent = TestAgent::start().await;
    for transport in Transport::ALL {
        let request = WriteFileRequest {
            path: agent.path("missing"),
            if_match: Some("*".to_owned()),
            ..WriteFileRequest::default()
        };
        let body = ByteStream::from(bytes::Bytes::from(vec![0_u8; 8 * 1024 * 1024]));
        let error = agent.client(transport).write_file(request, body).await.unwrap_err();
        assert_eq!(error.code(), agent_api::ErrorCode::Conflict, "{transport:?}: {error}");
        assert!(error.to_string().contains("precondition"), "{transport:?}: {error}");
    }
}

#[tokio::test]
async fn the_token_is_in_no_answer_and_no_error() {
    let agent = TestAgent::start().await;
    let token = agent.token();
    let client = agent.client(Transport::Tcp);
    let seen = [
        client.get_debug_config().await.unwrap(),
        client.get_metrics().await.unwrap(),
        format!("{client:?}"),
        format!("{:?}", agent.agent()),
    ];
    for text in seen {
        assert!(!text.contains(&token), "{text}");
    }
    let wrong = format!("http://{}", agent.tcp()).parse::<agent_sdk::Target>().unwrap();
    let wrong = wrong.with_token(agent_sdk::Token::new("not-the-token").unwrap());
    let client = agent_sdk::AgentClient::connect(wrong, agent_sdk::Config::default()).unwrap();
    let error = client.get_lifecycle().await.unwrap_err();
    assert_eq!(error.code(), agent_api::ErrorCode::Unauthenticated);
    assert!(!format!("{error:?}").contains("not-the-token"));
}

#[tokio::test]
async fn the_socket_and_the_token_are_for_their_owner_alone() {
    let agent = TestAgent::start().await;
    let mode = |path: &Path| {
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions())
            & 0o777
    };
    assert_eq!(mode(agent.socket()), 0o600);
    assert_eq!(mode(agent.agent().token_path().unwrap()), 0o600);
    assert_eq!(mode(agent.agent().token_path().unwrap().parent().unwrap()), 0o700);
}
