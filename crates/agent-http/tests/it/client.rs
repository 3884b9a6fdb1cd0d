//! A server over a small router, and a client that writes bytes and reads answers.

use std::{sync::Arc, time::Duration};

use agent_http::{Access, Body, Config, Json, Listener, Peer, Query, Reply, Server, Token, Trust};
use axum::{
    Router,
    routing::{get, post},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

pub(crate) const TOKEN: &str = "correct-horse";

/// Lets the handler of `/api/v0/resolve-path` go on, one permit a request.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) entered: Arc<Semaphore>,
    pub(crate) go_on: Arc<Semaphore>,
}

pub(crate) struct Fixture {
    pub(crate) server: Server,
    pub(crate) gate: Gate,
}

async fn stat(
    Query(req): Query<agent_api::StatPathRequest>,
) -> Reply<agent_api::ResolvePathResponse> {
    Ok(Json(agent_api::ResolvePathResponse { resolved_path: req.path }))
}

async fn make(
    Body(req): Body<agent_api::MakeDirectoryRequest>,
) -> Reply<agent_api::MakeDirectoryResponse> {
    Ok(Json(agent_api::MakeDirectoryResponse { path: req.path, created: true }))
}

async fn panic() -> &'static str {
    panic!("a defect in a handler")
}

async fn refuse_unread(_body: axum::body::Body) -> http::StatusCode {
    http::StatusCode::CONFLICT
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(Config::default(), Access::default())
    }

    pub(crate) fn with(config: Config, access: Access) -> Self {
        let gate =
            Gate { entered: Arc::new(Semaphore::new(0)), go_on: Arc::new(Semaphore::new(0)) };
        let waiting = gate.clone();
        let wait = move || {
            let gate = waiting.clone();
            async move {
                gate.entered.add_permits(1);
                gate.go_on.acquire().await.unwrap().forget();
                "done"
            }
        };
        let router = Router::new()
            .route("/", get(|| async { "hello" }))
            .route("/healthz", get(|| async { "ok" }))
            .route("/api/v0/stat", get(stat))
            .route("/api/v0/make-directory", post(make))
            .route("/api/v0/resolve-path", get(wait))
            .route("/api/v0/read-file", get(panic))
            .route("/api/v0/write-file", post(refuse_unread));
        Self { server: Server::new(router, access, config, Arc::new(())), gate }
    }

    /// A client whose connection is let in as it is.
    pub(crate) fn client(&self) -> Client<DuplexStream> {
        self.client_as(Peer::in_process())
    }

    pub(crate) fn client_as(&self, peer: Peer) -> Client<DuplexStream> {
        let (near, far) = tokio::io::duplex(64 * 1024);
        self.server.connect(far, peer);
        Client { stream: near }
    }

    /// A client over loopback TCP, which needs the token.
    pub(crate) async fn tcp(&self) -> Client<TcpStream> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        self.server.listen(Listener::tcp(listener, Trust::Token).unwrap());
        Client { stream: TcpStream::connect(address).await.unwrap() }
    }
}

pub(crate) fn access() -> Access {
    Access {
        token: Some(Token::from_file_content(TOKEN.as_bytes()).unwrap()),
        allowed_origins: vec!["https://ide.example".to_owned()],
    }
}

pub(crate) struct Client<S> {
    pub(crate) stream: S,
}

/// An answer as it came: status line and headers, then the body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends a request without a body and reads its answer.
    pub(crate) async fn get(&mut self, path: &str, headers: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")).await;
        self.answer().await.expect("an answer")
    }

    /// Reads one answer; `None` when the connection closed instead.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        tokio::time::timeout(Duration::from_secs(200), self.read_answer()).await.expect("in time")
    }

    /// Reads the head of an answer; `None` when the connection closed instead.
    pub(crate) async fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.ok()?);
        }
        Some(String::from_utf8(head).unwrap())
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let head = self.head().await?;
        let mut answer = Answer { head, body: String::new() };
        let length = answer.header("content-length").map_or(0, |text| text.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.unwrap();
        answer.body = String::from_utf8(body).unwrap();
        Some(answer)
    }
}
