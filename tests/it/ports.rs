//! Ports and tunnels near and far: each operation in process and through the SDK over each
//! transport.
//!
//! A stream that is shared with other requests can be no tunnel; the list works over it, too.

use std::{path::Path, time::Duration};

use agent_api::{AgentInfo, Classify, ErrorCode, ListeningPort, StartProcessRequest};
use agent_ports::Ports;
use agent_sdk::{AgentClient, AgentConn, DialStream, Error};
use agent_tests::{Daemon, TestAgent, Transport, program, until};
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UdpSocket},
    task::JoinHandle,
    time::timeout,
};

/// How long a step may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// The transports that can have a connection of its own for a tunnel.
const OWN: [Transport; 2] = [Transport::Tcp, Transport::Unix];

async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(LIMIT, work).await.expect("in time")
}

fn refusal(error: Error) -> (ErrorCode, String) {
    match error {
        Error::Api { code, message, .. } => (code, message),
        other => panic!("{other}"),
    }
}

fn port_of(address: &str) -> u16 {
    address.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// A port that nobody listens on: the listener is gone, and its number not yet another's.
async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// A server that greets, reads to the end of its visitor's data and answers with its length.
#[expect(clippy::disallowed_methods, reason = "the server of a test, which awaits it")]
async fn greeter() -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = async move {
        for _ in OWN {
            let (mut visitor, _) = listener.accept().await.unwrap();
            visitor.write_all(b"hello, ").await.unwrap();
            let mut data = Vec::new();
            visitor.read_to_end(&mut data).await.unwrap();
            visitor.write_all(format!("{} bytes", data.len()).as_bytes()).await.unwrap();
        }
    };
    (port, tokio::spawn(serve))
}

async fn dial(client: &AgentClient, port: u16) -> DialStream {
    within(client.dial(port)).await.unwrap()
}

#[tokio::test]
async fn list_listening_ports() {
    let agent = TestAgent::start().await;
    // Programs of their own, because what this process listens on is the agent's.
    let other = Daemon::start(&[]).await;
    let started = start_listener(&agent).await;
    let near = within(agent.agent().ports().list_listening_ports()).await.unwrap();
    for transport in Transport::ALL {
        let far = within(agent.client(transport).list_listening_ports()).await.unwrap();
        let find = |port| far.ports.iter().find(|entry| entry.port == port).cloned();
        for expected in [listener(&other), started.clone()] {
            assert_eq!(find(expected.port), Some(expected), "over {transport:?}");
        }
        assert_eq!(find(port_of(&agent.tcp())), None, "the agent's own");
        assert!(far.ports.is_sorted_by(|one, next| one.port < next.port), "{far:?}");
        for entry in [listener(&other), started.clone()] {
            assert!(near.ports.contains(&entry), "{near:?}");
        }
    }
    assert_eq!(agent.shutdown().await, agent_server::Stopped::Clean);
}

/// What a daemon that listens looks like.
fn listener(daemon: &Daemon) -> ListeningPort {
    entry(daemon.info())
}

fn entry(info: &AgentInfo) -> ListeningPort {
    ListeningPort {
        process_name: "agentd".to_owned(),
        network: agent_api::Network::Tcp,
        port: port_of(&info.http[0]),
        address: "127.0.0.1".parse().unwrap(),
        pid: Some(info.pid),
        process_id: None,
    }
}

/// Starts a listener through the agent, as a child of what it starts.
async fn start_listener(agent: &TestAgent) -> ListeningPort {
    let (client, state) = (agent.client(Transport::Unix), agent.path("state"));
    let program = program("agentd");
    let command =
        format!("{} --listen 127.0.0.1:0 --state-dir {state} & wait", program.to_str().unwrap());
    let request = StartProcessRequest { command: Some(command), ..StartProcessRequest::default() };
    let id = client.start_process(request).await.unwrap().id;
    let file = Path::new(&state).join("run/agentd.json");
    until("it listens", || file.exists()).await;
    let info: AgentInfo = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    ListeningPort { process_id: Some(id), ..entry(&info) }
}

#[tokio::test]
async fn dial_carries_each_direction_to_its_own_end() {
    let agent = TestAgent::start().await;
    let (port, server) = greeter().await;
    for transport in OWN {
        let mut far = dial(&agent.client(transport), port).await;
        let data = vec![b'x'; 1 << 20];
        within(far.write_all(&data)).await.unwrap();
        within(far.shutdown()).await.unwrap();
        let mut answer = String::new();
        within(far.read_to_string(&mut answer)).await.unwrap();
        assert_eq!(answer, "hello, 1048576 bytes", "over {transport:?}");
    }
    within(server).await.unwrap();
}

#[tokio::test]
async fn what_is_refused_near_is_refused_far() {
    let agent = TestAgent::start().await;
    for port in [0, 3, 7, free_port().await] {
        let near = dial_near(agent.agent().ports(), port).await;
        for transport in OWN {
            let far = within(agent.client(transport).dial(port)).await.unwrap_err();
            assert_eq!(refusal(far), near, "over {transport:?}");
        }
    }
    for port in [0, 1, 2, 8] {
        let near = agent.agent().ports().udp_target(&port.to_string()).unwrap_err();
        for transport in OWN {
            let far = within(agent.client(transport).dial_udp(port)).await.unwrap_err();
            assert_eq!(refusal(far), (near.code(), near.to_string()), "over {transport:?}");
        }
    }
    let shared = agent.client(Transport::Duplex);
    let (code, message) = refusal(shared.dial(9).await.unwrap_err());
    assert_eq!((code, message.contains("missing upgrade")), (ErrorCode::InvalidArgument, true));
    let (code, message) = refusal(shared.dial_udp(9).await.unwrap_err());
    assert_eq!((code, message.contains("missing upgrade")), (ErrorCode::InvalidArgument, true));
}

async fn dial_near(ports: &Ports, port: u16) -> (ErrorCode, String) {
    let error = match ports.tcp_target(&port.to_string()) {
        Ok(target) => ports.dial(target).await.unwrap_err(),
        Err(error) => error,
    };
    (error.code(), error.to_string())
}

#[tokio::test]
async fn dial_udp_keeps_the_borders_of_datagrams() {
    let agent = TestAgent::start().await;
    let echo = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = echo.local_addr().unwrap().port();
    for transport in OWN {
        let mut far = within(agent.client(transport).dial_udp(port)).await.unwrap();
        for length in [0, 1, 65_507] {
            far.send(Bytes::from(vec![b'x'; length])).await.unwrap();
            let mut buffer = vec![0; 65_536];
            let (received, from) = within(echo.recv_from(&mut buffer)).await.unwrap();
            assert_eq!(received, length, "over {transport:?}");
            echo.send_to(&buffer[..received], from).await.unwrap();
            let back = within(far.recv()).await.unwrap().unwrap();
            assert_eq!(back, vec![b'x'; length], "over {transport:?}");
        }
    }
}

#[tokio::test]
async fn the_ports_of_the_agent_lead_to_its_own_services() {
    let agent = TestAgent::start().await;
    for transport in OWN {
        for port in [1, 22] {
            let mut far = dial(&agent.client(transport), port).await;
            let mut banner = [0; 15];
            within(far.read_exact(&mut banner)).await.unwrap();
            assert_eq!(&banner, b"SSH-2.0-agentd_", "port {port} over {transport:?}");
        }
        // An opening of length 0 is none.
        let mut far = dial(&agent.client(transport), 2).await;
        far.write_all(&[0, 0]).await.unwrap();
        let mut nothing = Vec::new();
        within(far.read_to_end(&mut nothing)).await.unwrap();
        assert_eq!(nothing, b"", "over {transport:?}");
    }
}

#[tokio::test]
async fn a_tunnel_beyond_the_limit_is_refused_until_another_ends() {
    let agent = TestAgent::start_with(|config| config.ports.max_tunnels = 1).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for transport in OWN {
        let client = agent.client(transport);
        let first = dial(&client, port).await;
        let (mut served, _) = within(listener.accept()).await.unwrap();
        let (code, _) = refusal(within(client.dial(port)).await.unwrap_err());
        assert_eq!(code, ErrorCode::ResourceExhausted, "over {transport:?}");
        drop(first);
        within(served.read_to_end(&mut Vec::new())).await.unwrap();
        drop(served);
        let again = async {
            while let Err(error) = client.dial(port).await {
                assert_eq!(refusal(error).0, ErrorCode::ResourceExhausted);
            }
        };
        within(again).await;
        let (mut served, _) = within(listener.accept()).await.unwrap();
        within(served.read_to_end(&mut Vec::new())).await.unwrap();
    }
}
