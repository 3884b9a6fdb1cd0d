//! `ssh` before there is a session; sessions themselves are tests of the whole system.

use std::sync::Arc;

use agent_sdk::{
    DialStream,
    api::ErrorCode,
    mock::{Call, MockAgent},
};
use agent_ssh_protocol::{
    Authenticator, ConnectionConfig, Event, Offer, ServerConfig, accept, key::HostKey,
};
use tokio::{
    io::{DuplexStream, duplex, join, sink},
    sync::mpsc,
    time::Instant,
};

use crate::{
    files::refusal,
    prompt::{type_line, type_with},
};

#[tokio::test(start_paused = true)]
async fn an_agent_that_starts_is_waited_for_and_no_other() {
    for (code, tries) in [(ErrorCode::BadGateway, 10), (ErrorCode::PermissionDenied, 1)] {
        let agent = MockAgent::new();
        agent.on_dial(move |_| Err(refusal("dial", code, "no")));
        let begin = Instant::now();
        assert_eq!(type_line(&agent, "ssh work ls -l").await.failed(255), "agentctl: dial: no\n");
        assert_eq!(agent.calls(), vec![Call::Dial(22); tries]);
        assert_eq!(begin.elapsed().as_secs(), 2 * (tries as u64 - 1));
    }
}

#[tokio::test]
async fn what_is_no_server_of_ssh_is_no_connection() {
    let agent = MockAgent::new();
    let answer = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    agent.on_dial(|_| Ok(DialStream::from_stream(join(&answer[..], sink()))));
    let stderr = type_line(&agent, "ssh work").await.failed(255);
    assert_eq!(stderr, "agentctl: closed: the connection ended early (connection lost)\n");
}

/// Lets in everybody.
struct Door;

impl Authenticator for Door {
    async fn none(&mut self, _user: &[u8]) -> bool {
        true
    }

    async fn public_key(&mut self, _offer: Offer<'_>) -> bool {
        false
    }
}

/// The agent's side of a connection, which breaks before what was asked first is answered.
async fn break_early(stream: DuplexStream) {
    let config = ServerConfig {
        software: "mock".to_owned(),
        host_keys: vec![Arc::new(HostKey::generate_ed25519())],
        max_auth_tries: 6,
        connection: ConnectionConfig::default(),
    };
    let mut accepted = accept(stream, Arc::new(config), Door).await.unwrap();
    let asked = async {
        let Some(Event::Open(session)) = accepted.incoming.next().await else { panic!("no open") };
        session.accept().requests.next().await.unwrap()
    };
    tokio::select! {
        _ = asked => {}
        ended = accepted.driver.run() => panic!("{ended:?}"),
    }
}

#[tokio::test]
async fn a_connection_that_breaks_while_a_session_starts_is_one_line() {
    let agent = MockAgent::new();
    let (tx, mut dialed) = mpsc::unbounded_channel();
    agent.on_dial(move |_| {
        let (near, far) = duplex(64 * 1024);
        tx.send(far).unwrap();
        Ok(DialStream::from_stream(near))
    });
    let serve = async { break_early(dialed.recv().await.unwrap()).await };
    let (ran, ()) = tokio::join!(type_line(&agent, "ssh -t work ls"), serve);
    let stderr = ran.failed(255);
    assert!(stderr.starts_with("agentctl: ssh: ") && stderr.lines().count() == 1, "{stderr}");
}

#[tokio::test]
async fn an_interrupt_ends_the_wait_for_a_connection() {
    let agent = MockAgent::new();
    let ran = type_with(&agent, &["ssh", "work"], |io| {
        let interrupt = io.interrupt.clone();
        agent.on_dial(move |_| {
            interrupt.cancel();
            Err(refusal("dial", ErrorCode::Unavailable, "not yet"))
        });
    })
    .await;
    assert_eq!(ran.failed(130), "");
    assert_eq!(agent.calls(), [Call::Dial(22)]);
}

#[tokio::test]
async fn options_may_be_given_again_as_with_other_clients() {
    let agent = MockAgent::new();
    agent.on_dial(|_| Err(refusal("dial", ErrorCode::PermissionDenied, "no")));
    for line in [
        "ssh -tt work ls",
        "ssh -A -A -X -X work ls",
        "ssh -T -T -N -N work",
        "ssh -t -T -t work",
        "ssh -A --identity-agent /a --identity-agent /b work",
    ] {
        assert_eq!(type_line(&agent, line).await.failed(255), "agentctl: dial: no\n", "{line}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anything_is_asked() {
    let agent = MockAgent::new();
    for line in [
        "ssh -R 8080 work",
        "ssh -R a:b work",
        "ssh -L 0:a:1 work",
        "ssh -D x work",
        "ssh --env NAME work",
        "ssh --env =value work",
        "ssh --container-user me work",
        "ssh -N work ls",
        "ssh --target a b ls",
    ] {
        type_line(&agent, line).await.failed(64);
    }
    for option in
        ["-N", "-T", "-A", "-X", "-e A=b", "-L 1:a:1", "-R 1:a:1", "-D 1", "--container c"]
    {
        let stderr = type_line(&agent, &format!("ssh --stdio {option} work")).await.failed(64);
        assert!(stderr.starts_with("agentctl: --stdio cannot be used with --"), "{stderr}");
    }
    let stderr = type_line(&agent, "ssh --log-dir /nonexistent work").await.failed(1);
    assert!(stderr.starts_with("agentctl: cannot create `/nonexistent/agentctl-ssh-"), "{stderr}");
    assert_eq!(agent.calls(), []);
}
