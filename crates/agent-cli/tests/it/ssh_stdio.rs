//! `ssh --stdio`: what goes through, how it ends, and what it refuses.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener, UnixStream},
    },
    process::{Child, Stdio},
    time::Duration,
};

use agent_cli::Signals;
use agent_sdk::{
    DialStream, PingPath, Pong,
    api::ErrorCode,
    mock::{Call, MockAgent},
};
use futures_util::FutureExt as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    sync::mpsc,
    time::{Instant, timeout},
};

use crate::{
    files::refusal,
    process::agentctl,
    prompt::{Ran, type_line, type_with},
};

/// No step of a conversation takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// An agent whose SSH port is the other end of each stream that is received.
fn agent() -> (MockAgent, mpsc::UnboundedReceiver<DuplexStream>) {
    let (agent, (tx, dialed)) = (MockAgent::new(), mpsc::unbounded_channel());
    agent.on_dial(move |_| {
        let (near, far) = duplex(1024);
        tx.send(far).unwrap();
        Ok(DialStream::from_stream(near))
    });
    (agent, dialed)
}

/// Runs `ssh --stdio` with stdin as the other end of a stream, and with somebody at both ends. What
/// they give back is held until the run has ended.
async fn between<T>(
    act: impl AsyncFnOnce(DuplexStream, DuplexStream, Signals) -> T,
) -> (Ran, MockAgent) {
    let ((agent, mut dialed), (client, stdin)) = (agent(), duplex(1024));
    let signals = Signals::default();
    let run = type_with(&agent, &["ssh", "--stdio", "work"], |io| {
        io.stdin = Some(Box::new(stdin));
        io.signals = signals.clone();
    });
    let act = async { act(client, dialed.recv().await.unwrap(), signals.clone()).await };
    let (ran, held) = tokio::join!(timeout(PATIENCE, run), act);
    drop(held);
    (ran.unwrap(), agent)
}

#[tokio::test]
async fn each_direction_ends_on_its_own() {
    let (ran, agent) = between(async |mut client, mut server, _| {
        client.write_all(b"to").await.unwrap();
        drop(client);
        let mut received = String::new();
        server.read_to_string(&mut received).await.unwrap();
        assert_eq!(received, "to", "and then the end");
        server.write_all(b"from").await.unwrap();
    })
    .await;
    assert_eq!(ran.ok(), "from");
    assert_eq!(agent.calls(), [Call::Dial(22)]);
}

#[tokio::test]
async fn an_editor_is_told_about_the_connection_until_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path().join("info");
    let path = directory.join(format!("{}.json", std::os::unix::process::parent_id()));
    let read = || fs::read_to_string(&path).unwrap_or_default();
    let ((agent, mut dialed), (mut client, stdin)) = (agent(), duplex(1024));
    agent.on_ping(|_| Ok(Pong::new(Duration::from_millis(12), PingPath::Local)));
    let words = ["ssh", "--stdio", "--network-info-interval", "10ms", "--network-info-dir"];
    let words = [&words[..], &[directory.to_str().unwrap(), "work"]].concat();
    let run = type_with(&agent, &words, |io| io.stdin = Some(Box::new(stdin)));
    let act = async {
        let mut server = dialed.recv().await.unwrap();
        client.write_all(&[b'x'; 1000]).await.unwrap();
        server.read_exact(&mut [0; 1000]).await.unwrap();
        // The bytes are counted in one of the next files.
        while !read().contains("\"upload_bytes_sec\":")
            || read().contains("\"upload_bytes_sec\":0,")
        {
            tokio::task::yield_now().await;
        }
        let modes = [&directory, &path].map(|it| fs::metadata(it).unwrap().permissions().mode());
        assert_eq!(modes.map(|mode| mode & 0o7777), [0o700, 0o600]);
        let told: serde_json::Value = serde_json::from_str(&read()).unwrap();
        assert_eq!((&told["p2p"], &told["path"]), (&true.into(), &"local".into()));
        assert_eq!(
            (&told["latency"], told["derp_latency"].to_string()),
            (&12.0.into(), "{}".into())
        );
        drop(client);
    };
    let (ran, ()) =
        tokio::join!(timeout(PATIENCE, run), timeout(PATIENCE, act).map(Result::unwrap));
    assert_eq!(ran.unwrap().ok(), "");
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0, "the file is gone");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_answers_no_ping_for_a_minute_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let ((agent, mut dialed), (_client, stdin)) = (agent(), duplex(1024));
    agent.on_ping(|_| Err(refusal("get_lifecycle", ErrorCode::Unavailable, "no")));
    let words = ["ssh", "--stdio", "--network-info-dir", dir.path().to_str().unwrap(), "work"];
    let begin = Instant::now();
    let ran = type_with(&agent, &words, |io| io.stdin = Some(Box::new(stdin))).await;
    assert!(ran.failed(255).contains("no ping came back for a minute"));
    assert_eq!(begin.elapsed(), Duration::from_secs(60));
    dialed.recv().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_ping_that_fails_after_a_long_pause_is_no_minute_of_failures() {
    let dir = tempfile::tempdir().unwrap();
    let ((agent, mut dialed), (_client, stdin)) = (agent(), duplex(1024));
    let pings = std::sync::atomic::AtomicU32::new(0);
    agent.on_ping(move |_| match pings.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        0 | 2 => Ok(Pong::new(Duration::ZERO, PingPath::Local)),
        _ => Err(refusal("get_lifecycle", ErrorCode::Unavailable, "no")),
    });
    let directory = dir.path().to_str().unwrap();
    let options = ["--network-info-interval", "2m", "--network-info-dir", directory];
    let words = [&["ssh", "--stdio", "work"], &options[..]].concat();
    let begin = Instant::now();
    let ran = type_with(&agent, &words, |io| io.stdin = Some(Box::new(stdin))).await;
    assert!(ran.failed(255).contains("no ping came back for a minute"));
    assert_eq!(begin.elapsed(), Duration::from_secs(4 * 120), "the second one in a row");
    dialed.recv().await.unwrap();
}

#[tokio::test]
async fn everything_goes_through_byte_by_byte() {
    let sent: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0] & 0x7f).collect();
    let (ran, _) = between(async |mut client, server, _| {
        let (mut from, mut to) = tokio::io::split(server);
        let feed = async {
            client.write_all(&sent).await.unwrap();
            client.shutdown().await.unwrap();
        };
        let echo = async {
            tokio::io::copy(&mut from, &mut to).await.unwrap();
            to.shutdown().await.unwrap();
        };
        tokio::join!(feed, echo);
    })
    .await;
    assert!(ran.ok().as_bytes() == sent);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stays_when_the_server_has_ended_is_left() {
    let begin = Instant::now();
    let (ran, _) = between(async |client, server, _| {
        drop(server);
        client
    })
    .await;
    assert_eq!(
        ran.failed(255),
        "agentctl: ssh: connection lost: the agent has ended the connection\n"
    );
    assert_eq!(begin.elapsed(), Duration::from_secs(2));
}

#[tokio::test]
async fn a_signal_is_no_end_of_both_directions() {
    let (ran, _) = between(async |client, mut server, signals| {
        assert!(signals.offer(agent_cli::LocalSignal::Terminate));
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0, "the connection is closed");
        drop(client);
    })
    .await;
    assert_eq!(ran.failed(255), "");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_starts_is_waited_for_and_no_other() {
    for (code, tries) in [(ErrorCode::Unavailable, 10), (ErrorCode::ResourceExhausted, 1)] {
        let agent = MockAgent::new();
        agent.on_dial(move |_| Err(refusal("dial", code, "no")));
        let begin = Instant::now();
        assert_eq!(type_line(&agent, "ssh --stdio work").await.failed(255), "agentctl: dial: no\n");
        assert_eq!(agent.calls().len(), tries);
        assert_eq!(begin.elapsed().as_secs(), 2 * (tries as u64 - 1));
    }
}

#[tokio::test]
async fn what_needs_a_session_is_refused() {
    for line in ["ssh --stdio work ls", "ssh --stdio -t work", "ssh --target a --stdio b"] {
        let agent = MockAgent::new();
        type_line(&agent, line).await.failed(64);
        assert_eq!(agent.calls(), []);
    }
}

/// The program on a socket that this test serves, behind the upgrade.
fn upgraded(arguments: &[&str]) -> (Child, UnixStream, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    let target = format!("unix:{}", socket.display());
    let mut command = agentctl(&[&["ssh", "--stdio"], arguments, &[&target]].concat(), &home);
    let child = command.stdin(Stdio::piped()).spawn().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    assert!(head.starts_with(b"GET /api/v0/tcp/22 "), "{}", String::from_utf8_lossy(&head));
    let answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    stream.write_all(answer).unwrap();
    (child, stream, home)
}

#[test]
fn the_end_of_the_server_closes_stdout_before_stdin_has_ended() {
    let (mut child, stream, _home) = upgraded(&[]);
    (&stream).write_all(b"SSH-2.0-x\r\n").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "SSH-2.0-x\r\n");
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_signal_ends_the_process_and_the_log_says_so() {
    let logs = tempfile::tempdir().unwrap();
    let directory = logs.path().to_str().unwrap();
    let (mut child, stream, _home) = upgraded(&["--log-dir", directory]);
    (&stream).write_all(b"x").unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(255));
    let entry = fs::read_dir(directory).unwrap().next().unwrap().unwrap();
    let parent = format!("-{}.log", std::process::id());
    assert!(entry.file_name().to_str().unwrap().ends_with(&parent), "{entry:?}");
    let text = fs::read_to_string(entry.path()).unwrap();
    assert!(text.contains(" connected at attempt 1\n"), "{text}");
    assert!(text.ends_with(" ended by SIGTERM\n"), "{text}");
}
