//! Byte streams: what connects, how each direction ends, what holds a sender back, and what is
//! counted.

use std::{io::ErrorKind, time::Duration};

use agent_api::{Classify, ErrorCode};
use agent_ports::{Config, Error};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
};

use crate::fixture::{Full, dial, dial_udp, listen, pair, ports, soon, spawn, tunnel};

const MIB: usize = 1024 * 1024;

/// Bytes that show where they belong.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(31) >> 3) as u8).collect()
}

#[tokio::test]
async fn a_port_is_found_on_either_loopback_address() {
    let ports = ports(Config::default());
    for address in ["127.0.0.1", "::1"] {
        let Some((listener, port)) = listen(address).await else { continue };
        let _tunnel = dial(&ports, port).await.unwrap();
        let (accepted, _) = soon(listener.accept()).await.unwrap();
        assert_eq!(accepted.local_addr().unwrap().ip().to_string(), address);
    }
}

#[tokio::test]
async fn each_direction_carries_everything_and_ends_by_itself() {
    let ports = ports(Config::default());
    let (mut client, mut server, carried) = tunnel(&ports).await;
    let sent = pattern(10 * MIB);
    let expected = sent.clone();
    let serve = spawn(async move {
        let mut got = Vec::new();
        server.read_to_end(&mut got).await.unwrap();
        assert!(got == expected);
        server.write_all(&got[..3 * MIB]).await.unwrap();
    });
    client.write_all(&sent).await.unwrap();
    client.shutdown().await.unwrap();
    let mut back = Vec::new();
    soon(client.read_to_end(&mut back)).await.unwrap();
    assert!(back == sent[..3 * MIB]);
    soon(serve).await.unwrap();
    soon(carried).await.unwrap();
    assert_eq!(ports.statistics().tcp.open, 0);
}

#[tokio::test]
async fn the_targets_end_may_come_first() {
    let ports = ports(Config::default());
    let (mut client, mut server, carried) = tunnel(&ports).await;
    server.write_all(b"bye").await.unwrap();
    server.shutdown().await.unwrap();
    let mut got = String::new();
    soon(client.read_to_string(&mut got)).await.unwrap();
    client.write_all(b"still here").await.unwrap();
    drop(client);
    soon(server.read_to_string(&mut got)).await.unwrap();
    assert_eq!(got, "byestill here");
    soon(carried).await.unwrap();
}

async fn is_reset(mut stream: TcpStream) {
    let mut bytes = vec![0; MIB];
    let error = soon(async {
        loop {
            match stream.read(&mut bytes).await {
                Ok(0) => panic!("an end instead of a reset"),
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    });
    assert_eq!(error.await.kind(), ErrorKind::ConnectionReset);
}

fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
    drop(stream);
}

#[tokio::test]
async fn a_reset_of_one_side_resets_the_other() {
    let ports = ports(Config::default());
    let (client, server, carried) = tunnel(&ports).await;
    reset(client);
    is_reset(server).await;
    soon(carried).await.unwrap();

    let (client, server, carried) = tunnel(&ports).await;
    reset(server);
    is_reset(client).await;
    soon(carried).await.unwrap();
}

#[tokio::test]
async fn a_reset_is_passed_on_after_one_direction_has_ended() {
    let ports = ports(Config::default());
    let (mut client, mut server, carried) = tunnel(&ports).await;
    client.shutdown().await.unwrap();
    assert_eq!(soon(server.read(&mut [0; 8])).await.unwrap(), 0);
    reset(client);
    soon(carried).await.unwrap();
    // The server's reading has ended, so that its writing tells.
    let failed = soon(async {
        loop {
            if let Err(error) = server.write_all(&[0; 1024]).await {
                return error;
            }
        }
    });
    let kind = failed.await.kind();
    assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kind}");
}

/// Writes until nothing more is taken; answers how much was.
async fn fill(stream: &mut TcpStream) -> usize {
    let chunk = pattern(64 * 1024);
    let mut taken = 0;
    let quiet = Duration::from_millis(500);
    while let Ok(written) = tokio::time::timeout(quiet, stream.write(&chunk)).await {
        taken += written.unwrap();
    }
    taken
}

#[tokio::test]
async fn a_reset_is_passed_on_while_the_other_side_reads_nothing() {
    let ports = ports(Config::default());
    let (mut client, server, carried) = tunnel(&ports).await;
    fill(&mut client).await;
    reset(client);
    soon(carried).await.unwrap();
    is_reset(server).await;
}

#[tokio::test]
async fn a_reader_that_is_slow_holds_its_sender_back_and_nobody_else() {
    let ports = ports(Config::default());
    let (mut client, mut server, _carried) = tunnel(&ports).await;
    let taken = fill(&mut client).await;
    // What the sockets of the system hold is theirs to say.
    assert!(taken < 64 * MIB, "{taken} bytes are somewhere");

    let (mut other, mut far, _other_carried) = tunnel(&ports).await;
    other.write_all(b"ping").await.unwrap();
    let mut got = [0; 4];
    soon(far.read_exact(&mut got)).await.unwrap();
    assert_eq!(&got, b"ping");

    // The other direction of the one that is held back flows.
    server.write_all(b"pong").await.unwrap();
    soon(client.read_exact(&mut got)).await.unwrap();
    assert_eq!(&got, b"pong");

    drop(client);
    let mut rest = Vec::new();
    soon(server.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.len() >= taken);
}

#[tokio::test]
async fn a_free_port_refuses() {
    let ports = ports(Config::default());
    let (listener, port) = listen("127.0.0.1").await.unwrap();
    drop(listener);
    let error = dial(&ports, port).await.unwrap_err();
    assert!(matches!(error, Error::Refused { port: refused } if refused == port), "{error}");
    assert_eq!(error.code(), ErrorCode::BadGateway);
    assert!(error.to_string().contains("connection refused"));
}

#[tokio::test]
async fn a_connect_without_an_answer_times_out_and_ends_with_the_stop() {
    let full = Full::new().await;
    let connect_timeout = Duration::from_millis(200);
    let hasty = ports(Config { connect_timeout, ..Config::default() });
    let error = soon(dial(&hasty, full.port)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::DeadlineExceeded, "{error}");

    let patient = ports(Config { connect_timeout: Duration::from_secs(600), ..Config::default() });
    let dialing = spawn({
        let (patient, port) = (patient.clone(), full.port);
        async move { dial(&patient, port).await }
    });
    soon(async {
        while patient.statistics().tcp.open == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    patient.begin_drain();
    let error = soon(dialing).await.unwrap().unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable, "{error}");
    assert_eq!((hasty.statistics().tcp.open, patient.statistics().tcp.open), (0, 0));
}

#[tokio::test]
async fn tunnels_of_both_kinds_share_a_limit() {
    let ports = ports(Config::default());
    let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = target.local_addr().unwrap().port();
    let mut open = Vec::new();
    for _ in 0..511 {
        open.push(dial_udp(&ports, port).await.unwrap());
    }
    let (_listener, tcp_port) = listen("127.0.0.1").await.unwrap();
    let last = dial(&ports, tcp_port).await.unwrap();
    for error in
        [dial(&ports, tcp_port).await.unwrap_err(), dial_udp(&ports, port).await.unwrap_err()]
    {
        assert_eq!(error.code(), ErrorCode::ResourceExhausted, "{error}");
        assert_eq!(error.to_string(), "512 tunnels are open");
    }
    drop(last);
    dial(&ports, tcp_port).await.unwrap();
    let statistics = ports.statistics();
    assert_eq!((statistics.tcp.open, statistics.udp.open), (0, 511));
    assert_eq!((statistics.tcp.ok_total, statistics.tcp.error_total), (2, 1));
    assert_eq!((statistics.udp.ok_total, statistics.udp.error_total), (511, 1));
}

#[tokio::test]
async fn outcomes_are_counted() {
    let config = Config { connect_timeout: Duration::from_millis(200), ..Config::default() };
    let ports = ports(config);
    let (listener, port) = listen("127.0.0.1").await.unwrap();
    let open = dial(&ports, port).await.unwrap();
    drop(listener);
    dial(&ports, port).await.unwrap_err();
    let full = Full::new().await;
    dial(&ports, full.port).await.unwrap_err();
    let abandoned = async {
        let dialing = dial(&ports, full.port);
        tokio::time::timeout(Duration::from_millis(1), dialing).await.unwrap_err()
    };
    abandoned.await;
    let tcp = ports.statistics().tcp;
    assert_eq!((tcp.open, tcp.ok_total, tcp.refused_total), (1, 1, 1));
    assert_eq!((tcp.timeout_total, tcp.error_total), (1, 1));
    drop(open);
    assert_eq!(ports.statistics().tcp.open, 0);
}

#[tokio::test]
async fn the_drain_refuses_new_tunnels_and_the_shutdown_cuts_old_ones() {
    let ports = ports(Config::default());
    let (mut client, mut server, carried) = tunnel(&ports).await;
    let (_listener, port) = listen("127.0.0.1").await.unwrap();
    ports.begin_drain();
    let refused = dial(&ports, port).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Unavailable);
    client.write_all(b"on").await.unwrap();
    soon(server.read_exact(&mut [0; 2])).await.unwrap();
    soon(ports.shutdown()).await;
    soon(carried).await.unwrap();
    assert_eq!(soon(client.read(&mut [0; 8])).await.unwrap(), 0);
}

#[tokio::test]
async fn both_sockets_are_kept_alive_and_send_at_once() {
    let ports = ports(Config::default());
    let (listener, port) = listen("127.0.0.1").await.unwrap();
    let tunnel = dial(&ports, port).await.unwrap();
    let (_server, _) = listener.accept().await.unwrap();
    let (client, near) = pair().await;
    let watched = near.into_std().unwrap();
    let near = TcpStream::from_std(watched.try_clone().unwrap()).unwrap();
    let carried = spawn(tunnel.carry(near));
    soon(async {
        while !(watched.nodelay().unwrap() && keeps_alive(&watched)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(client);
    carried.abort();
}

fn keeps_alive(stream: &std::net::TcpStream) -> bool {
    rustix::net::sockopt::socket_keepalive(stream).unwrap()
}
