//! Channels that the client opens into the workspace.

use agent_ssh_protocol::{OpenError, wire::Put as _};
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UnixListener},
};

use super::world::{Setup, World, directory, exchange, read_to_end, soon};
use crate::auth::{Grant, HostPort};

const PROHIBITED: u32 = 1;
const CONNECT_FAILED: u32 = 2;

fn direct_path(path: &std::path::Path) -> Vec<u8> {
    let mut payload = super::world::string_of(path);
    payload.put_string(b"");
    payload.put_u32(0);
    payload
}

fn refusal(opened: Result<agent_ssh_protocol::Channel, OpenError>) -> (u32, String) {
    match opened {
        Err(OpenError::Refused { reason, text }) => (reason, text),
        other => panic!("not refused but {:?}", other.map(drop)),
    }
}

#[tokio::test]
async fn bytes_and_ends_go_both_ways() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut channel = world.direct_tcp("localhost", port.into()).await.unwrap();
    let (mut socket, _) = soon(listener.accept()).await.unwrap();
    channel.output.write(Bytes::from_static(b"question")).await.unwrap();
    channel.output.eof();
    let mut question = Vec::new();
    soon(socket.read_to_end(&mut question)).await.unwrap();
    assert_eq!(question, b"question");
    // The other direction is still open.
    socket.write_all(b"answer").await.unwrap();
    drop(socket);
    assert_eq!(read_to_end(&mut channel).await, b"answer");
    assert!(channel.input.is_at_eof());
    assert!(soon(channel.requests.next()).await.is_none(), "both ends make the channel close");
    world.shut_down().await;
}

#[tokio::test]
async fn the_workspace_may_end_first() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut channel = world.direct_tcp("127.0.0.1", port.into()).await.unwrap();
    let (mut socket, _) = soon(listener.accept()).await.unwrap();
    socket.write_all(b"hello").await.unwrap();
    socket.shutdown().await.unwrap();
    assert_eq!(exchange(&mut channel, b"").await, b"hello");
    drop(channel);
    let mut rest = Vec::new();
    soon(socket.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"");
    world.shut_down().await;
}

#[tokio::test]
async fn megabytes_pass_a_reader_that_is_slow_to_start() {
    const SIZE: usize = 24 * 1024 * 1024;
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut channel = world.direct_tcp("127.0.0.1", port.into()).await.unwrap();
    let (socket, _) = soon(listener.accept()).await.unwrap();
    let (mut from, mut to) = socket.into_split();
    let sent: Vec<u8> = (0..SIZE).map(|at| (at % 251) as u8).collect();
    let expected = sent.clone();
    // Nobody reads the channel until the socket takes no more.
    let writer = world.tasks.spawn(async move {
        to.write_all(&sent).await.unwrap();
        drop(to);
        let mut echoed = Vec::new();
        from.read_to_end(&mut echoed).await.unwrap();
        echoed
    });
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other_port = other.local_addr().unwrap().port();
    let mut second = world.direct_tcp("127.0.0.1", other_port.into()).await.unwrap();
    let (mut quick, _) = soon(other.accept()).await.unwrap();
    quick.write_all(b"quick").await.unwrap();
    drop(quick);
    assert_eq!(read_to_end(&mut second).await, b"quick", "one stuck channel stops no other");
    assert!(!writer.is_finished(), "nothing may hold 24 MiB for a reader that does not read");
    let mut received = Vec::new();
    while let Some(data) = soon(channel.input.read()).await {
        received.extend_from_slice(&data.bytes);
    }
    assert!(received == expected);
    channel.output.write(Bytes::from(received)).await.unwrap();
    channel.output.eof();
    assert!(soon(writer).await.unwrap() == expected);
    world.shut_down().await;
}

#[tokio::test]
async fn a_reset_socket_costs_its_channel_only() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut channel = world.direct_tcp("127.0.0.1", port.into()).await.unwrap();
    let (socket, _) = soon(listener.accept()).await.unwrap();
    socket.set_zero_linger().unwrap();
    drop(socket);
    assert!(soon(channel.requests.next()).await.is_none(), "the channel closes");
    let mut next = world.direct_tcp("127.0.0.1", port.into()).await.unwrap();
    let (mut socket, _) = soon(listener.accept()).await.unwrap();
    socket.write_all(b"alive").await.unwrap();
    drop(socket);
    assert_eq!(read_to_end(&mut next).await, b"alive");
    world.shut_down().await;
}

#[tokio::test]
async fn a_closed_channel_closes_its_socket() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let channel = world.direct_tcp("127.0.0.1", port.into()).await.unwrap();
    let (mut socket, _) = soon(listener.accept()).await.unwrap();
    channel.output.write(Bytes::from_static(b"last words")).await.unwrap();
    channel.output.close();
    let mut read = Vec::new();
    soon(socket.read_to_end(&mut read)).await.unwrap();
    assert_eq!(read, b"last words");
    drop(channel);
    world.shut_down().await;
}

#[tokio::test]
async fn a_target_that_can_not_be_reached_is_named_with_the_cause() {
    let world = World::new().await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let (reason, text) = refusal(world.direct_tcp("127.0.0.1", free.into()).await);
    assert_eq!(reason, CONNECT_FAILED);
    assert_eq!(text, format!("cannot connect to 127.0.0.1:{free}: connection refused"));
    let (reason, text) = refusal(world.direct_tcp("no-such-host.invalid", 80).await);
    assert_eq!(reason, CONNECT_FAILED);
    assert!(text.starts_with("cannot connect to no-such-host.invalid:80: "), "{text}");
    let (reason, _) = refusal(world.direct_tcp("127.0.0.1", 65_536).await);
    assert_eq!(reason, CONNECT_FAILED);
    for payload in [&b""[..], b"\0\0\0\x09localhost"] {
        for kind in ["direct-tcpip", "direct-streamlocal@openssh.com"] {
            let (reason, _) = refusal(soon(world.client.open(kind, payload)).await);
            assert_eq!(reason, CONNECT_FAILED);
        }
    }
    world.shut_down().await;
}

#[tokio::test]
async fn a_path_is_dialed_or_named_with_the_cause() {
    let (world, home) = (World::new().await, directory());
    let path = home.path().join("socket");
    let open = |path| {
        let payload = direct_path(path);
        let client = world.client.clone();
        async move { soon(client.open("direct-streamlocal@openssh.com", &payload)).await }
    };
    let (reason, text) = refusal(open(&path).await);
    assert_eq!(reason, CONNECT_FAILED);
    let path_text = path.display();
    assert!(text.starts_with(&format!("cannot connect to {path_text}: file does not")), "{text}");
    let listener = UnixListener::bind(&path).unwrap();
    let mut channel = open(&path).await.unwrap();
    let (mut socket, _) = soon(listener.accept()).await.unwrap();
    socket.write_all(b"hello").await.unwrap();
    socket.shutdown().await.unwrap();
    assert_eq!(exchange(&mut channel, b"bye").await, b"hello");
    let mut read = Vec::new();
    soon(socket.read_to_end(&mut read)).await.unwrap();
    assert_eq!(read, b"bye");
    world.shut_down().await;
}

#[tokio::test]
async fn a_limited_key_reaches_no_unix_socket_of_this_process() {
    let home = directory();
    let (path, link) = (home.path().join("socket"), home.path().join("link"));
    let _listener = UnixListener::bind(&path).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let foreign = foreign_listener(&home.path().join("foreign"));
    let permit = HostPort { host: b"*".to_vec(), port: None };
    for grant in [
        Grant { forced: Some(b"date".to_vec()), ..Grant::everything() },
        Grant { permit_open: Some(vec![permit]), ..Grant::everything() },
        Grant { pty: false, ..Grant::everything() },
    ] {
        let world = World::with(Setup { grant, ..Setup::default() }).await;
        let open = |path: &std::path::Path| {
            let payload = direct_path(path);
            let client = world.client.clone();
            async move { soon(client.open("direct-streamlocal@openssh.com", &payload)).await }
        };
        for own in [&path, &link] {
            assert_eq!(refusal(open(own).await).0, PROHIBITED);
        }
        assert!(open(&foreign.path).await.is_ok(), "others may be reached");
        world.shut_down().await;
    }
}

/// A socket that another process listens at.
struct Foreign {
    path: std::path::PathBuf,
    process: std::process::Child,
}

fn foreign_listener(path: &std::path::Path) -> Foreign {
    const LISTEN: &str = "import socket, sys\n\
        listener = socket.socket(socket.AF_UNIX)\n\
        listener.bind(sys.argv[1])\n\
        listener.listen(16)\n\
        print('listening', flush=True)\n\
        sys.stdin.read()";
    #[expect(clippy::disallowed_methods, reason = "a listener that is not this process")]
    let mut command = std::process::Command::new("python3");
    command.args(["-c", LISTEN]).arg(path);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut said = String::new();
    let output = process.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut said).unwrap();
    assert_eq!(said, "listening\n");
    Foreign { path: path.to_owned(), process }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn a_switch_or_a_key_without_forwarding_prohibits_even_what_is_malformed() {
    let restricted = Grant { port_forwarding: false, ..Grant::everything() };
    for setup in [
        Setup { local: false, ..Setup::default() },
        Setup { grant: restricted, ..Setup::default() },
    ] {
        let world = World::with(setup).await;
        for kind in ["direct-tcpip", "direct-streamlocal@openssh.com"] {
            let (reason, _) = refusal(soon(world.client.open(kind, b"malformed")).await);
            assert_eq!(reason, PROHIBITED);
        }
        world.shut_down().await;
    }
}

#[tokio::test]
async fn a_key_opens_what_it_permits() {
    let (allowed, other) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await);
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    let permit = HostPort { host: b"127.0.0.1".to_vec(), port: Some(port(&allowed)) };
    let grant = Grant { permit_open: Some(vec![permit]), ..Grant::everything() };
    let world = World::with(Setup { grant, ..Setup::default() }).await;
    assert!(world.direct_tcp("127.0.0.1", port(&allowed).into()).await.is_ok());
    let other = port(&other.unwrap());
    assert_eq!(refusal(world.direct_tcp("127.0.0.1", other.into()).await).0, PROHIBITED);
    assert_eq!(refusal(world.direct_tcp("localhost", port(&allowed).into()).await).0, PROHIBITED);
    world.shut_down().await;
}

#[tokio::test]
async fn the_end_of_a_connection_closes_its_sockets_and_tasks() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let channel = world.direct_tcp("127.0.0.1", port.into()).await.unwrap();
    let (mut socket, _) = soon(listener.accept()).await.unwrap();
    let tasks = world.end().await;
    let mut read = Vec::new();
    let _ = soon(socket.read_to_end(&mut read)).await;
    drop(channel);
    tasks.close();
    soon(tasks.wait()).await;
}
