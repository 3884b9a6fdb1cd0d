//! The SDK's own SSH client and its requests to servers of the workspace, against a running agent.

use std::time::Duration;

use agent_sdk::{
    AgentConn, ByteStream,
    ssh::{SshEvent, SshExit},
};
use agent_tests::{TestAgent, Transport};
use tokio::time::timeout;

/// How long a step may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
/// The transports that can have a connection of its own for a tunnel.
const OWN: [Transport; 2] = [Transport::Tcp, Transport::Unix];

async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(LIMIT, work).await.expect("in time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_runs_with_its_input_and_tells_how_it_ended() {
    let agent = TestAgent::start().await;
    for transport in OWN {
        let client = within(agent.client(transport).ssh_client()).await.unwrap();
        let input = vec![b'x'; 3 << 20];
        let run = client.run("cat; echo problem >&2; exit 7", input.clone().into(), 4 << 20);
        let outcome = within(run).await.unwrap();
        assert!(outcome.stdout == input, "over {transport:?}: {}", outcome.stdout.len());
        assert_eq!(outcome.stderr, b"problem\n");
        assert_eq!(outcome.exit, Some(SshExit::Status(7)));
        let outcome = within(client.run("kill -TERM $$", "".into(), 64)).await.unwrap();
        assert_eq!(outcome.exit, Some(SshExit::Signal("TERM".to_owned())));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_on_a_terminal_has_the_size_it_is_given() {
    let agent = TestAgent::start().await;
    let client = within(agent.client(Transport::Unix).ssh_client()).await.unwrap();
    let mut session = within(client.open_session()).await.unwrap();
    within(session.open_pty("xterm", 24, 80)).await.unwrap();
    session.resize(30, 100);
    within(session.exec("stty -echo; read x; stty size; echo $TERM $x")).await.unwrap();
    within(session.write("typed\n")).await.unwrap();
    let (mut shown, mut exit) = (Vec::new(), None);
    while let Some(event) = within(session.next()).await {
        match event {
            SshEvent::Stdout(bytes) => shown.extend_from_slice(&bytes),
            SshEvent::Exit(how) => exit = Some(how),
            other => panic!("{other:?}"),
        }
    }
    let shown = String::from_utf8_lossy(&shown);
    assert!(shown.ends_with("30 100\r\nxterm typed\r\n"), "{shown:?}");
    assert_eq!(exit, Some(SshExit::Status(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_the_workspace_answers_through_the_agent() {
    let agent = TestAgent::start().await;
    // The agent is a web server itself: of another one it wants a token, which it is not sent.
    let other = TestAgent::start().await;
    let address = other.tcp();
    let port = address.rsplit_once(':').unwrap().1.parse().unwrap();
    for transport in OWN {
        let app = agent.client(transport).app_http_client(port);
        for (path, status) in [("/healthz", 200), ("/api/v0/lifecycle", 401)] {
            let url = format!("http://localhost:{port}{path}");
            let request = http::Request::get(url).body(ByteStream::empty()).unwrap();
            let response = within(app.request(request)).await.unwrap();
            assert_eq!(response.status(), status, "{path} over {transport:?}");
            assert!(!within(response.into_body().collect(4096)).await.unwrap().is_empty());
        }
    }
}
