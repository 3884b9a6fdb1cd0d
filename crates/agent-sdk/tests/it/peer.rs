//! A peer that a test plays by hand: raw bytes over TCP or a Unix socket; not an agent.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use agent_sdk::{AgentClient, Config, Target};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};

/// How long a test waits for what should come at once.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A server of scripted connections, ended when dropped.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

/// One accepted connection.
pub(crate) struct Conn<S> {
    pub(crate) stream: BufReader<S>,
}

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    /// First line, such as `GET / HTTP/1.1`.
    pub(crate) line: String,
    /// Header lines, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Peer {
    /// Plays `script` on each connection, which gets the number of the connection, from 0.
    pub(crate) async fn start<F>(
        script: impl Fn(usize, Conn<TcpStream>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&accepted);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let nth = count.fetch_add(1, Ordering::SeqCst);
                connections.spawn(script(nth, Conn { stream: BufReader::new(stream) }));
            }
        });
        Self { address, accepted, _tasks: tasks }
    }

    /// Answers every request, on connections that stay, with one response.
    pub(crate) async fn answering(response: impl Into<Vec<u8>>) -> Self {
        let response = response.into();
        Self::start(move |_, mut conn| {
            let response = response.clone();
            async move {
                while conn.request().await.is_some() {
                    conn.send(&response).await;
                }
            }
        })
        .await
    }

    /// Answers every request with one JSON object and hands it to the test.
    pub(crate) async fn recording(
        json: &str,
    ) -> (Self, tokio::sync::mpsc::UnboundedReceiver<Received>) {
        let (tx, rx) = tokio::sync::mpsc::unbounded_channel();
        let response = ok_json(json);
        let peer = Self::start(move |_, mut conn| {
            let (tx, response) = (tx.clone(), response.clone());
            async move {
                while let Some(request) = conn.request().await {
                    tx.send(request).unwrap();
                    conn.send(&response).await;
                }
            }
        })
        .await;
        (peer, rx)
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    pub(crate) fn target(&self) -> Target {
        format!("http://{}", self.address).parse().unwrap()
    }

    pub(crate) fn client(&self) -> AgentClient {
        AgentClient::connect(self.target(), Config::default()).unwrap()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conn<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// The next request with its whole body; `None` when the client closed.
    pub(crate) async fn request(&mut self) -> Option<Received> {
        let mut received = self.head().await?;
        received.body = match received.header("transfer-encoding") {
            Some("chunked") => self.chunks().await?,
            _ => {
                let length = received.header("content-length").map_or(0, |v| v.parse().unwrap());
                let mut body = vec![0; length];
                self.stream.read_exact(&mut body).await.ok()?;
                body
            }
        };
        Some(received)
    }

    /// The head of the next request.
    pub(crate) async fn head(&mut self) -> Option<Received> {
        let mut received = Received { line: self.line().await?, ..Received::default() };
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Some(received);
            }
            let (name, value) = line.split_once(": ").unwrap();
            received.headers.push((name.to_lowercase(), value.to_owned()));
        }
    }

    async fn line(&mut self) -> Option<String> {
        use tokio::io::AsyncBufReadExt;
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).await.ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    }

    async fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = usize::from_str_radix(&self.line().await?, 16).unwrap();
            let mut chunk = vec![0; size];
            self.stream.read_exact(&mut chunk).await.ok()?;
            self.line().await?;
            if size == 0 {
                return Some(body);
            }
            body.extend(chunk);
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // A client that left is the client's test, not the peer's failure.
        let _ = self.stream.get_mut().write_all(bytes.as_ref()).await;
        let _ = self.stream.get_mut().flush().await;
    }

    /// Waits until the client closes; whatever comes before is dropped.
    pub(crate) async fn gone(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(1..) = self.stream.read(&mut buffer).await {}
    }

    /// Reads what there is; false at the end.
    pub(crate) async fn takes_some(&mut self) -> bool {
        let mut buffer = vec![0; 64 * 1024];
        matches!(self.stream.read(&mut buffer).await, Ok(1..))
    }
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// A 200 with a JSON body.
pub(crate) fn ok_json(json: &str) -> Vec<u8> {
    response("200 OK", "Content-Type: application/json\r\n", json)
}

/// A response with a length.
pub(crate) fn response(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// An answer of `get_lifecycle`.
pub(crate) fn lifecycle() -> Vec<u8> {
    ok_json(r#"{"state": "ready", "history": [], "scripts": []}"#)
}

/// A Unix socket that answers one request on each connection with one response.
pub(crate) struct UnixPeer {
    pub(crate) path: PathBuf,
    _directory: tempfile::TempDir,
    pub(crate) requests: tokio::sync::mpsc::UnboundedReceiver<Received>,
    _tasks: JoinSet<()>,
}

impl UnixPeer {
    pub(crate) fn start(response: Vec<u8>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agentd.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let (tx, requests) = tokio::sync::mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let mut conn = Conn::<UnixStream>::new(stream);
                while let Some(request) = conn.request().await {
                    tx.send(request).unwrap();
                    conn.send(&response).await;
                }
            }
        });
        Self { path, _directory: directory, requests, _tasks: tasks }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// A flag that a peer raises and a test waits for.
#[derive(Clone, Debug)]
pub(crate) struct Flag(watch::Sender<bool>);

impl Flag {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(crate) fn raise(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn is_raised(&self) -> bool {
        *self.0.borrow()
    }

    pub(crate) async fn raised(&self) {
        timeout(SOON, self.0.subscribe().wait_for(|raised| *raised)).await.unwrap().unwrap();
    }

    /// Waits for what must happen within 100 ms.
    pub(crate) async fn raised_at_once(&self) {
        let wait = Duration::from_millis(100);
        let _ = timeout(wait, self.0.subscribe().wait_for(|raised| *raised)).await;
        // A machine that stood still for that long lets the time pass before it delivers events.
        for _ in 0..200 {
            if self.is_raised() {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("it did not happen within {wait:?}");
    }
}
