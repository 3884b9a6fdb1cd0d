//! The agent's own ports.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use agent_api::{Classify, ErrorCode};
use agent_ports::{Config, Dialed, Door, DoorError, Doors, Error, NoOwners, OpenDoor, Peer, Ports};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fixture::{soon, spawn};

/// One visitor at a time, who is answered with the name of the door.
#[derive(Clone, Debug, Default)]
struct One {
    admitted: Arc<AtomicUsize>,
    peers: Arc<Mutex<Vec<Peer>>>,
}

/// Gives the place back.
struct Admission(Arc<AtomicUsize>);

impl Drop for Admission {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Doors for One {
    fn is_there(&self, door: Door) -> bool {
        door != Door::SpeedTest
    }

    fn open(&self, door: Door) -> Result<OpenDoor, DoorError> {
        if self.admitted.load(Ordering::SeqCst) > 0 {
            return Err(DoorError::Busy);
        }
        self.admitted.fetch_add(1, Ordering::SeqCst);
        let admission = Admission(Arc::clone(&self.admitted));
        let peers = Arc::clone(&self.peers);
        Ok(Box::new(move |mut stream, peer| {
            peers.lock().push(peer);
            spawn(async move {
                stream.write_all(format!("{door:?}").as_bytes()).await.unwrap();
                drop((stream, admission));
            });
        }))
    }
}

async fn dial(ports: &Ports, port: &str) -> Result<Dialed, Error> {
    ports.dial(ports.tcp_target(port)?).await
}

#[tokio::test]
async fn a_door_takes_the_stream_and_keeps_its_place_until_the_end() {
    let doors = One::default();
    let ports = Ports::new(Config::default(), Arc::new(doors.clone()), Arc::new(NoOwners));
    for (port, name) in [("1", "Ssh"), ("22", "Ssh"), ("2", "Terminal")] {
        let Dialed::Door(door) = dial(&ports, port).await.unwrap() else { panic!("{port}") };
        let (mut client, near) = tokio::io::duplex(64);
        let peer = Peer { remote: "192.0.2.1:5".parse().ok(), local: None };
        door.enter(near, peer);
        assert_eq!(ports.statistics().tcp.open, 1);
        let mut got = String::new();
        soon(client.read_to_string(&mut got)).await.unwrap();
        assert_eq!(got, name);
        assert_eq!(doors.peers.lock().pop(), Some(peer));
        soon(async {
            while ports.statistics().tcp.open + doors.admitted.load(Ordering::SeqCst) as u64 > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_door_that_is_full_refuses_and_one_that_is_not_used_is_given_back() {
    let ports = Ports::new(Config::default(), Arc::new(One::default()), Arc::new(NoOwners));
    let unused = dial(&ports, "22").await.unwrap();
    let error = dial(&ports, "1").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ResourceExhausted);
    assert_eq!(error.detail().as_deref(), Some("too many connections"));
    drop(unused);
    dial(&ports, "1").await.unwrap();
}

#[tokio::test]
async fn a_door_that_is_not_there_is_an_unsupported_port() {
    let ports = Ports::new(Config::default(), Arc::new(One::default()), Arc::new(NoOwners));
    let error = ports.tcp_target("3").unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    assert!(error.to_string().contains("unsupported port"));
    assert_eq!(error.detail().as_deref(), Some("supported are 1, 2, 22, 9 to 65535"));
}
