//! Datagrams: the framing on the stream, what is lost, and what ends a tunnel.

use std::time::Duration;

use agent_api::limits::MAX_DATAGRAM_BYTES;
use agent_ports::{Config, Ports};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    net::UdpSocket,
    task::JoinHandle,
};

use crate::fixture::{dial_udp, ports, soon, spawn};

struct Site {
    client: DuplexStream,
    target: UdpSocket,
    carried: JoinHandle<()>,
    _ports: Ports,
}

async fn tunnel(ports: &Ports, target: UdpSocket, buffer: usize) -> Site {
    let tunnel = dial_udp(ports, target.local_addr().unwrap().port()).await.unwrap();
    let (client, near) = tokio::io::duplex(buffer);
    Site { client, target, carried: spawn(tunnel.carry(near)), _ports: ports.clone() }
}

async fn site(config: Config) -> Site {
    let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    tunnel(&ports(config), target, 256 * 1024).await
}

async fn send(client: &mut DuplexStream, datagram: &[u8]) {
    client.write_u16(u16::try_from(datagram.len()).unwrap()).await.unwrap();
    client.write_all(datagram).await.unwrap();
}

async fn receive(client: &mut DuplexStream) -> Vec<u8> {
    soon(async {
        let mut datagram = vec![0; client.read_u16().await.unwrap().into()];
        client.read_exact(&mut datagram).await.unwrap();
        datagram
    })
    .await
}

impl Site {
    /// Takes a datagram at the target and sends it back.
    async fn echo(&self) -> Vec<u8> {
        let mut buffer = vec![0; 70_000];
        let (length, from) = soon(self.target.recv_from(&mut buffer)).await.unwrap();
        buffer.truncate(length);
        self.target.send_to(&buffer, from).await.unwrap();
        buffer
    }

    async fn ends(mut self) {
        let mut rest = Vec::new();
        soon(self.client.read_to_end(&mut rest)).await.unwrap();
        assert!(rest.is_empty());
        drop(self.client);
        soon(self.carried).await.unwrap();
    }
}

#[tokio::test]
async fn datagrams_of_every_length_come_back() {
    let mut site = site(Config::default()).await;
    for length in [1, 0, 1500, 0, MAX_DATAGRAM_BYTES, 3] {
        let datagram: Vec<u8> = (0..length).map(|at| at as u8).collect();
        send(&mut site.client, &datagram).await;
        assert!(site.echo().await == datagram, "{length}");
        assert!(receive(&mut site.client).await == datagram, "{length}");
    }
}

#[tokio::test]
async fn a_tunnel_has_a_source_port_of_its_own() {
    let ports = ports(Config::default());
    let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = target.local_addr().unwrap().port();
    let mut sources = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..2 {
        let (mut client, near) = tokio::io::duplex(1024);
        spawn(dial_udp(&ports, port).await.unwrap().carry(near));
        for _ in 0..2 {
            send(&mut client, b"x").await;
            sources.push(soon(target.recv_from(&mut [0; 8])).await.unwrap().1.port());
        }
        clients.push(client);
    }
    assert_eq!(sources[0], sources[1]);
    assert_eq!(sources[2], sources[3]);
    assert_ne!(sources[0], sources[2]);
}

#[tokio::test]
async fn without_a_listener_datagrams_are_lost_and_the_tunnel_stays() {
    let mut site = site(Config::default()).await;
    let address = site.target.local_addr().unwrap();
    drop(site.target);
    for _ in 0..20 {
        send(&mut site.client, b"lost").await;
    }
    site.target = soon(async {
        loop {
            // Another test may have the port for a moment.
            if let Ok(target) = UdpSocket::bind(address).await {
                return target;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    send(&mut site.client, b"here").await;
    soon(async {
        let mut buffer = [0; 8];
        while site.target.recv(&mut buffer).await.unwrap() != 4 || &buffer[..4] != b"here" {}
    })
    .await;
}

#[tokio::test]
async fn a_length_that_no_datagram_has_closes_the_tunnel() {
    for length in [65_508_u16, 65_535] {
        let mut site = site(Config::default()).await;
        send(&mut site.client, b"before").await;
        site.client.write_u16(length).await.unwrap();
        assert_eq!(site.echo().await, b"before");
        let mut head = vec![0; 2];
        let mut rest = Vec::new();
        if soon(site.client.read(&mut head)).await.unwrap() != 0 {
            // The answer may have been on its way.
            soon(site.client.read_to_end(&mut rest)).await.unwrap();
        }
        drop(site.client);
        soon(site.carried).await.unwrap();
    }
}

#[tokio::test]
async fn the_streams_end_ends_the_tunnel_also_inside_a_datagram() {
    for tail in [&b""[..], b"\0", b"\0\x05", b"\0\x05abc"] {
        let mut site = site(Config::default()).await;
        send(&mut site.client, b"whole").await;
        site.client.write_all(tail).await.unwrap();
        site.client.shutdown().await.unwrap();
        let mut buffer = [0; 16];
        let length = soon(site.target.recv(&mut buffer)).await.unwrap();
        assert_eq!(&buffer[..length], b"whole");
        site.ends().await;
    }
}

#[tokio::test]
async fn a_tunnel_without_datagrams_ends() {
    let datagram_timeout = Duration::from_millis(300);
    let mut site = site(Config { datagram_timeout, ..Config::default() }).await;
    let began = std::time::Instant::now();
    send(&mut site.client, b"x").await;
    site.echo().await;
    receive(&mut site.client).await;
    site.ends().await;
    assert!(began.elapsed() >= datagram_timeout);
}

#[tokio::test]
async fn beyond_the_queue_datagrams_are_dropped_and_the_rest_keep_their_order() {
    let ports = ports(Config::default());
    let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut site = tunnel(&ports, target, 1024).await;
    send(&mut site.client, b"hello").await;
    let from = soon(site.target.recv_from(&mut [0; 8])).await.unwrap().1;
    for number in 0..2000_u32 {
        let mut datagram = vec![0; 1000];
        datagram[..4].copy_from_slice(&number.to_be_bytes());
        site.target.send_to(&datagram, from).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut numbers = Vec::new();
    while let Ok(datagram) =
        tokio::time::timeout(Duration::from_secs(1), receive(&mut site.client)).await
    {
        numbers.push(u32::from_be_bytes(datagram[..4].try_into().unwrap()));
    }
    assert!(numbers.is_sorted_by(|one, other| one < other));
    assert_eq!(numbers[0], 0);
    // Besides the queue, some are being written, and some were still with the system.
    assert!((200..1000).contains(&numbers.len()), "{}", numbers.len());
    send(&mut site.client, b"bye").await;
    assert_eq!(site.echo().await, b"bye");
    assert_eq!(receive(&mut site.client).await, b"bye");
}

#[tokio::test]
async fn the_shutdown_cuts_a_tunnel() {
    let ports = ports(Config::default());
    let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let site = tunnel(&ports, target, 1024).await;
    soon(ports.shutdown()).await;
    assert_eq!(ports.statistics().udp.open, 0);
    site.ends().await;
}
