//! Forwarded ports and sockets, both ways.

#![expect(clippy::disallowed_methods, reason = "ends with the runtime of its test")]

use std::os::unix::fs::PermissionsExt;

use agent_tests::{Output, SshDaemon, finish, until};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixListener, UnixStream},
    process::Child,
};

use crate::ssh::wire::{echo_server, exchange, free_port};

async fn connect(port: u16) -> TcpStream {
    let is_up = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
    until("somebody listens on the port", is_up).await;
    TcpStream::connect(("127.0.0.1", port)).await.unwrap()
}

fn start(agent: &SshDaemon, options: &[&str]) -> Child {
    let all: Vec<&str> =
        ["-N", "-o", "ExitOnForwardFailure=yes"].iter().chain(options).copied().collect();
    agent.ssh(&all).spawn().unwrap()
}

#[tokio::test]
async fn local_ports_sockets_and_streams_reach_the_workspace() {
    let agent = SshDaemon::start(&[]).await;
    let (server, local, socks) = (echo_server().await, free_port().await, free_port().await);
    let payload = vec![b'x'; 3 * 1024 * 1024];
    let mapping = format!("127.0.0.1:{local}:127.0.0.1:{server}");
    let _client = start(&agent, &["-L", &mapping, "-D", &format!("127.0.0.1:{socks}")]);
    assert!(exchange(connect(local).await, &payload).await == payload, "-L");

    // SOCKS version 5, no authentication, an IPv4 address (RFC 1928).
    let mut stream = connect(socks).await;
    stream.write_all(&[5, 1, 0]).await.unwrap();
    stream.read_exact(&mut [0; 2]).await.unwrap();
    let mut request = vec![5, 1, 0, 1, 127, 0, 0, 1];
    request.extend_from_slice(&server.to_be_bytes());
    stream.write_all(&request).await.unwrap();
    let mut answer = [0; 10];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer[1], 0, "-D connects");
    assert_eq!(exchange(stream, b"through socks").await, b"through socks");

    let target = format!("127.0.0.1:{server}");
    let output = finish(agent.ssh(&["-W", &target]), b"through stdio").await;
    assert_eq!(output.stdout, b"through stdio");

    let path = agent.path("server.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"from a socket").await.unwrap();
    });
    let near = agent.path("near.sock");
    let mapping = format!("{}:{}", near.display(), path.display());
    let _client = start(&agent, &["-L", &mapping]);
    until("the client listens", || near.exists()).await;
    let stream = UnixStream::connect(&near).await.unwrap();
    assert_eq!(exchange(stream, b"").await, b"from a socket");
}

#[tokio::test]
async fn a_port_nobody_listens_on_is_refused_with_a_reason() {
    let agent = SshDaemon::start(&[]).await;
    let target = format!("127.0.0.1:{}", free_port().await);
    let output = finish(agent.ssh(&["-o", "LogLevel=INFO", "-W", &target]), b"").await;
    assert_ne!(output.code, 0);
    assert!(output.stderr.contains("connect failed"), "{}", output.stderr);
    assert!(output.stderr.contains("refused"), "{}", output.stderr);
}

#[tokio::test]
async fn ports_and_sockets_of_the_workspace_reach_the_client() {
    let agent = SshDaemon::start(&[]).await;
    let (server, remote) = (echo_server().await, free_port().await);
    let mapping = format!("{remote}:127.0.0.1:{server}");
    let deep = agent.path("a/b/s");
    let socket = format!("{}:127.0.0.1:{server}", deep.display());
    let mut client = start(&agent, &["-R", &mapping, "-R", &socket]);
    let payload = vec![b'y'; 1024 * 1024];
    assert!(exchange(connect(remote).await, &payload).await == payload, "-R");
    until("the agent listens", || deep.exists()).await;
    for directory in ["a", "a/b"] {
        let mode = agent.path(directory).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700, "{directory}");
    }
    let stream = UnixStream::connect(&deep).await.unwrap();
    assert_eq!(exchange(stream, b"socket").await, b"socket");
    client.kill().await.unwrap();
    let is_gone = || !deep.exists() && std::net::TcpStream::connect(("127.0.0.1", remote)).is_err();
    until("what a connection listened on goes with it", is_gone).await;
}

async fn reverse(agent: &SshDaemon, mapping: &str) -> Output {
    let options = ["-N", "-o", "ExitOnForwardFailure=yes", "-o", "LogLevel=INFO", "-R", mapping];
    finish(agent.ssh(&options), b"").await
}

#[tokio::test]
async fn a_busy_port_and_foreign_files_are_no_listeners() {
    let agent = SshDaemon::start(&[]).await;
    let busy = echo_server().await;
    assert_eq!(reverse(&agent, &format!("{busy}:127.0.0.1:9")).await.code, 255);
    let file = agent.path("file");
    std::fs::write(&file, "mine").unwrap();
    assert_eq!(reverse(&agent, &format!("{}:127.0.0.1:9", file.display())).await.code, 255);
    assert_eq!(std::fs::read(&file).unwrap(), b"mine", "a file is never unlinked");
}

#[tokio::test]
async fn each_direction_has_its_switch() {
    let agent = SshDaemon::start(&["--ssh-no-local-forward"]).await;
    let server = echo_server().await;
    let target = format!("127.0.0.1:{server}");
    let output = finish(agent.ssh(&["-o", "LogLevel=INFO", "-W", &target]), b"").await;
    assert!(output.stderr.contains("administratively prohibited"), "{}", output.stderr);
    let remote = free_port().await;
    let _client = start(&agent, &["-R", &format!("{remote}:127.0.0.1:{server}")]);
    assert_eq!(exchange(connect(remote).await, b"still").await, b"still");

    let agent = SshDaemon::start(&["--ssh-no-remote-forward"]).await;
    assert_eq!(reverse(&agent, &format!("{}:127.0.0.1:9", free_port().await)).await.code, 255);
    let output = finish(agent.ssh(&["-W", &format!("127.0.0.1:{server}")]), b"still").await;
    assert_eq!(output.stdout, b"still");
}

#[tokio::test]
async fn the_client_s_agent_is_reached_from_the_workspace() {
    let agent = SshDaemon::start(&[]).await;
    let socket = agent.path("agent.sock");
    let _keys = super::ssh_agent(&socket, &agent.path("key")).await;
    let mut ssh = agent.ssh(&["-A"]);
    ssh.env("SSH_AUTH_SOCK", &socket).arg("ssh-add -L; ls -l \"$SSH_AUTH_SOCK\" | cut -c1-10");
    let output = finish(ssh, b"").await;
    let public = std::fs::read_to_string(agent.path("key.pub")).unwrap();
    let words: Vec<&str> = public.split(' ').collect();
    assert!(output.text().contains(words[1]), "{output:?}");
    assert!(output.text().contains("\ns"), "a socket: {output:?}");
}
