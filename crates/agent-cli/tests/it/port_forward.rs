//! `port-forward` with real sockets on this side and a mock on the other; `ports`.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener, UdpSocket as StdUdpSocket},
    time::Duration,
};

use agent_cli::{LocalSignal, Signals};
use agent_sdk::{
    DatagramSocket, DialStream, Error,
    api::{ErrorCode, ListListeningPortsResponse},
    mock::{Call, MockAgent},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    net::{TcpStream, UdpSocket},
    sync::{mpsc, watch},
    time::timeout,
};

use crate::{
    files::refusal,
    prompt::{Ran, type_line, type_with},
};

/// No step takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is printed on stderr, while it is printed.
#[derive(Clone)]
struct Lines(watch::Sender<String>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send_modify(|text| text.push_str(std::str::from_utf8(bytes).unwrap()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Waits until a text was printed, and gives all that was.
    async fn see(&self, text: &str) -> String {
        let mut printed = self.0.subscribe();
        let seen = timeout(PATIENCE, printed.wait_for(|printed| printed.contains(text))).await;
        seen.unwrap_or_else(|_| panic!("no {text:?} in {:?}", *self.0.borrow())).unwrap().clone()
    }
}

/// A port of both loopback addresses that nobody uses.
fn free_port() -> u16 {
    StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// An agent that can be reached, and the far ends of what is dialed.
fn dialing() -> (MockAgent, mpsc::UnboundedReceiver<DuplexStream>) {
    let agent = MockAgent::new();
    let (tx, far) = mpsc::unbounded_channel();
    agent.on_await_reachable(|_| Ok(()));
    let udp = tx.clone();
    agent.on_dial(move |_| {
        let (near, far) = duplex(64 * 1024);
        tx.send(far).unwrap();
        Ok(DialStream::from_stream(near))
    });
    agent.on_dial_udp(move |_| {
        let (near, far) = duplex(64 * 1024);
        udp.send(far).unwrap();
        Ok(DatagramSocket::from_stream(DialStream::from_stream(near)))
    });
    (agent, far)
}

/// Runs the command until the test has done its part, and interrupts it then.
async fn forwarding(agent: &MockAgent, line: &str, act: impl AsyncFnOnce(&Lines)) -> Ran {
    let words: Vec<_> = line.split(' ').collect();
    let (lines, signals) = (Lines(watch::Sender::new(String::new())), Signals::default());
    let inbox = signals.clone();
    let run = type_with(agent, &words, |io| {
        io.stderr = Box::new(lines.clone());
        io.signals = signals;
    });
    let part = async {
        lines.see("ready\n").await;
        act(&lines).await;
        assert!(inbox.offer(LocalSignal::Interrupt));
    };
    let (ran, ()) = tokio::join!(timeout(2 * PATIENCE, run), part);
    Ran { stderr: lines.0.borrow().clone(), ..ran.unwrap() }
}

async fn connect(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).await.unwrap()
}

async fn read_to_end(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> io::Result<String> {
    let mut text = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut text)).await.unwrap()?;
    Ok(text)
}

#[tokio::test]
async fn connections_are_dialed_and_keep_their_half_closes() {
    let (agent, mut far) = dialing();
    let port = free_port();
    let ran = forwarding(&agent, &format!("port-forward -p 127.0.0.1:{port}:9000"), async |_| {
        let (mut one, mut two) = (connect(port).await, connect(port).await);
        let (mut far_one, mut far_two) = (far.recv().await.unwrap(), far.recv().await.unwrap());
        two.write_all(b"second").await.unwrap();
        one.write_all(b"first").await.unwrap();
        for stream in [&mut one, &mut two] {
            stream.shutdown().await.unwrap();
        }
        let mut asked =
            [read_to_end(&mut far_one).await.unwrap(), read_to_end(&mut far_two).await.unwrap()];
        far_one.write_all(asked[0].as_bytes()).await.unwrap();
        far_two.write_all(asked[1].as_bytes()).await.unwrap();
        drop((far_one, far_two));
        assert_eq!(read_to_end(&mut one).await.unwrap(), "first");
        assert_eq!(read_to_end(&mut two).await.unwrap(), "second");
        asked.sort();
        assert_eq!(asked, ["first", "second"]);
    })
    .await;
    let expected = format!("forwarding tcp 127.0.0.1:{port} -> 127.0.0.1:9000\nready\n");
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr), (0, "", expected));
    let dialed = agent.calls().into_iter().skip(1).collect::<Vec<_>>();
    assert_eq!(dialed, [Call::Dial(9000), Call::Dial(9000)]);
    assert_eq!(agent.calls()[0], Call::AwaitReachable(Duration::from_secs(30)));
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "nothing listens any more");
}

#[tokio::test]
async fn a_mapping_without_a_host_has_both_loopback_addresses() {
    let (agent, _far) = dialing();
    let port = free_port();
    let has_ipv6 = StdListener::bind(("::1", port)).is_ok();
    let ran = forwarding(&agent, &format!("port-forward --tcp {port} --udp {port}"), async |_| {
        for address in ["127.0.0.1", "::1"].into_iter().take(1 + usize::from(has_ipv6)) {
            TcpStream::connect((address, port)).await.unwrap();
        }
    })
    .await;
    let mut expected = Vec::new();
    for network in ["tcp", "udp"] {
        for host in ["127.0.0.1", "[::1]"].into_iter().take(1 + usize::from(has_ipv6)) {
            expected.push(format!("forwarding {network} {host}:{port} -> 127.0.0.1:{port}"));
        }
    }
    expected.push("ready\n".to_owned());
    assert_eq!((ran.code, ran.stderr), (0, expected.join("\n")));
}

#[tokio::test]
async fn a_connection_that_cannot_be_dialed_is_reset_and_told_once_a_second() {
    let (agent, _far) = dialing();
    agent.on_dial(|_| Err(refusal("dial", ErrorCode::BadGateway, "connection refused")));
    let port = free_port();
    let ran = forwarding(&agent, &format!("port-forward -p {port}:9000"), async |lines| {
        for _ in 0..3 {
            let error = match connect(port).await.read_u8().await {
                Err(error) => error,
                Ok(byte) => panic!("{byte}"),
            };
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
        lines.see("refused").await;
    })
    .await;
    let complaint = format!("agentctl: tcp {port} -> 9000: dial: connection refused\n");
    assert!(ran.stderr.ends_with(&format!("ready\n{complaint}")), "{}", ran.stderr);
    assert_eq!(ran.code, 0);
}

#[tokio::test]
async fn a_far_end_that_breaks_resets_the_near_one() {
    let (agent, _far) = dialing();
    agent.on_dial(|_| {
        let broken =
            tokio_util::io::StreamReader::new(futures_util::stream::iter([
                Err::<bytes::Bytes, _>(io::Error::from(io::ErrorKind::ConnectionReset)),
            ]));
        Ok(DialStream::from_stream(tokio::io::join(broken, tokio::io::sink())))
    });
    let port = free_port();
    forwarding(&agent, &format!("port-forward -p {port}"), async |_| {
        let error = connect(port).await.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    })
    .await;
}

/// The next datagram of a tunnel's far end.
async fn framed(far: &mut DuplexStream) -> Vec<u8> {
    let mut datagram = vec![0; timeout(PATIENCE, far.read_u16()).await.unwrap().unwrap().into()];
    far.read_exact(&mut datagram).await.unwrap();
    datagram
}

async fn sender(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(("127.0.0.1", port)).await.unwrap();
    socket
}

#[tokio::test]
async fn each_sender_of_datagrams_has_a_tunnel_of_its_own() {
    let (agent, mut far) = dialing();
    let port = free_port();
    let ran = forwarding(&agent, &format!("port-forward --udp {port}:5353"), async |_| {
        let (one, two) = (sender(port).await, sender(port).await);
        one.send(b"one").await.unwrap();
        let mut far_one = far.recv().await.unwrap();
        assert_eq!(framed(&mut far_one).await, b"one");
        two.send(b"").await.unwrap();
        let mut far_two = far.recv().await.unwrap();
        assert_eq!(framed(&mut far_two).await, b"");
        one.send(&[7; 60_000]).await.unwrap();
        assert_eq!(framed(&mut far_one).await, [7; 60_000]);
        far_two.write_all(&[0, 3, b'o', b'n', b'e', 0, 0]).await.unwrap();
        let mut buffer = [0; 9];
        for expected in [&b"one"[..], b""] {
            let length = timeout(PATIENCE, two.recv(&mut buffer)).await.unwrap().unwrap();
            assert_eq!(&buffer[..length], expected);
        }
        // A sender whose tunnel has ended gets a new one.
        drop(far_one);
        let mut again = loop {
            one.send(b"again").await.unwrap();
            match timeout(Duration::from_millis(50), far.recv()).await {
                Ok(again) => break again.unwrap(),
                Err(_) => continue,
            }
        };
        assert_eq!(framed(&mut again).await, b"again");
    })
    .await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[tokio::test]
async fn a_thousand_ports_are_forwarded() {
    let (agent, mut far) = dialing();
    // Ports that others get by themselves begin far above, so that these are mostly free.
    let first = (0..20_u16).map(|nth| 12_000 + nth * 1000).find(|first| {
        let ports = || *first..*first + 1000;
        let binds = |port: u16| StdListener::bind(SocketAddr::from(([127, 0, 0, 1], port)));
        ports().map(binds).collect::<io::Result<Vec<_>>>().is_ok()
    });
    let first = first.expect("a thousand free ports in a row");
    let last = first + 999;
    let ran = forwarding(&agent, &format!("port-forward -p {first}-{last}"), async |_| {
        for port in [first, last] {
            let mut near = connect(port).await;
            near.write_all(b"x").await.unwrap();
            assert_eq!(far.recv().await.unwrap().read_u8().await.unwrap(), b'x');
        }
    })
    .await;
    let lines = ran.stderr.lines().filter(|line| line.starts_with("forwarding tcp 127.0.0.1:"));
    assert_eq!((ran.code, lines.count()), (0, 1000));
    assert!(agent.calls().contains(&Call::Dial(last)));
}

#[tokio::test]
async fn a_port_in_use_ends_the_command_before_the_agent_is_asked() {
    let (agent, _far) = dialing();
    let taken = StdListener::bind("127.0.0.1:0").unwrap();
    let (taken, free) = (taken.local_addr().unwrap(), (taken, free_port()));
    let (port, free) = (taken.port(), free.1);
    let ran = type_line(&agent, &format!("port-forward -p {free},{port}")).await;
    let stderr = ran.failed(1);
    assert!(stderr.contains(&format!("cannot bind tcp 127.0.0.1:{port}: ")), "{stderr}");
    assert!(agent.calls().is_empty());
    StdListener::bind(("127.0.0.1", free)).unwrap();
}

#[tokio::test]
async fn only_the_first_loopback_address_must_be_bound() {
    let (agent, _far) = dialing();
    let Ok(taken) = StdUdpSocket::bind("[::1]:0") else { return };
    let port = taken.local_addr().unwrap().port();
    let ran = forwarding(&agent, &format!("port-forward --udp {port}"), async |_| {}).await;
    let expected = format!("forwarding udp 127.0.0.1:{port} -> 127.0.0.1:{port}\nready\n");
    assert_eq!(ran.stderr, expected);
    let ran = type_line(&agent, &format!("port-forward --udp [::1]:{port}")).await;
    assert!(ran.failed(1).contains(&format!("[::1]:{port}")));
}

#[tokio::test]
async fn arguments_that_make_no_sense_are_refused_first() {
    let agent = MockAgent::new();
    for (line, text) in [
        ("port-forward", "agentctl: no ports requested\n"),
        ("port-forward work", "agentctl: no ports requested\n"),
        ("port-forward -p 9-8", "`9-8`"),
        ("port-forward -p 1 --udp ::1:8000", "`::1:8000`"),
        ("port-forward -p 80 --tcp 80", "mapped twice"),
    ] {
        let stderr = type_line(&agent, line).await.failed(64);
        assert!(stderr.contains(text), "{line}: {stderr}");
    }
    assert!(agent.calls().is_empty());
}

#[tokio::test]
async fn an_agent_that_is_not_reached_in_time_is_a_failure() {
    let agent = MockAgent::new();
    agent.on_await_reachable(|after| Err(Error::Timeout { operation: "ping", after }));
    let line = format!("port-forward --timeout 2s -p {}", free_port());
    assert_eq!(type_line(&agent, &line).await.failed(1), "agentctl: ping: no answer within 2s\n");
    assert_eq!(agent.calls(), [Call::AwaitReachable(Duration::from_secs(2))]);
}

#[tokio::test]
async fn listening_ports_are_a_table_or_the_response() {
    let agent = MockAgent::new();
    let json = r#"{"ports":[{"process_name":"node","network":"tcp","port":3000,"address":"127.0.0.1","pid":4242,"process_id":"0b9a4c0e-6a55-4d7a-9a44-0f5b6f1f7c21"},{"process_name":"","network":"tcp","port":15432,"address":"::"}]}"#;
    agent.on_list_listening_ports(|| {
        Ok(serde_json::from_str::<ListListeningPortsResponse>(json).unwrap())
    });
    assert_eq!(type_line(&agent, "ports --json").await.ok(), format!("{json}\n"));
    let expected = "PORT   ADDRESS    PID   PROCESS  ID\n\
                    3000   127.0.0.1  4242  node     0b9a4c0e-6a55-4d7a-9a44-0f5b6f1f7c21\n\
                    15432  ::         -     -        -\n";
    assert_eq!(type_line(&agent, "ports").await.ok(), expected);
}
