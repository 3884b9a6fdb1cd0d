//! Tunnels to ports: how they are asked for, what goes through, how they end.

use agent_sdk::{AgentClient, AgentConn, DatagramSocket, DialStream, Error, api::ErrorCode};
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, split},
    sync::mpsc,
    time::timeout,
};

use crate::{
    peer::{Conn, Flag, Peer, Received, SOON, response},
    shared::serve,
};

/// The answer that begins a tunnel.
fn switch(protocol: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"
    )
}

/// A peer of tunnels, played behind the answer, with the requests that were made.
async fn tunneling<F>(
    answer: String,
    script: impl Fn(Conn<tokio::net::TcpStream>) -> F + Send + Sync + 'static,
) -> (Peer, mpsc::UnboundedReceiver<Received>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let (tx, requests) = mpsc::unbounded_channel();
    let script = std::sync::Arc::new(script);
    let peer = Peer::start(move |_, mut conn| {
        let (tx, script, answer) = (tx.clone(), script.clone(), answer.clone());
        async move {
            tx.send(conn.request().await.unwrap()).unwrap();
            conn.send(&answer).await;
            script(conn).await;
        }
    })
    .await;
    (peer, requests)
}

async fn read_to_end(stream: &mut DialStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    timeout(SOON, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
    bytes
}

#[tokio::test]
async fn a_tunnel_is_asked_for_by_an_upgrade_and_gives_early_bytes() {
    let (peer, mut requests) =
        tunneling(switch("TCP") + "SSH-2.0-agentd_1\r\n", async |_| {}).await;
    let client = peer.client();
    for dialed in [client.dial(22).await, client.ssh().await, client.ssh_on_port(1).await] {
        assert_eq!(read_to_end(&mut dialed.unwrap()).await, b"SSH-2.0-agentd_1\r\n");
    }
    for port in [22, 22, 1] {
        let request = requests.recv().await.unwrap();
        assert_eq!(request.line, format!("GET /api/v0/tcp/{port} HTTP/1.1"));
        assert_eq!(request.header("upgrade"), Some("tcp"));
        assert_eq!(request.header("connection"), Some("Upgrade"));
    }
    assert_eq!(peer.accepted(), 3, "each tunnel has its own connection");
    let error = client.ssh_on_port(2222).await.unwrap_err();
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error:?}");
}

#[tokio::test]
async fn each_direction_ends_on_its_own() {
    let (peer, _requests) = tunneling(switch("tcp"), async |mut conn| {
        let mut all = Vec::new();
        conn.stream.read_to_end(&mut all).await.unwrap();
        conn.send(format!("{} bytes", all.len())).await;
    })
    .await;
    let mut stream = peer.client().dial(9000).await.unwrap();
    let sent = vec![7; 1 << 20];
    timeout(SOON, stream.write_all(&sent)).await.unwrap().unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, b"1048576 bytes");
}

#[tokio::test]
async fn what_the_agent_refuses_is_its_error() {
    for (status, code) in [
        ("502 Bad Gateway", ErrorCode::BadGateway),
        ("504 Gateway Timeout", ErrorCode::DeadlineExceeded),
    ] {
        let body = r#"{"message": "connection refused"}"#;
        let peer = Peer::answering(response(status, "", body)).await;
        let error = peer.client().dial(9000).await.unwrap_err();
        assert_eq!(error.code(), code);
        assert_eq!(error.to_string(), "dial: connection refused");
        let error = peer.client().dial_udp(9000).await.unwrap_err();
        assert_eq!(error.to_string(), "dial_udp: connection refused");
    }
    let (peer, _requests) = tunneling(switch("udp"), async |_| {}).await;
    let error = peer.client().dial(9000).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { operation: "dial", .. }), "{error:?}");
}

#[tokio::test]
async fn a_shared_stream_has_no_tunnels() {
    let (near, _server) = serve(|_| async {
        let body = r#"{"message": "missing upgrade"}"#;
        http::Response::builder()
            .status(400)
            .body(http_body_util::Full::new(Bytes::from_static(body.as_bytes())))
            .unwrap()
    });
    let error = AgentClient::from_stream(near).dial(9000).await.unwrap_err();
    assert_eq!(error.to_string(), "dial: missing upgrade");
}

#[tokio::test]
async fn a_dropped_tunnel_is_closed_at_once_and_so_is_one_that_is_dialed() {
    let (tunneled, dialed) = (Flag::new(), Flag::new());
    let raise = tunneled.clone();
    let (peer, _requests) = tunneling(switch("tcp"), move |mut conn| {
        let raise = raise.clone();
        async move {
            conn.gone().await;
            raise.raise();
        }
    })
    .await;
    drop(peer.client().dial(9000).await.unwrap());
    tunneled.raised_at_once().await;

    let asked = Flag::new();
    let (on_asked, raise) = (asked.clone(), dialed.clone());
    let peer = Peer::start(move |_, mut conn| {
        let (raise, on_asked) = (raise.clone(), on_asked.clone());
        async move {
            conn.request().await.unwrap();
            on_asked.raise();
            conn.gone().await;
            raise.raise();
        }
    })
    .await;
    let client = peer.client();
    tokio::select! {
        dialed = client.dial(9000) => panic!("{dialed:?}"),
        () = asked.raised() => {}
    }
    dialed.raised_at_once().await;
}

#[tokio::test]
async fn close_ends_tunnels_that_wait() {
    let (peer, _requests) = tunneling(switch("tcp"), async |mut conn| conn.gone().await).await;
    let client = peer.client();
    let (mut reader, mut writer) = split(client.dial(9000).await.unwrap());
    let mut byte = [0];
    let read = async { timeout(SOON, reader.read(&mut byte)).await.unwrap().unwrap_err() };
    let (error, ()) = tokio::join!(read, async { client.close() });
    let error = error.downcast::<Error>().unwrap();
    assert!(matches!(error, Error::Closed { code: None, .. }), "{error:?}");
    assert!(writer.write_all(b"x").await.is_err());
}

async fn received(socket: &mut DatagramSocket) -> Option<Vec<u8>> {
    timeout(SOON, socket.recv()).await.unwrap().unwrap().map(|bytes| bytes.to_vec())
}

#[tokio::test]
async fn datagrams_keep_their_borders() {
    let (peer, mut requests) = tunneling(switch("udp"), async |mut conn| {
        let mut bytes = [0; 2 + 65_507 + 2 + 2 + 1];
        conn.stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes[..2], [0xff, 0xe3], "big-endian");
        assert_eq!(bytes[2 + 65_507..], [0, 0, 0, 1, b'x']);
        // An empty one, one in pieces, and the largest.
        conn.send([0, 0, 0, 2, b'a']).await;
        conn.send(b"b").await;
        conn.send([&[0xff, 0xe3][..], &[7; 65_507]].concat()).await;
    })
    .await;
    let mut socket = peer.client().dial_udp(5353).await.unwrap();
    let request = requests.recv().await.unwrap();
    assert_eq!(request.line, "GET /api/v0/udp/5353 HTTP/1.1");
    assert_eq!(request.header("upgrade"), Some("udp"));
    let error = socket.send(vec![0; 65_508].into()).await.unwrap_err();
    assert!(matches!(error, Error::InvalidArgument { .. }));
    for datagram in [vec![1; 65_507], vec![], b"x".to_vec()] {
        socket.send(datagram.into()).await.unwrap();
    }
    assert_eq!(received(&mut socket).await.unwrap(), b"");
    assert_eq!(received(&mut socket).await.unwrap(), b"ab");
    assert_eq!(received(&mut socket).await.unwrap(), [7; 65_507]);
    assert_eq!(received(&mut socket).await, None);
}

#[tokio::test]
async fn a_datagram_that_is_cut_or_too_long_is_an_error() {
    for bytes in [vec![0, 2, b'a'], vec![0], vec![0xff, 0xe4, 0]] {
        let (peer, _requests) = tunneling(switch("udp"), move |mut conn| {
            let bytes = bytes.clone();
            async move { conn.send(bytes).await }
        })
        .await;
        let mut socket = peer.client().dial_udp(5353).await.unwrap();
        let error = timeout(SOON, socket.recv()).await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Closed { .. }), "{error:?}");
    }
}
