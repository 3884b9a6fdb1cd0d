//! SSH clients of an agent that is played here: commands, terminals, how they end.

#![expect(clippy::disallowed_methods, reason = "ends with the runtime of its test")]

use std::sync::Arc;

use agent_sdk::{
    AgentConn, DialStream, Error,
    api::ErrorCode,
    mock::{Call, MockAgent},
    ssh::{Ended, Event, SshClient, SshEvent, SshExit, wire::Put},
};
use agent_ssh_protocol::{
    Authenticator, Channel, ConnectionConfig, Offer, ServerConfig, accept, key::HostKey,
};
use tokio::{io::duplex, time::timeout};

use crate::peer::SOON;

/// Lets in by `none` those it shall.
struct Door(bool);

impl Authenticator for Door {
    async fn none(&mut self, _user: &[u8]) -> bool {
        self.0
    }

    async fn public_key(&mut self, _offer: Offer<'_>) -> bool {
        false
    }
}

/// An agent whose sessions repeat their requests and input as output, until the input ends.
fn agent(lets_in: bool) -> MockAgent {
    let mock = MockAgent::new();
    mock.on_dial(move |_| {
        let (near, far) = duplex(1 << 16);
        tokio::spawn(async move {
            let config = ServerConfig {
                software: "mock".to_owned(),
                host_keys: vec![Arc::new(HostKey::generate_ed25519())],
                max_auth_tries: 6,
                connection: ConnectionConfig::default(),
            };
            let Ok(mut accepted) = accept(far, Arc::new(config), Door(lets_in)).await else {
                return;
            };
            tokio::spawn(accepted.driver.run());
            while let Some(Event::Open(open)) = accepted.incoming.next().await {
                assert_eq!(open.kind, b"session");
                tokio::spawn(echo(open.accept()));
            }
        });
        Ok(DialStream::from_stream(near))
    });
    mock
}

async fn echo(mut channel: Channel) {
    loop {
        let request = channel.requests.next().await.unwrap();
        let name = String::from_utf8(request.name.clone()).unwrap();
        let told = [name.as_bytes(), b" ", &request.payload[..], b"\n"].concat();
        channel.output.write(told.into()).await.unwrap();
        if name == "env" && request.payload.ends_with(b"refused") {
            request.fail();
            continue;
        }
        request.succeed();
        if matches!(&name[..], "exec" | "shell" | "subsystem") {
            break;
        }
    }
    while let Some(data) = channel.input.read().await {
        channel.output.write(data.bytes).await.unwrap();
    }
    channel.output.write_extended(1, "done".into()).await.unwrap();
    let mut status = Vec::new();
    status.put_u32(3);
    channel.output.request("exit-status", &status);
    channel.output.eof();
    channel.output.close();
}

async fn client(mock: &MockAgent) -> Result<SshClient, Error> {
    let agent: Box<dyn AgentConn> = Box::new(mock.clone());
    timeout(SOON, agent.ssh_client()).await.unwrap()
}

#[tokio::test]
async fn a_command_gets_its_input_and_gives_its_output_and_status() {
    let mock = agent(true);
    let client = client(&mock).await.unwrap();
    let input = vec![b'x'; 5 << 20];
    let run = client.run("a command", input.clone().into(), 6 << 20);
    let outcome = timeout(SOON, run).await.unwrap().unwrap();
    let head = b"exec \0\0\0\x09a command\n";
    assert!(outcome.stdout.starts_with(head));
    assert!(outcome.stdout[head.len()..] == input[..], "{}", outcome.stdout.len());
    assert_eq!(outcome.stderr, b"done");
    assert_eq!(outcome.exit, Some(SshExit::Status(3)));
    assert_eq!(mock.calls(), [Call::Dial(22)]);

    let error = client.run("c", input.into(), 1 << 20).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit_bytes: 0x10_0000 }), "{error:?}");
    client.run("after one that was too large", "".into(), 64).await.unwrap();
}

#[tokio::test]
async fn a_session_says_what_it_wants_before_it_starts() {
    let client = client(&agent(true)).await.unwrap();
    let mut session = client.open_session().await.unwrap();
    session.set_variable("A", "b").await.unwrap();
    let error = session.set_variable("A", "refused").await.unwrap_err();
    assert_eq!(error.to_string(), "ssh_client: `env` is refused");
    assert_eq!(error.code(), ErrorCode::PermissionDenied);
    session.open_pty("xterm", 24, 80).await.unwrap();
    session.shell().await.unwrap();
    session.write("typed").await.unwrap();
    session.end_input();
    let (mut shown, mut exits) = (Vec::new(), Vec::new());
    while let Some(event) = timeout(SOON, session.next()).await.unwrap() {
        match event {
            SshEvent::Stdout(bytes) => shown.extend_from_slice(&bytes),
            SshEvent::Stderr(bytes) => assert_eq!(bytes, "done"),
            SshEvent::Exit(exit) => exits.push(exit),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(exits, [SshExit::Status(3)]);
    let size = b"\0\0\0\x50\0\0\0\x18\0\0\0\0\0\0\0\0";
    let expected = [
        &b"env \0\0\0\x01A\0\0\0\x01b\nenv \0\0\0\x01A\0\0\0\x07refused\n"[..],
        b"pty-req \0\0\0\x05xterm",
        size,
        b"\0\0\0\x01\0\nshell \ntyped",
    ];
    assert_eq!(shown, expected.concat());
}

#[tokio::test]
async fn an_agent_that_lets_nobody_in_or_is_none_is_an_error() {
    let error = client(&agent(false)).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { operation: "ssh_client", .. }), "{error:?}");
    let mock = MockAgent::new();
    mock.on_dial(|_| Ok(DialStream::from_stream(duplex(64).0)));
    let error = client(&mock).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_says_nothing_is_not_waited_for_longer_than_half_a_minute() {
    let mock = MockAgent::new();
    let (near, _far) = duplex(64);
    let near = parking_lot::Mutex::new(Some(near));
    mock.on_dial(move |_| Ok(DialStream::from_stream(near.lock().take().unwrap())));
    let error = mock.ssh_client().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::DeadlineExceeded);
}

#[tokio::test]
async fn closing_the_agent_ends_the_connection_and_says_so() {
    let mock = agent(true);
    let client = client(&mock).await.unwrap();
    let mut session = client.open_session().await.unwrap();
    session.exec("cat").await.unwrap();
    mock.close();
    while timeout(SOON, session.next()).await.unwrap().is_some() {}
    let error = client.run("x", "".into(), 1).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error:?}");
    let ended = timeout(SOON, client.ended()).await.unwrap();
    assert!(matches!(ended, Ended::Lost(_)), "{ended:?}");
}

#[test]
fn a_signal_counts_as_shells_count_it() {
    assert_eq!(SshExit::Status(7).code(), 7);
    assert_eq!(SshExit::Signal("TERM".to_owned()).code(), 143);
    for (name, code) in [
        ("HUP", 129),
        ("KILL", 137),
        ("BUS@agentd", 135),
        ("XCPU@agentd", 152),
        ("SYS", 159),
        ("RTMIN@agentd", 162),
        ("RTMIN+1@agentd", 163),
        ("RTMIN+30", 192),
        ("RTMAX@agentd", 192),
        ("32@agentd", 160),
        ("0", 255),
        ("65", 255),
        ("RTMIN+31", 255),
        ("RTMIN1", 255),
        ("NONE", 255),
        ("", 255),
    ] {
        assert_eq!(SshExit::Signal(name.to_owned()).code(), code, "{name}");
    }
}
