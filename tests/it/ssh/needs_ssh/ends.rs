//! How connections end: clients that are killed, an agent that stops, limits.

#![expect(clippy::disallowed_methods, reason = "ends with the runtime of its test")]

use std::{path::Path, process::Stdio, time::Duration};

use agent_tests::{SshDaemon, finish, until};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::TcpStream,
    process::Child,
    time::{Instant, timeout},
};

const LIMIT: Duration = Duration::from_secs(60);

/// Starts a client whose command prints a line when it runs, and waits for that line.
async fn running(agent: &SshDaemon, options: &[&str], command: &str) -> (Child, String) {
    let mut ssh = agent.ssh(options);
    ssh.arg(command).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = ssh.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = timeout(LIMIT, lines.next_line()).await.unwrap().unwrap().unwrap();
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, line.trim().to_owned())
}

fn is_alive(pid: &str) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

fn kill(child: &Child) {
    let pid = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_command_outlives_a_client_that_is_killed() {
    let agent = SshDaemon::start(&[]).await;
    let (gate, done) = (agent.path("gate"), agent.path("done"));
    let command = format!(
        "echo $$; while ! test -e '{}'; do sleep 0.05; done; touch '{}'",
        gate.display(),
        done.display()
    );
    let (client, pid) = running(&agent, &[], &command).await;
    kill(&client);
    // The agent has seen the end when the connection is not counted any more.
    until("the connection ends", || !has_connection(&agent)).await;
    assert!(is_alive(&pid), "it is not signaled");
    std::fs::write(&gate, "").unwrap();
    until("the command ends by itself", || done.exists()).await;
}

/// Whether the agent still holds a socket of a client on its SSH port (proc(5), `net/tcp`).
fn has_connection(agent: &SshDaemon) -> bool {
    let port = format!(":{:04X}", agent.port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.len() > 3 && fields[1].ends_with(&port) && fields[3] == "01"
    })
}

#[tokio::test]
async fn a_terminal_is_hung_up_with_its_client() {
    let agent = SshDaemon::start(&[]).await;
    let (client, pid) = running(&agent, &["-tt"], "echo $$; exec sleep 600").await;
    let (stubborn, other) =
        running(&agent, &["-tt"], "trap '' HUP; echo $$; while :; do sleep 1; done").await;
    kill(&client);
    kill(&stubborn);
    let start = Instant::now();
    until("both end", || !is_alive(&pid) && !is_alive(&other)).await;
    assert!(start.elapsed() < Duration::from_secs(15), "in time");
}

#[tokio::test]
async fn clients_learn_of_the_stop_and_nothing_is_left() {
    let mut agent = SshDaemon::start(&[]).await;
    let command = "echo $$; trap 'sleep 60' TERM; sleep 60";
    let mut clients = Vec::new();
    for options in [&[][..], &["-tt"][..], &[][..], &["-tt"][..]] {
        clients.push(running(&agent, options, command).await);
    }
    let pid = Pid::from_raw(agent.daemon().pid().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let start = Instant::now();
    for (client, _) in &mut clients {
        let status = timeout(LIMIT, client.wait()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(255));
    }
    assert!(start.elapsed() < Duration::from_secs(5), "clients unblock: {:?}", start.elapsed());
    let status = agent.daemon_mut().wait().await;
    assert_eq!(status.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    for (_, pid) in &clients {
        assert!(!is_alive(pid), "{pid} is left");
    }
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let agent = SshDaemon::start(&["--ssh-max-connections", "2"]).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(("127.0.0.1", agent.port())).await.unwrap();
        stream.read_exact(&mut [0; 15]).await.unwrap();
        held.push(stream);
    }
    let mut refused = TcpStream::connect(("127.0.0.1", agent.port())).await.unwrap();
    let mut text = String::new();
    timeout(LIMIT, refused.read_to_string(&mut text)).await.unwrap().unwrap();
    assert_eq!(text, "agentd: too many connections\r\n");
    drop(held);
    until("there is room again", || !has_connection(&agent)).await;
    assert_eq!(agent.run("echo in").await.text(), "in\n");
}

#[tokio::test]
async fn whoever_does_not_log_in_is_cut() {
    let agent = SshDaemon::start(&["--ssh-login-grace", "1s"]).await;
    let mut stream = TcpStream::connect(("127.0.0.1", agent.port())).await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(LIMIT, stream.read_to_end(&mut rest)).await.expect("the agent closes");
    assert!(rest.starts_with(b"SSH-2.0-agentd_"), "it speaks first");
}

#[tokio::test]
async fn every_line_reaches_a_client_that_pauses() {
    let agent = SshDaemon::start(&[]).await;
    let mut ssh = agent.ssh(&[]);
    ssh.arg("seq 1 200000").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = ssh.spawn().unwrap();
    let pid = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).await.unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    // Everything between is full now: another client is served all the same.
    assert_eq!(agent.run("echo other").await.text(), "other\n");
    kill_process(pid, Signal::CONT).unwrap();
    let mut rest = String::new();
    timeout(LIMIT, stdout.read_to_string(&mut rest)).await.unwrap().unwrap();
    let expected: String = (2..=200_000).map(|number| format!("{number}\n")).collect();
    assert!(line == "1\n" && rest == expected, "all lines, once, in order");
}

#[tokio::test]
async fn a_missing_directory_gives_way_to_home() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("project");
    std::fs::create_dir(&path).unwrap();
    let path = path.canonicalize().unwrap();
    let agent = SshDaemon::start(&["--directory", path.to_str().unwrap()]).await;
    let pwd = async || agent.run("pwd -P").await.text();
    assert_eq!(Path::new(pwd().await.trim()), path);
    std::fs::remove_dir(&path).unwrap();
    assert_eq!(Path::new(pwd().await.trim()), agent.daemon().dir().canonicalize().unwrap());
    let mut ssh = agent.ssh(&["-v"]);
    ssh.arg("true");
    let output = finish(ssh, b"").await;
    assert!(output.stderr.contains("agentd_"), "{}", output.stderr);
}
