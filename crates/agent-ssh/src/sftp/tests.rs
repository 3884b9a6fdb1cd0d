//! Requests against a real file system.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use agent_ssh_protocol::wire::Put as _;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::attributes::Attributes;
use super::reply::Blocks;
use super::request::{Message, Request};
use super::server::Server;
use super::workers::MAX_WORKERS;
use super::{Config, Gone, Sink, Source, Workers, serve};

const OPEN: u8 = 3;
const REAL_PATH: u8 = 16;
const EXTENDED: u8 = 200;
const STATUS: u8 = 101;
const HANDLE: u8 = 102;
const NAME: u8 = 104;
const READ: u32 = 1;
const WRITE: u32 = 2;
const CREATE: u32 = 8;
const NO_SUCH_FILE: u32 = 2;
const PERMISSION_DENIED: u32 = 3;

fn config() -> Config {
    Config { start: "/".into(), home: "/".into() }
}

/// A session without its pipeline.
struct Session {
    server: Server,
    stop: Arc<AtomicBool>,
}

impl Session {
    fn new() -> Self {
        let stop = Arc::<AtomicBool>::default();
        Self { server: Server::new(config(), Blocks::default(), Arc::clone(&stop)), stop }
    }

    fn begin(&mut self, request: Request) {
        self.server.add(vec![Message::Request { id: 7, request }]);
    }

    /// The type and the first number of the only reply: its status, or the bytes of a handle.
    fn reply(&mut self) -> (u8, u32) {
        let reply = self.server.replies().concat();
        assert_eq!(reply[5..9], 7_u32.to_be_bytes(), "{reply:?}");
        (reply[4], u32::from_be_bytes(reply[9..13].try_into().unwrap()))
    }

    /// Opens, and returns the handle or the status.
    fn open(&mut self, path: &Path, flags: u32) -> Result<u32, u32> {
        let path = Bytes::copy_from_slice(path.as_os_str().as_bytes());
        self.begin(Request::Open { path, flags, attributes: Attributes::default() });
        assert!(self.server.turn());
        let reply = self.server.replies().concat();
        let number = |at: usize| u32::from_be_bytes(reply[at..at + 4].try_into().unwrap());
        if reply[4] == HANDLE { Ok(number(13)) } else { Err(number(9)) }
    }

    fn copy(&mut self, from: u32, to: u32, length: u64) {
        let (from, to) = (Some(from), Some(to));
        self.begin(Request::CopyData { from, offset: 0, length, to, at: 0 });
    }
}

#[test]
fn a_long_copy_gives_way_to_others_and_goes_on_where_it_was() {
    const MIB: u64 = 1024 * 1024;
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (directory.path().join("from"), directory.path().join("to"));
    let contents: Vec<u8> = (0..20 * MIB).map(|at| (at % 251) as u8).collect();
    std::fs::write(&from, &contents).unwrap();
    std::fs::write(&to, "").unwrap();
    let mut session = Session::new();
    let (source, target) = (session.open(&from, READ), session.open(&to, WRITE));
    session.copy(source.unwrap(), target.unwrap(), 0);
    for copied in [8, 16] {
        assert!(!session.server.turn());
        assert_eq!(std::fs::metadata(&to).unwrap().len(), copied * MIB);
        assert!(session.server.replies().is_empty());
    }
    assert!(session.server.turn());
    assert_eq!(session.reply(), (STATUS, 0));
    assert!(std::fs::read(&to).unwrap() == contents);
}

#[test]
fn a_copy_without_end_ends_with_its_session() {
    let mut session = Session::new();
    let (source, target) =
        (session.open("/dev/zero".as_ref(), READ), session.open("/dev/null".as_ref(), WRITE));
    session.copy(source.unwrap(), target.unwrap(), 0);
    assert!(!session.server.turn());
    session.stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(session.server.turn(), "nothing is left to do");
}

#[test]
fn nothing_of_this_process_itself_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let (pipe, _writer) = std::io::pipe().unwrap();
    let pipe = std::os::fd::AsRawFd::as_raw_fd(&pipe);
    let own = std::process::id();
    let thread = std::fs::read_link("/proc/thread-self").unwrap();
    let thread = thread.file_name().unwrap().to_str().unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink("/proc/self", &link).unwrap();
    let mut session = Session::new();
    for path in [
        "/proc/self/environ".to_owned(),
        "/proc/self/mem".to_owned(),
        "/proc/self/maps".to_owned(),
        "/proc/self/task/../environ".to_owned(),
        "/proc/thread-self/environ".to_owned(),
        format!("/proc/{own}/environ"),
        format!("/proc/{thread}/environ"),
        format!("/proc/self/fd/{pipe}"),
        format!("/dev/fd/{pipe}"),
        "/proc/self/cwd".to_owned(),
        "/proc/self/root/etc/passwd".to_owned(),
        "/proc/self/root/proc/self/environ".to_owned(),
        format!("{}/environ", link.display()),
        format!("{}/fd/{pipe}", link.display()),
    ] {
        assert_eq!(session.open(path.as_ref(), READ), Err(PERMISSION_DENIED), "{path}");
    }
    for path in ["/proc/self", "/proc/self/fd", "/proc/self/task"] {
        let path = Bytes::from_static(path.as_bytes());
        session.begin(Request::OpenDirectory { path });
        assert!(session.server.turn());
        assert_eq!(session.reply(), (STATUS, PERMISSION_DENIED));
    }
}

#[test]
fn the_rest_of_procfs_is_read_and_never_written() {
    let mut child = Sleeper::new();
    let pid = child.0.id();
    let mut session = Session::new();
    for path in [
        "/proc/uptime".to_owned(),
        "/proc/mounts".to_owned(),
        "/proc/net/unix".to_owned(),
        "/proc/sys/kernel/ostype".to_owned(),
        format!("/proc/{pid}/status"),
        format!("/proc/{pid}/environ"),
        format!("/proc/{pid}/exe"),
        format!("/proc/{pid}/fd/0"),
        format!("/proc/{pid}/root/etc/passwd"),
        format!("/proc/{pid}/cwd"),
        format!("/proc/{pid}/root/proc/{pid}/root//etc/passwd"),
    ] {
        assert!(session.open(path.as_ref(), READ).is_ok(), "{path}");
    }
    for path in
        [format!("/proc/{pid}/root/proc/self/environ"), format!("/proc/{pid}/root/proc/self/fd/0")]
    {
        assert_eq!(session.open(path.as_ref(), READ), Err(PERMISSION_DENIED), "{path}");
    }
    for file in ["comm", "mem", "oom_score_adj"] {
        let path = format!("/proc/{pid}/{file}");
        for flags in [WRITE, READ | WRITE] {
            assert_eq!(session.open(path.as_ref(), flags), Err(PERMISSION_DENIED), "{path}");
        }
    }
    drop(child.0.stdin.take());
}

#[test]
fn links_in_a_circle_and_what_is_not_there_stay_what_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let circle = directory.path().join("circle");
    std::os::unix::fs::symlink(&circle, &circle).unwrap();
    let mut session = Session::new();
    for path in [circle.clone(), circle.join("x"), directory.path().join("missing")] {
        assert_eq!(session.open(&path, READ), Err(NO_SUCH_FILE), "{}", path.display());
    }
    let file = directory.path().join("new");
    assert!(session.open(&file, WRITE | CREATE).is_ok());
    assert!(session.open(&file, READ).is_ok());
}

/// A process that is not this one, and waits until its input ends.
struct Sleeper(std::process::Child);

impl Sleeper {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a process that procfs shows")]
        let mut command = std::process::Command::new("cat");
        let (input, output) = (std::process::Stdio::piped(), std::process::Stdio::null());
        Self(command.stdin(input).stdout(output).spawn().unwrap())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Requests(mpsc::UnboundedReceiver<Bytes>);

impl Source for Requests {
    async fn next(&mut self) -> Option<Bytes> {
        self.0.recv().await
    }

    fn ready(&mut self) -> Option<Bytes> {
        self.0.try_recv().ok()
    }
}

struct Answers(mpsc::UnboundedSender<Bytes>);

impl Sink for Answers {
    async fn send(&self, bytes: Bytes) -> Result<(), Gone> {
        self.0.send(bytes).map_err(|_| Gone)
    }
}

/// A client of a session that runs in `tasks`.
struct Client {
    requests: mpsc::UnboundedSender<Bytes>,
    answers: mpsc::UnboundedReceiver<Bytes>,
    heard: Vec<u8>,
}

impl Client {
    async fn new(tasks: &mut JoinSet<()>, workers: &Workers) -> Self {
        let (requests, to_serve) = mpsc::unbounded_channel();
        let (answered, answers) = mpsc::unbounded_channel();
        let workers = workers.clone();
        tasks.spawn(async move {
            let (source, sink) = (Requests(to_serve), Answers(answered));
            serve(source, sink, config(), &workers).await.unwrap();
        });
        let mut client = Self { requests, answers, heard: Vec::new() };
        client.ask(1, |payload| payload.put_u32(3));
        assert_eq!(client.answer().await[0], 2);
        client
    }

    fn ask(&self, kind: u8, fields: impl FnOnce(&mut Vec<u8>)) {
        let mut packet = vec![kind];
        fields(&mut packet);
        let mut framed = Vec::new();
        framed.put_string(&packet);
        self.requests.send(framed.into()).unwrap();
    }

    async fn answer(&mut self) -> Vec<u8> {
        loop {
            if let Some((length, rest)) = self.heard.split_first_chunk()
                && let Some(packet) = rest.get(..u32::from_be_bytes(*length) as usize)
            {
                let packet = packet.to_vec();
                self.heard.drain(..4 + packet.len());
                return packet;
            }
            let more = timeout(Duration::from_secs(20), self.answers.recv()).await;
            self.heard.extend_from_slice(&more.expect("in time").expect("a session"));
        }
    }

    async fn open(&mut self, path: &str, flags: u32) -> Vec<u8> {
        self.ask(OPEN, |payload| {
            payload.put_u32(1);
            payload.put_string(path.as_bytes());
            payload.put_u32(flags);
            payload.put_u32(0);
        });
        let answer = self.answer().await;
        assert_eq!(answer[0], HANDLE);
        answer[9..].to_vec()
    }
}

#[tokio::test]
async fn copies_without_end_leave_threads_to_others_and_give_their_own_back() {
    let (mut tasks, workers) = (JoinSet::new(), Workers::default());
    let mut copying = Vec::new();
    for _ in 0..MAX_WORKERS + 4 {
        let mut client = Client::new(&mut tasks, &workers).await;
        let (from, to) =
            (client.open("/dev/zero", READ).await, client.open("/dev/null", WRITE).await);
        client.ask(EXTENDED, |payload| {
            payload.put_u32(2);
            payload.put_string(b"copy-data");
            payload.put_string(&from);
            payload.put_u64(0);
            payload.put_u64(0);
            payload.put_string(&to);
            payload.put_u64(0);
        });
        copying.push(client);
    }
    let mut client = Client::new(&mut tasks, &workers).await;
    client.ask(REAL_PATH, |payload| {
        payload.put_u32(3);
        payload.put_string(b"/");
    });
    assert_eq!(client.answer().await[0], NAME);
    for copying in &mut copying {
        assert!(copying.answers.try_recv().is_err(), "it has no end");
    }
    // What a login needs is not of these threads.
    let login = tokio::task::spawn_blocking(|| ());
    timeout(Duration::from_secs(20), login).await.unwrap().unwrap();

    tasks.shutdown().await;
    timeout(Duration::from_secs(20), workers.all_idle()).await.expect("the copies end");
}
