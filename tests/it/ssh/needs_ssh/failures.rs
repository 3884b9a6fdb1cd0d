//! What goes wrong between a client and its workspace: silence, resets, floods, crowds.

#![expect(clippy::disallowed_methods, reason = "ends with the runtime of its test")]

use std::{io::Write as _, process::Stdio, time::Duration};

use agent_tests::{SshDaemon, client, finish, key, until};
use futures_util::{StreamExt as _, stream};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout},
    sync::watch,
    time::{Instant, timeout},
};

const LIMIT: Duration = Duration::from_secs(60);
const MIB: u64 = 1024 * 1024;

/// A client whose command is at work, and what else it prints.
struct Running {
    client: Child,
    first: String,
    lines: Lines<BufReader<ChildStdout>>,
}

/// Starts a client whose command prints a line when it is at work.
async fn running(agent: &SshDaemon, options: &[&str], command: &str) -> Running {
    let mut ssh = agent.ssh(options);
    ssh.arg(command).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut client = ssh.spawn().unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    let first = timeout(LIMIT, lines.next_line()).await.unwrap().unwrap().unwrap();
    Running { client, first: first.trim().to_owned(), lines }
}

fn is_alive(pid: &str) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

fn signal(pid: Option<u32>, signal: Signal) {
    kill_process(Pid::from_raw(pid.unwrap().cast_signed()).unwrap(), signal).unwrap();
}

/// The reasons of the connections that have ended, in their order.
fn reasons(agent: &SshDaemon) -> Vec<String> {
    let log = agent.daemon().log();
    log.iter()
        .filter(|line| line["message"] == "ssh disconnected")
        .map(|line| line["reason"].as_str().unwrap().to_owned())
        .collect()
}

async fn ends_for(agent: &SshDaemon, reason: &str) {
    until(reason, || reasons(agent).last().is_some_and(|last| last == reason)).await;
}

/// What a [`Wire`] does with bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    Carries,
    /// Nothing arrives any more, and nobody is told.
    IsSilent,
    /// The connection is reset.
    IsCut,
}

/// Carries one connection to a port, as long as it is told to.
async fn wire(target: u16) -> (u16, watch::Sender<Wire>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (teller, mut told) = watch::channel(Wire::Carries);
    tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
            _ = told.wait_for(|wire| *wire != Wire::Carries) => {}
        }
        if told.wait_for(|wire| *wire == Wire::IsCut).await.is_ok() {
            far.set_zero_linger().unwrap();
        }
    });
    (port, teller)
}

#[tokio::test]
async fn a_connection_that_falls_silent_ends_with_its_terminal() {
    let agent = SshDaemon::start(&["--ssh-client-timeout", "3s"]).await;
    let (port, teller) = wire(agent.port()).await;
    let port = format!("Port={port}");
    let kept = running(&agent, &["-tt"], "echo $$; exec sleep 600").await;
    let lost = running(&agent, &["-tt", "-o", &port], "echo $$; exec sleep 600").await;
    teller.send(Wire::IsSilent).unwrap();
    let start = Instant::now();
    ends_for(&agent, "keepalive timeout").await;
    let took = start.elapsed();
    assert!((3..10).contains(&took.as_secs()), "one third, three questions: {took:?}");
    until("its command is hung up", || !is_alive(&lost.first)).await;
    assert!(is_alive(&kept.first), "a client that answers is kept");
    assert_eq!(reasons(&agent).len(), 1);
}

#[tokio::test]
async fn the_log_says_why_each_connection_ended() {
    let agent = SshDaemon::start(&["--ssh-login-grace", "2s", "--ssh-max-auth-tries", "2"]).await;
    assert_eq!(agent.run("true").await.code, 0);
    ends_for(&agent, "closed by client").await;

    let (port, teller) = wire(agent.port()).await;
    let _cut = running(&agent, &["-o", &format!("Port={port}")], "echo up; read line").await;
    teller.send(Wire::IsCut).unwrap();
    ends_for(&agent, "connection lost").await;

    let mut silent = TcpStream::connect(("127.0.0.1", agent.port())).await.unwrap();
    silent.write_all(b"SSH-2.0-silent\r\n").await.unwrap();
    ends_for(&agent, "login grace").await;

    let mut odd = TcpStream::connect(("127.0.0.1", agent.port())).await.unwrap();
    odd.write_all(b"SSH-2.0-odd\r\n\0\0\0\x01garbage").await.unwrap();
    ends_for(&agent, "protocol error").await;

    let mut ssh = client("ssh");
    ssh.args(["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "IdentitiesOnly=yes"]);
    ssh.args(["-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]);
    for name in ["a", "b", "c"] {
        key(&agent.path(name));
        ssh.arg("-i").arg(agent.path(name));
    }
    ssh.args(["-p", &agent.port().to_string(), "me@127.0.0.1", "true"]);
    let output = finish(ssh, b"").await;
    assert!(output.stderr.contains("Too many authentication failures"), "{}", output.stderr);
    ends_for(&agent, "too many authentication failures").await;

    let _open = running(&agent, &[], "echo up; read line").await;
    signal(Some(agent.daemon().pid()), Signal::TERM);
    ends_for(&agent, "agent shutting down").await;
}

/// Bytes that a process has written (`wchar`, proc(5)).
fn written(pid: &str) -> Option<u64> {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    io.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse().ok())
}

/// Waits until a program does not get rid of its output any more.
async fn is_stuck(pid: &str) {
    let (mut last, mut looks) = (None, 0);
    until("the program waits for its reader", || {
        let now = written(pid);
        looks = if now == last { looks + 1 } else { 0 };
        last = now;
        looks > 50
    })
    .await;
}

#[tokio::test]
async fn clients_that_do_not_read_cost_nobody_anything() {
    let agent = SshDaemon::start(&[]).await;
    let control = agent.path("control");
    let control = control.to_str().unwrap();
    let mut master = agent.ssh(&["-M", "-N", "-f", "-S", control]);
    assert!(master.status().await.unwrap().success());
    let before = agent.daemon().resident_bytes();
    let mut stuck = Vec::new();
    for options in [&[][..], &["-tt"], &["-S", control], &["-S", control, "-tt"]] {
        // Nobody takes more of its output than the first line.
        stuck.push(running(&agent, options, "echo $$; exec yes").await);
    }
    let stopped = running(&agent, &[], "echo $$; exec yes").await;
    signal(stopped.client.id(), Signal::STOP);
    stuck.push(stopped);
    for program in &stuck {
        is_stuck(&program.first).await;
    }
    let grown = agent.daemon().resident_bytes().saturating_sub(before);
    assert!(grown < 48 * MIB, "{grown} bytes more");
    let start = Instant::now();
    assert_eq!(agent.run("echo in").await.text(), "in\n");
    assert_eq!(finish(shared(&agent, control, "echo in"), b"").await.text(), "in\n");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    for program in &stuck {
        signal(program.client.id(), Signal::KILL);
    }
    // A shared connection goes on with the commands of clients that are gone; it ends them with itself.
    assert_eq!(finish(shared(&agent, control, "echo still"), b"").await.text(), "still\n");
    assert_eq!(finish(agent.ssh(&["-S", control, "-O", "exit"]), b"").await.code, 0);
    for program in &stuck {
        until("a program without a reader ends", || !is_alive(&program.first)).await;
    }
}

/// A command over a shared connection.
fn shared(agent: &SshDaemon, control: &str, command: &str) -> tokio::process::Command {
    let mut ssh = agent.ssh(&["-S", control]);
    ssh.arg(command);
    ssh
}

#[tokio::test]
async fn five_hundred_connections_are_served_at_once_and_one_more_is_told() {
    const CONNECTIONS: usize = 500;
    /// Handshakes at a time, so that none takes longer than the time it is given.
    const AT_A_TIME: usize = 32;
    let most = CONNECTIONS.to_string();
    let agent = SshDaemon::start(&["--ssh-max-connections", &most]).await;
    let gate = agent.path("gate");
    rustix::fs::mkfifoat(rustix::fs::CWD, &gate, rustix::fs::Mode::RWXU).unwrap();
    let mut keeper = std::fs::OpenOptions::new().read(true).write(true).open(&gate).unwrap();
    let command = format!("echo up; read -r line < '{}'; echo through", gate.display());
    let start = |_| running(&agent, &[], &command);
    let mut clients: Vec<Running> =
        stream::iter(0..CONNECTIONS).map(start).buffer_unordered(AT_A_TIME).collect().await;
    assert!(clients.iter().all(|client| client.first == "up"));

    let mut refused = TcpStream::connect(("127.0.0.1", agent.port())).await.unwrap();
    let mut text = String::new();
    timeout(LIMIT, refused.read_to_string(&mut text)).await.unwrap().unwrap();
    assert_eq!(text, "agentd: too many connections\r\n");
    let per_connection = agent.daemon().resident_bytes() / CONNECTIONS as u64;
    assert!(per_connection < MIB, "{per_connection} bytes for each");

    // Each of them takes bytes up to the end of one line.
    keeper.write_all("x\n".repeat(CONNECTIONS).as_bytes()).unwrap();
    for Running { client, lines, .. } in &mut clients {
        let line = timeout(LIMIT, lines.next_line()).await.unwrap().unwrap();
        assert_eq!(line.as_deref(), Some("through"));
        assert!(timeout(LIMIT, client.wait()).await.unwrap().unwrap().success());
    }
    assert_eq!(agent.run("echo in").await.text(), "in\n");
    until("all are said to be over", || reasons(&agent).len() == CONNECTIONS + 1).await;
    assert!(reasons(&agent).iter().all(|reason| reason == "closed by client"));
}
