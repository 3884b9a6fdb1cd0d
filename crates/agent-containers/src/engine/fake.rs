//! An engine for tests: a Unix socket, a few containers, and answers that no real engine gives.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::{broadcast, watch},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The longest that a test waits for anything.
const WAIT: Duration = Duration::from_secs(30);

/// What is answered to a request instead of the truth.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A status and a body.
    Says(u16, String),
    /// Nothing, and the connection stays.
    Hangs,
    /// Nothing, and the connection ends.
    Ends,
}

/// An engine that listens until it is dropped.
#[derive(Debug)]
pub(crate) struct FakeEngine {
    dir: Option<TempDir>,
    path: PathBuf,
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Shared {
    containers: Mutex<BTreeMap<String, Value>>,
    answers: Mutex<HashMap<String, Answer>>,
    requests: watch::Sender<Vec<String>>,
    events: Mutex<broadcast::Sender<Option<String>>>,
    listeners: watch::Sender<usize>,
}

/// An id of 64 digits.
pub(crate) fn id(number: u32) -> String {
    format!("{number:064x}")
}

impl FakeEngine {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("engine.sock");
        let mut engine = Self::at(path);
        engine.dir = Some(dir);
        engine
    }

    /// Listens at a path, which is removed first.
    pub(crate) fn at(path: PathBuf) -> Self {
        let shared = Arc::new(Shared {
            containers: Mutex::default(),
            answers: Mutex::default(),
            requests: watch::Sender::default(),
            events: Mutex::new(broadcast::channel(1024).0),
            listeners: watch::Sender::new(0),
        });
        let engine = Self {
            dir: None,
            path,
            shared,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        engine.listen();
        engine
    }

    fn listen(&self) {
        let _ = std::fs::remove_file(&self.path);
        let listener = UnixListener::bind(&self.path).unwrap();
        let (shared, stop, tasks) = (self.shared.clone(), self.stop.clone(), self.tasks.clone());
        self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serve(shared.clone(), stream);
                tasks.spawn(stop.clone().run_until_cancelled_owned(serving));
            }
        }));
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Ends, with all its connections, and gives the path up.
    pub(crate) async fn kill(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let _ = std::fs::remove_file(&self.path);
    }

    /// The address to be configured.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// Lets there be a container that runs; answers its id.
    pub(crate) fn add(&self, number: u32) -> String {
        let id = id(number);
        let container = json!({
            "Id": id,
            "Created": format!("2020-01-01T00:00:{:02}.000000001Z", number % 60),
            "Name": format!("/c{number}"),
            "State": {"Status": "running", "Running": true, "ExitCode": 0, "Error": ""},
            "Config": {"Image": "image:1", "Labels": {"n": number.to_string()}},
            "NetworkSettings": {"Ports": {}},
            "Mounts": [],
        });
        self.shared.containers.lock().insert(id.clone(), container);
        id
    }

    /// Changes what is told of a container.
    pub(crate) fn change(&self, id: &str, change: impl FnOnce(&mut Value)) {
        change(self.shared.containers.lock().get_mut(id).unwrap());
    }

    pub(crate) fn remove(&self, id: &str) {
        self.shared.containers.lock().remove(id);
    }

    /// Answers a request such as `GET /containers/json`, without its query, in another way.
    pub(crate) fn answer(&self, request: &str, answer: Answer) {
        self.shared.answers.lock().insert(request.to_owned(), answer);
    }

    /// Answers with the truth again.
    pub(crate) fn answer_truly(&self) {
        self.shared.answers.lock().clear();
    }

    /// Tells an event to everybody who listens.
    pub(crate) fn tell(&self, action: &str, id: &str) {
        let event = json!({"Type": "container", "Action": action, "Actor": {"ID": id}});
        let _ = self.shared.events.lock().send(Some(format!("{event}\n")));
    }

    /// Ends the streams of events.
    pub(crate) fn end_events(&self) {
        let _ = self.shared.events.lock().send(None);
    }

    /// Waits until so many listen to events.
    pub(crate) async fn listeners(&self, count: usize) {
        let mut listeners = self.shared.listeners.subscribe();
        timeout(WAIT, listeners.wait_for(|now| *now == count)).await.unwrap().unwrap();
    }

    /// The requests so far that contain `part`, with their queries and versions.
    pub(crate) fn requests(&self, part: &str) -> Vec<String> {
        let requests = self.shared.requests.borrow();
        requests.iter().filter(|request| request.contains(part)).cloned().collect()
    }

    /// Waits until there were so many requests that contain `part`.
    pub(crate) async fn requested(&self, part: &str, count: usize) {
        let mut requests = self.shared.requests.subscribe();
        let is_enough =
            |all: &Vec<String>| all.iter().filter(|one| one.contains(part)).count() >= count;
        timeout(WAIT, requests.wait_for(is_enough)).await.unwrap().unwrap();
    }
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(shared: Arc<Shared>, mut stream: UnixStream) {
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read_buf(&mut head).await {
            Ok(count) if count > 0 => {}
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head);
    let line = head.lines().next().unwrap_or_default();
    let request = line.trim_end_matches(" HTTP/1.1").to_owned();
    shared.requests.send_modify(|requests| requests.push(request.clone()));
    let (method, target) = request.split_once(' ').unwrap();
    let path = target.split('?').next().unwrap();
    let path = path.strip_prefix("/v1.41").unwrap_or(path);
    let answer = shared.answers.lock().get(&format!("{method} {path}")).cloned();
    match answer.unwrap_or_else(|| truth(&shared, method, path)) {
        Answer::Says(200, body) if body == "events" => tell_events(&shared, &mut stream).await,
        Answer::Says(status, body) => {
            let length = body.len();
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
        Answer::Hangs => {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
        Answer::Ends => {}
    }
}

fn truth(shared: &Shared, method: &str, path: &str) -> Answer {
    let containers = shared.containers.lock();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let missing = || Answer::Says(404, json!({"message": "No such container"}).to_string());
    match (method, parts.as_slice()) {
        ("GET", ["version"]) => Answer::Says(200, json!({"ApiVersion": "1.41"}).to_string()),
        ("GET", ["events"]) => Answer::Says(200, "events".to_owned()),
        ("GET", ["containers", "json"]) => {
            let summaries: Vec<Value> = containers.values().map(summary).collect();
            Answer::Says(200, Value::from(summaries).to_string())
        }
        ("GET", ["containers", id, "json"]) => match containers.get(*id) {
            Some(container) => Answer::Says(200, container.to_string()),
            None => missing(),
        },
        ("POST", ["containers", id, "stop"]) | ("DELETE", ["containers", id]) => {
            if containers.contains_key(*id) { Answer::Says(204, String::new()) } else { missing() }
        }
        _ => Answer::Says(404, json!({"message": "page not found"}).to_string()),
    }
}

fn summary(container: &Value) -> Value {
    let state = &container["State"];
    json!({
        "Id": container["Id"],
        "Names": [container["Name"]],
        "Image": container["Config"]["Image"],
        "Created": 1_577_836_800,
        "Labels": container["Config"]["Labels"],
        "State": state["Status"],
        "Status": if state["Running"] == true { json!("Up 1 second") } else {
            json!(format!("Exited ({}) 1 second ago", state["ExitCode"]))
        },
        "Ports": [],
        "Mounts": [],
    })
}

async fn tell_events(shared: &Shared, stream: &mut UnixStream) {
    let mut events = shared.events.lock().subscribe();
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    if stream.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    shared.listeners.send_modify(|count| *count += 1);
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            // Whoever asked does not say more: this is the end of the connection.
            _ = stream.readable() => break,
        };
        let Ok(Some(line)) = event else {
            let _ = stream.write_all(b"0\r\n\r\n").await;
            break;
        };
        let chunk = format!("{:x}\r\n{line}\r\n", line.len());
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    shared.listeners.send_modify(|count| *count -= 1);
}
