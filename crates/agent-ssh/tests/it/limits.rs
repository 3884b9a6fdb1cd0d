//! Limits, and what happens at them.

use std::time::Duration;

use agent_ssh::Refused;
use agent_ssh_protocol::OpenError;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::harness::{World, soon, tcp};

#[tokio::test]
async fn a_channel_too_many_is_refused_and_the_others_are_untouched() {
    let world = World::with(|config| config.max_channels = 3);
    let client = world.client().await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        let session = client.session().await;
        assert!(session.exec("read line; echo $line").await);
        sessions.push(session);
    }
    for _ in 0..2 {
        match soon(client.connection.open("session", &[])).await {
            Err(OpenError::Refused { reason, .. }) => assert_eq!(reason, 4),
            other => panic!("{other:?}"),
        }
    }
    let first = sessions.remove(0);
    first.write("x\n").await;
    first.heard().await.check("x\n", 0);
    // The place of one that ended is free at once, again and again.
    for _ in 0..20 {
        client.exec("echo y").await.check("y\n", 0);
    }
    for session in sessions {
        session.write("z\n").await;
        session.heard().await.check("z\n", 0);
    }
}

#[tokio::test]
async fn other_channels_than_the_known_are_refused() {
    let world = World::new();
    let client = world.client().await;
    for kind in ["tun@openssh.com", "x11", "forwarded-tcpip", ""] {
        match soon(client.connection.open(kind, &[])).await {
            Err(OpenError::Refused { reason, .. }) => assert_eq!(reason, 3, "{kind}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(soon(client.connection.request("no-such-request", &[])).await.is_err());
    assert!(soon(client.connection.request("no-more-sessions@openssh.com", &[])).await.is_ok());
    match soon(client.connection.open("session", &[])).await {
        Err(OpenError::Refused { reason, .. }) => assert_eq!(reason, 1),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_connection_too_many_reads_why() {
    let world = World::with(|config| config.max_connections = 1);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    world.ssh.listen_tcp(listener);
    let client = world.client().await;
    assert_eq!(world.ssh.admit().unwrap_err(), Refused::TooManyConnections);
    let (mut stream, _) = tcp(address).await;
    let mut text = String::new();
    soon(stream.read_to_string(&mut text)).await.unwrap();
    assert_eq!(text, "agentd: too many connections\r\n");
    client.exec("echo still here").await.check("still here\n", 0);
    client.vanish().await;
    soon(async {
        while world.ssh.admit().is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    soon(world.ssh.shutdown()).await;
}

#[tokio::test]
async fn whoever_does_not_log_in_is_sent_away() {
    let world = World::with(|config| config.login_grace = Duration::from_millis(100));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    world.ssh.listen_tcp(listener);
    let (mut stream, _) = tcp(address).await;
    let mut bytes = Vec::new();
    soon(stream.read_to_end(&mut bytes)).await.unwrap();
    assert!(bytes.starts_with(b"SSH-2.0-agentd_"), "{}", bytes.escape_ascii());
    let statistics = world.ssh.statistics();
    assert_eq!(statistics.failed_connections_total, 1);
    soon(world.ssh.shutdown()).await;
}
