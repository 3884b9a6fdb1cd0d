//! An engine for tests that says what a real one does not at will, and notes what it was asked for.

use std::{os::unix::fs::FileTypeExt, sync::Arc};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::Notify,
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::engine::{Engine, EngineSource};

/// The id of the only container, and of the only command.
pub(super) const ID: &str = "4f66ad9a5b2c4b0e9d1c7e8f3a2b1c0d4f66ad9a5b2c4b0e9d1c7e8f3a2b1c0d";

/// What an engine says.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) version: &'static str,
    pub(super) inspect: Value,
    /// Status and body to the creation of a command.
    pub(super) create: (u16, Value),
    /// Status to its start; 101 lets bytes through.
    pub(super) start: u16,
    /// What the command prints, as the engine sends it.
    pub(super) prints: Vec<u8>,
    /// Status and body to the question how it goes.
    pub(super) state: (u16, Value),
}

impl Default for Script {
    fn default() -> Self {
        Self {
            version: "1.41",
            inspect: json!({ "Id": ID, "State": { "Running": true, "Pid": 0 }, "Config": {} }),
            create: (201, json!({ "Id": ID })),
            start: 101,
            prints: Vec::new(),
            state: (200, json!({ "Running": false, "ExitCode": 0, "Pid": 0 })),
        }
    }
}

/// The engine; it ends when it is dropped.
#[derive(Debug)]
pub(super) struct Fake {
    dir: TempDir,
    shared: Arc<Shared>,
    _serving: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Shared {
    script: Script,
    asked: Mutex<Vec<(String, Value)>>,
    /// Ends the output of the command.
    end: Notify,
}

impl Fake {
    pub(super) fn start(script: Script) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("engine.sock")).unwrap();
        let (asked, end) = (Mutex::default(), Notify::new());
        let shared = Arc::new(Shared { script, asked, end });
        let serving = {
            let shared = Arc::clone(&shared);
            let connections = TaskTracker::new();
            TaskTracker::new().spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let shared = Arc::clone(&shared);
                    connections.spawn(async move { shared.serve(stream).await });
                }
            })
        };
        Self { dir, shared, _serving: AbortOnDropHandle::new(serving) }
    }

    pub(super) fn engine(&self) -> Engine {
        let socket = self.dir.path().join("engine.sock");
        assert!(socket.metadata().unwrap().file_type().is_socket());
        let engine = Some(format!("unix://{}", socket.display()));
        Engine::new(EngineSource { engine, ..EngineSource::default() })
    }

    /// The body of the only request to this path.
    pub(super) fn asked(&self, path: &str) -> Value {
        let asked = self.shared.asked.lock();
        let mut found = asked.iter().filter(|(target, _)| target.ends_with(path));
        let (_, body) = found.next().unwrap_or_else(|| panic!("no {path} in {asked:?}"));
        assert!(found.next().is_none(), "{path} twice in {asked:?}");
        body.clone()
    }

    /// Lets the command's output end.
    pub(super) fn end_output(&self) {
        self.shared.end.notify_one();
    }
}

impl Shared {
    async fn serve(&self, mut stream: UnixStream) {
        let mut request = Vec::new();
        let (head, length) = loop {
            if let Some(at) = request.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&request[..at]).to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                break (at + 4, length.map_or(0, |length| length.parse::<usize>().unwrap()));
            }
            if stream.read_buf(&mut request).await.unwrap() == 0 {
                return;
            }
        };
        while request.len() < head + length {
            stream.read_buf(&mut request).await.unwrap();
        }
        let line = String::from_utf8_lossy(&request[..head]).lines().next().unwrap().to_owned();
        let (method, rest) = line.split_once(' ').unwrap();
        let target = rest.split(' ').next().unwrap().to_owned();
        let body = serde_json::from_slice(&request[head..]).unwrap_or_default();
        self.asked.lock().push((target.clone(), body));
        let script = &self.script;
        match (method, target.split('?').next().unwrap()) {
            (_, "/version") => {
                reply(&mut stream, 200, &json!({ "ApiVersion": script.version })).await
            }
            ("HEAD", _) => {
                let _ = stream.write_all(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n").await;
            }
            (_, path) if path.contains("/containers/") && path.ends_with("/json") => {
                reply(&mut stream, 200, &script.inspect).await;
            }
            (_, path) if path.ends_with("/exec") => {
                reply(&mut stream, script.create.0, &script.create.1).await;
            }
            (_, path) if path.ends_with("/start") => self.run(stream).await,
            (_, path) if path.ends_with("/json") => {
                reply(&mut stream, script.state.0, &script.state.1).await;
            }
            _ => reply(&mut stream, 200, &json!({})).await,
        }
    }

    async fn run(&self, mut stream: UnixStream) {
        if self.script.start != 101 {
            let body = json!({ "message": "it does not start" });
            return reply(&mut stream, self.script.start, &body).await;
        }
        // The first bytes come with the head.
        let head = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
        stream.write_all(&[head, self.script.prints.as_slice()].concat()).await.unwrap();
        self.end.notified().await;
    }
}

async fn reply(stream: &mut UnixStream, status: u16, body: &Value) {
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len());
    let _ = stream.write_all((head + &body).as_bytes()).await;
}
