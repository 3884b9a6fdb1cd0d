//! Requests to servers of the workspace: what is sent, what is refused before anything is.

#![expect(clippy::disallowed_methods, reason = "ends with the runtime of its test")]

use std::sync::Arc;

use agent_sdk::{
    AgentConn, ByteStream, DialStream, Error,
    api::ErrorCode,
    mock::{Call, MockAgent},
};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, Response};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::timeout,
};

use crate::peer::SOON;

/// An agent on whose port 3000 `answer` is given to whatever asks, and what each connection was sent.
fn serving(answer: &'static str) -> (MockAgent, Arc<Mutex<Vec<String>>>) {
    let (mock, heard) = (MockAgent::new(), Arc::new(Mutex::new(Vec::new())));
    let all = Arc::clone(&heard);
    mock.on_dial(move |_| {
        let (near, far) = duplex(1024);
        tokio::spawn(serve(far, answer, Arc::clone(&all)));
        Ok(DialStream::from_stream(near))
    });
    (mock, heard)
}

async fn serve(mut stream: DuplexStream, answer: &str, heard: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    let is_whole = |request: &[u8]| {
        let text = String::from_utf8_lossy(request).into_owned();
        let is_chunked = text.contains("transfer-encoding: chunked");
        text.contains("\r\n\r\n") && (!is_chunked || text.ends_with("0\r\n\r\n"))
    };
    while !is_whole(&request) {
        assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
    }
    heard.lock().push(String::from_utf8(request).unwrap());
    stream.write_all(answer.as_bytes()).await.unwrap();
}

fn get(url: &str) -> Request<ByteStream> {
    Request::get(url).body(ByteStream::empty()).unwrap()
}

async fn ask(
    agent: &MockAgent,
    request: Request<ByteStream>,
) -> Result<Response<ByteStream>, Error> {
    let agent: Box<dyn AgentConn> = Box::new(agent.clone());
    timeout(SOON, agent.app_http_client(3000).request(request)).await.unwrap()
}

#[tokio::test]
async fn each_request_has_a_tunnel_of_its_own_and_nothing_of_the_agent_in_it() {
    let answer = "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 5\r\nX-A: b\r\n\r\nshort and stout";
    let (mock, heard) = serving(answer);
    for url in ["http://localhost/a?b=c", "http://127.0.0.1:3000", "http://[::1]:3000/%2F"] {
        let response = ask(&mock, get(url)).await.unwrap();
        assert_eq!(response.status(), 418);
        assert_eq!(response.headers()["x-a"], "b");
        assert_eq!(response.body().length(), Some(5));
        assert_eq!(response.into_body().collect(64).await.unwrap(), "short");
    }
    assert_eq!(mock.calls(), [Call::Dial(3000), Call::Dial(3000), Call::Dial(3000)]);
    let expected = [("/a?b=c", "localhost"), ("/", "127.0.0.1:3000"), ("/%2F", "[::1]:3000")].map(
        |(path, host)| format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"),
    );
    assert_eq!(*heard.lock(), expected);
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let (mock, heard) =
        serving("HTTP/1.1 302 Found\r\nLocation: http://example.com/\r\nContent-Length: 0\r\n\r\n");
    let response = ask(&mock, get("http://localhost:3000/")).await.unwrap();
    assert_eq!(response.status(), 302);
    assert_eq!(response.headers()["location"], "http://example.com/");
    assert_eq!(heard.lock().len(), 1);
}

#[tokio::test]
async fn bodies_are_streamed_both_ways() {
    let (mock, heard) = serving(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n",
    );
    let chunks = futures_util::stream::iter(["one", "two"].map(|text| Ok(Bytes::from(text))));
    let body = ByteStream::from_stream(chunks);
    let request = Request::post("http://localhost/").body(body).unwrap();
    let response = ask(&mock, request).await.unwrap();
    assert_eq!(response.body().length(), None);
    assert_eq!(response.into_body().collect(64).await.unwrap(), "abcdef");
    assert!(heard.lock()[0].contains("one\r\n3\r\ntwo\r\n0\r\n\r\n"), "{heard:?}");
}

#[tokio::test]
async fn other_places_are_refused_before_anything_is_dialed() {
    let (mock, heard) = serving("");
    for url in [
        "/relative",
        "https://localhost/",
        "http://example.com/",
        "http://127.0.0.2/",
        "http://localhost.example.com/",
        "http://localhost:3001/",
        "http://localhost:80/",
        "http://user:secret@localhost/",
        "http://user@localhost:3000/",
    ] {
        let error = ask(&mock, get(url)).await.unwrap_err();
        assert!(matches!(error, Error::InvalidArgument { .. }), "{url}: {error:?}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let connect = Request::connect("localhost:3000").body(ByteStream::empty()).unwrap();
    assert_eq!(ask(&mock, connect).await.unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_eq!(mock.calls(), []);
    assert_eq!(heard.lock().len(), 0);
}

#[tokio::test]
async fn a_connection_that_ends_early_or_speaks_something_else_is_told_apart() {
    let (mock, _) = serving("");
    let error = ask(&mock, get("http://localhost/")).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error:?}");
    let (mock, _) = serving("SSH-2.0-x\r\n\r\n");
    let error = ask(&mock, get("http://localhost/")).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
    let (mock, _) = serving("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    let mut body = ask(&mock, get("http://localhost/")).await.unwrap().into_body();
    assert_eq!(body.next().await.unwrap().unwrap(), "abc");
    assert!(matches!(body.next().await.unwrap().unwrap_err(), Error::Closed { .. }));
}

#[tokio::test]
async fn a_source_that_fails_is_the_error() {
    let (mock, _) = serving("");
    let chunks = [Ok(Bytes::from("a")), Err(Error::TooLarge { limit_bytes: 7 })];
    let body = ByteStream::from_stream(futures_util::stream::iter(chunks));
    let request = Request::put("http://localhost/").body(body).unwrap();
    let error = ask(&mock, request).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit_bytes: 7 }), "{error:?}");
}
