//! The end of an agent: an open request finishes, a hung one is cut, nothing is left.

use std::time::Duration;

use agent_api::{LifecycleState, WriteFileRequest};
use agent_sdk::{AgentConn, ByteStream, Error};
use agent_server::Stopped;
use agent_tests::{TestAgent, Transport};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;

/// An upload whose parts a test sends, and the end of it.
fn upload() -> (mpsc::Sender<Result<Bytes, Error>>, ByteStream) {
    let (tx, rx) = mpsc::channel(1);
    let parts = stream::unfold(rx, async |mut rx| Some((rx.recv().await?, rx)));
    (tx, ByteStream::from_stream(parts))
}

fn state(agent: &TestAgent) -> LifecycleState {
    agent.agent().lifecycles().get_lifecycle().state
}

/// Waits until the agent has begun to write the upload.
async fn has_begun(agent: &TestAgent) {
    let begun = async {
        while agent.leftovers().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), begun).await.expect("the upload begins");
}

#[tokio::test]
async fn an_open_upload_finishes_after_the_stop_began() {
    let agent = TestAgent::start().await;
    let client = agent.client(Transport::Tcp);
    let path = agent.path("f");
    let (parts, body) = upload();
    let request = WriteFileRequest { path: path.clone(), ..WriteFileRequest::default() };
    let writing = client.write_file(request, body);
    let stopping = async {
        parts.send(Ok(Bytes::from("first "))).await.unwrap();
        has_begun(&agent).await;
        let finishing = async {
            let is_down = async {
                while state(&agent) != LifecycleState::ShuttingDown {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(30), is_down).await.unwrap();
            parts.send(Ok(Bytes::from("second"))).await.unwrap();
            drop(parts);
        };
        tokio::join!(agent.shutdown(), finishing).0
    };
    let (written, stopped) = tokio::join!(writing, stopping);
    assert_eq!(written.unwrap().size_bytes, 12);
    assert_eq!(stopped, Stopped::Clean);
    assert_eq!(std::fs::read_to_string(path).unwrap(), "first second");
    assert!(agent.leftovers().is_empty());
}

#[tokio::test]
async fn a_hung_upload_is_cut_after_the_grace_and_leaves_nothing() {
    let agent =
        TestAgent::start_with(|config| config.request_grace = Duration::from_millis(50)).await;
    let client = agent.client(Transport::Unix);
    let (parts, body) = upload();
    let request = WriteFileRequest { path: agent.path("f"), ..WriteFileRequest::default() };
    let writing = client.write_file(request, body);
    let stopping = async {
        parts.send(Ok(Bytes::from("half"))).await.unwrap();
        has_begun(&agent).await;
        agent.shutdown().await
    };
    let (written, stopped) = tokio::join!(writing, stopping);
    assert!(written.is_err());
    assert_eq!(stopped, Stopped::Cut);
    assert!(agent.leftovers().is_empty() && !agent.dir().join("f").exists());
}

#[tokio::test]
async fn idle_clients_do_not_delay_the_end() {
    let agent = TestAgent::start().await;
    let clients = Transport::ALL.map(|transport| agent.client(transport));
    for client in &clients {
        assert!(client.check_health().await.unwrap());
    }
    let stopped = tokio::time::timeout(Duration::from_secs(5), agent.shutdown()).await;
    assert_eq!(stopped, Ok(Stopped::Clean));
    for client in &clients {
        assert!(client.check_health().await.is_err());
    }
}

#[tokio::test]
async fn a_stopped_agent_frees_its_port_and_socket() {
    let agent = TestAgent::start().await;
    let (address, socket) = (agent.tcp(), agent.socket().to_owned());
    assert_eq!(agent.shutdown().await, Stopped::Clean);
    assert!(!socket.exists());
    std::net::TcpListener::bind(address).unwrap();
}

#[tokio::test]
async fn a_stream_of_the_log_ends_with_the_agent() {
    let agent = TestAgent::start().await;
    let client = agent.client(Transport::Duplex);
    let log = client.get_debug_logs(None).await;
    assert!(log.is_err() || log.unwrap().all(async |part| part.is_ok()).await);
    assert_eq!(agent.shutdown().await, Stopped::Clean);
}
