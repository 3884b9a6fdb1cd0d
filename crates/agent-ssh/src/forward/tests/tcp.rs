//! TCP listeners that the client asks for.

use std::net::{IpAddr, SocketAddr};

use agent_ssh_protocol::{OpenFailure, wire::Reader};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
};

use super::world::{Setup, World, exchange, host_port, soon};
use crate::auth::{Grant, HostPort};

fn has_ipv6() -> bool {
    std::net::TcpListener::bind("[::1]:0").is_ok()
}

async fn reaches(address: &str, port: u16) -> bool {
    let address: IpAddr = address.parse().unwrap();
    soon(TcpStream::connect(SocketAddr::new(address, port))).await.is_ok()
}

#[tokio::test]
async fn a_connection_reaches_the_client_with_its_true_originator() {
    let mut world = World::new().await;
    let port = world.listen_tcp("localhost", 0).await.unwrap();
    let mut socket = soon(TcpStream::connect(("127.0.0.1", port))).await.unwrap();
    let open = world.opened().await;
    assert_eq!(open.kind, b"forwarded-tcpip");
    let mut payload = Reader::new(&open.payload);
    assert_eq!(payload.string().unwrap(), b"localhost");
    assert_eq!(payload.u32().unwrap(), port.into());
    assert_eq!(payload.string().unwrap(), b"127.0.0.1");
    assert_eq!(payload.u32().unwrap(), socket.local_addr().unwrap().port().into());
    payload.end().unwrap();
    let mut channel = open.accept();
    socket.write_all(b"up").await.unwrap();
    socket.shutdown().await.unwrap();
    assert_eq!(exchange(&mut channel, b"down").await, b"up");
    let mut read = Vec::new();
    soon(socket.read_to_end(&mut read)).await.unwrap();
    assert_eq!(read, b"down");
    world.shut_down().await;
}

#[tokio::test]
async fn a_refused_connection_closes_and_the_listener_stays() {
    let mut world = World::new().await;
    let port = world.listen_tcp("127.0.0.1", 0).await.unwrap();
    for _ in 0..2 {
        let mut socket = soon(TcpStream::connect(("127.0.0.1", port))).await.unwrap();
        world.opened().await.refuse(OpenFailure::ConnectFailed, "no");
        let _ = soon(socket.read_to_end(&mut Vec::new())).await;
    }
    world.shut_down().await;
}

#[tokio::test]
async fn an_address_is_bound_as_it_is_written() {
    let world = World::new().await;
    // 127.0.0.2 stands for any address of the host that is not asked for.
    for (address, loopback, other, ipv6) in [
        ("localhost", true, false, true),
        ("", true, true, true),
        ("*", true, true, true),
        ("127.0.0.1", true, false, false),
        ("127.0.0.2", false, true, false),
        ("0.0.0.0", true, true, false),
    ] {
        let port = world.listen_tcp(address, 0).await.unwrap();
        assert_eq!(reaches("127.0.0.1", port).await, loopback, "{address:?}");
        assert_eq!(reaches("127.0.0.2", port).await, other, "{address:?}");
        if has_ipv6() {
            assert_eq!(reaches("::1", port).await, ipv6, "{address:?}");
        }
    }
    if has_ipv6() {
        for address in ["::1", "::"] {
            let port = world.listen_tcp(address, 0).await.unwrap();
            assert!(reaches("::1", port).await, "{address}");
            assert!(!reaches("127.0.0.1", port).await, "{address}");
        }
    }
    assert_eq!(world.listen_tcp("192.0.2.1", 0).await, None);
    assert_eq!(world.listen_tcp("no-such-host.invalid", 0).await, None);
    assert_eq!(world.listen_tcp("127.0.0.1", 65_536).await, None);
    world.shut_down().await;
}

#[tokio::test]
async fn a_busy_port_fails_and_the_next_request_may_succeed() {
    let world = World::new().await;
    let busy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = busy.local_addr().unwrap().port();
    for address in ["127.0.0.1", "localhost", ""] {
        assert_eq!(world.listen_tcp(address, port.into()).await, None, "{address:?}");
    }
    drop(busy);
    assert_eq!(world.listen_tcp("localhost", port.into()).await, Some(port));
    assert_eq!(world.listen_tcp("localhost", port.into()).await, None, "it is busy by itself now");
    if has_ipv6() {
        let busy = TcpListener::bind("[::1]:0").await.unwrap();
        let port = busy.local_addr().unwrap().port();
        assert_eq!(world.listen_tcp("localhost", port.into()).await, None);
        assert!(!reaches("127.0.0.1", port).await, "nothing stays of a half that was bound");
    }
    world.shut_down().await;
}

#[tokio::test]
async fn a_cancelled_listener_closes_and_its_connections_stay() {
    let mut world = World::new().await;
    let port = world.listen_tcp("localhost", 0).await.unwrap();
    let mut socket = soon(TcpStream::connect(("127.0.0.1", port))).await.unwrap();
    let mut channel = world.opened().await.accept();
    let cancel = |address: &str, port: u16| {
        let (client, payload) = (world.client.clone(), host_port(address, port.into()));
        async move { soon(client.request("cancel-tcpip-forward", &payload)).await.is_ok() }
    };
    assert!(!cancel("localhost", port.wrapping_add(1)).await);
    assert!(!cancel("127.0.0.1", port).await);
    assert!(!cancel("localhost", 0).await);
    assert!(cancel("localhost", port).await);
    assert!(!cancel("localhost", port).await);
    assert!(!reaches("127.0.0.1", port).await);
    socket.write_all(b"still here").await.unwrap();
    socket.shutdown().await.unwrap();
    assert_eq!(exchange(&mut channel, b"").await, b"still here");
    assert_eq!(world.listen_tcp("localhost", port.into()).await, Some(port));
    world.shut_down().await;
}

#[tokio::test]
async fn all_addresses_are_cancelled_by_either_name() {
    let world = World::new().await;
    let port = world.listen_tcp("*", 0).await.unwrap();
    assert!(world.request("cancel-tcpip-forward", &host_port("", port.into())).await.is_some());
    assert!(!reaches("127.0.0.1", port).await);
    world.shut_down().await;
}

#[tokio::test]
async fn a_connection_has_64_listeners_of_both_kinds() {
    let (world, home) = (World::new().await, super::world::directory());
    let mut ports = Vec::new();
    for number in 0..32 {
        ports.push(world.listen_tcp("127.0.0.1", 0).await.expect("a listener"));
        let path = super::world::string_of(&home.path().join(number.to_string()));
        assert!(world.request("streamlocal-forward@openssh.com", &path).await.is_some());
    }
    assert_eq!(world.listen_tcp("127.0.0.1", 0).await, None);
    let path = super::world::string_of(&home.path().join("more"));
    assert_eq!(world.request("streamlocal-forward@openssh.com", &path).await, None);
    let first = host_port("127.0.0.1", ports[0].into());
    assert!(world.request("cancel-tcpip-forward", &first).await.is_some());
    assert!(world.listen_tcp("127.0.0.1", 0).await.is_some());
    world.shut_down().await;
}

#[tokio::test]
async fn a_switch_or_a_key_refuses_listeners_and_nothing_else() {
    let restricted = Grant { port_forwarding: false, ..Grant::everything() };
    let permit = HostPort { host: b"localhost".to_vec(), port: None };
    let permitted = Grant { permit_listen: Some(vec![permit]), ..Grant::everything() };
    for (setup, address, expected) in [
        (Setup { remote: false, ..Setup::default() }, "localhost", false),
        (Setup { grant: restricted, ..Setup::default() }, "localhost", false),
        (Setup { local: false, ..Setup::default() }, "localhost", true),
        (Setup { grant: permitted.clone(), ..Setup::default() }, "localhost", true),
        (Setup { grant: permitted, ..Setup::default() }, "127.0.0.1", false),
    ] {
        let world = World::with(setup.clone()).await;
        assert_eq!(world.listen_tcp(address, 0).await.is_some(), expected, "{setup:?}");
        world.shut_down().await;
    }
}

#[tokio::test]
async fn the_end_of_a_connection_closes_listeners_and_sockets() {
    let mut world = World::new().await;
    let port = world.listen_tcp("localhost", 0).await.unwrap();
    let mut socket = soon(TcpStream::connect(("127.0.0.1", port))).await.unwrap();
    let channel = world.opened().await.accept();
    let tasks = world.end().await;
    assert!(!reaches("127.0.0.1", port).await);
    let _ = soon(socket.read_to_end(&mut Vec::new())).await;
    drop(channel);
    tasks.close();
    soon(tasks.wait()).await;
}

#[tokio::test]
async fn an_originator_that_resets_costs_nothing_but_its_channel() {
    let mut world = World::new().await;
    let port = world.listen_tcp("127.0.0.1", 0).await.unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    let socket = soon(socket.connect(([127, 0, 0, 1], port).into())).await.unwrap();
    let mut channel = world.opened().await.accept();
    socket.set_zero_linger().unwrap();
    drop(socket);
    assert!(soon(channel.requests.next()).await.is_none(), "the channel closes");
    assert!(world.listen_tcp("127.0.0.1", 0).await.is_some(), "the connection lives");
    world.shut_down().await;
}
