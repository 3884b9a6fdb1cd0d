//! What listens: sockets that other processes hold.

use std::{
    net::TcpListener,
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use agent_api::{ListeningPort, Network, ProcessId};
use agent_ports::{Config, NoDoors, Owners, Ports};

use crate::fixture::{ports, soon};

const ID: &str = "0b9a4c0e-6a55-4d7a-9a44-0f5b6f1f7c21";

/// A process that holds a socket and does nothing; it ends with the value.
struct Holder(Child);

impl Holder {
    #[expect(clippy::disallowed_methods, reason = "another process is what the test is about")]
    fn of(listener: &TcpListener) -> Self {
        let socket: OwnedFd = listener.try_clone().unwrap().into();
        let child = Command::new("sleep").arg("300").stdin(Stdio::from(socket)).spawn();
        Self(child.unwrap())
    }

    /// Binds an address for another process alone; answers the port.
    fn bind(address: &str) -> Option<(Self, u16)> {
        let listener = match TcpListener::bind(address) {
            Err(_) if address.starts_with('[') => return None,
            listener => listener.unwrap(),
        };
        let holder = Self::of(&listener);
        Some((holder, listener.local_addr().unwrap().port()))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

async fn entry(ports: &Ports, port: u16) -> Option<ListeningPort> {
    let list = ports.list_listening_ports().await.unwrap().ports;
    assert!(list.is_sorted_by(|one, other| one.port < other.port));
    list.into_iter().find(|entry| entry.port == port)
}

/// Looks until something is found; never longer than an answer may be old.
async fn within_a_second<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        let asked = began.elapsed();
        if let Some(found) = look().await {
            return found;
        }
        assert!(asked < Duration::from_secs(1), "an answer is older than 1 s");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_listener_of_another_process_is_listed_with_it() {
    let ports = ports(Config::default());
    for address in ["127.0.0.1", "127.0.0.77", "0.0.0.0", "[::1]", "[::]"] {
        let Some((holder, port)) = Holder::bind(&format!("{address}:0")) else { continue };
        let found = within_a_second(async || entry(&ports, port).await).await;
        // The child may still be on its way to another program.
        let found = if found.process_name == "sleep" {
            found
        } else {
            within_a_second(async || {
                entry(&ports, port).await.filter(|entry| entry.process_name == "sleep")
            })
            .await
        };
        assert_eq!(found.pid, Some(holder.pid()));
        assert_eq!(found.network, Network::Tcp);
        assert_eq!(found.address.to_string(), address.trim_matches(['[', ']']));
        assert_eq!(found.process_id, None);
        drop(holder);
        let gone = async || entry(&ports, port).await.is_none().then_some(());
        within_a_second(gone).await;
    }
}

#[tokio::test]
async fn own_sockets_are_left_out_whoever_else_holds_them() {
    let own = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = own.local_addr().unwrap().port();
    let other = TcpListener::bind(("127.0.0.2", port)).unwrap();
    let (_shared, _other) = (Holder::of(&own), Holder::of(&other));
    drop(other);
    let ports = ports(Config::default());
    let found = entry(&ports, port).await.unwrap();
    assert_eq!(found.address.to_string(), "127.0.0.2");
}

#[tokio::test]
async fn a_port_with_two_addresses_is_one_entry() {
    let (_narrow, port) = Holder::bind("127.0.0.3:0").unwrap();
    let (wide, _) = Holder::bind(&format!("127.0.0.1:{port}")).unwrap();
    let ports = ports(Config::default());
    let list = ports.list_listening_ports().await.unwrap().ports;
    let found: Vec<_> = list.iter().filter(|entry| entry.port == port).collect();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].address.to_string(), "127.0.0.1");
    assert_eq!(found[0].pid, Some(wide.pid()));
}

#[tokio::test]
async fn of_several_holders_the_smallest_counts_and_then_the_next() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut holders = [Holder::of(&listener), Holder::of(&listener)];
    drop(listener);
    holders.sort_by_key(Holder::pid);
    let ports = ports(Config::default());
    let [first, second] = holders;
    let held_by = async |pid: u32| {
        let entry = entry(&ports, port).await?;
        (entry.pid == Some(pid)).then_some(())
    };
    within_a_second(async || held_by(first.pid()).await).await;
    drop(first);
    within_a_second(async || held_by(second.pid()).await).await;
}

#[tokio::test]
async fn a_port_of_the_configuration_is_left_out() {
    let (_kept, kept) = Holder::bind("127.0.0.1:0").unwrap();
    let (_ignored, ignored) = Holder::bind("127.0.0.1:0").unwrap();
    let ports = ports(Config { ignore: vec![ignored], ..Config::default() });
    assert!(entry(&ports, kept).await.is_some());
    assert!(entry(&ports, ignored).await.is_none());
}

/// Knows one process of the system as one of the agent's.
#[derive(Debug)]
struct Knows(u32);

impl Owners for Knows {
    fn process_of(&self, pid: u32) -> Option<ProcessId> {
        (pid == self.0).then(|| ID.parse().unwrap())
    }
}

#[tokio::test]
async fn a_process_of_the_agent_is_named() {
    let (own, port) = Holder::bind("127.0.0.1:0").unwrap();
    let (_other, other_port) = Holder::bind("127.0.0.1:0").unwrap();
    let owners = Arc::new(Knows(own.pid()));
    let ports = Ports::new(Config::default(), Arc::new(NoDoors), owners);
    let found = entry(&ports, port).await.unwrap();
    assert_eq!(found.process_id, ID.parse().ok());
    assert_eq!(entry(&ports, other_port).await.unwrap().process_id, None);
}

#[tokio::test]
async fn callers_at_the_same_time_share_a_look_which_is_counted() {
    let ports = ports(Config::default());
    let asks = (0..50).map(|_| {
        let ports = ports.clone();
        crate::fixture::spawn(async move { ports.list_listening_ports().await.unwrap() })
    });
    for ask in asks.collect::<Vec<_>>() {
        soon(ask).await.unwrap();
    }
    let scans = ports.statistics().scans;
    // A machine that is very slow may need a second look.
    assert!((1..=2).contains(&scans.count), "{}", scans.count);
    assert!(scans.sum > Duration::ZERO);
    assert!(scans.buckets.iter().sum::<u64>() <= scans.count);
}
