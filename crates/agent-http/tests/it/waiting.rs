//! Requests that wait: they keep nobody from being worked on, and end with their client.

use std::{sync::Arc, time::Duration};

use agent_http::{Access, Config, Peer, Server, Waiting};
use axum::{Router, routing::get};
use tokio::{
    sync::{Semaphore, mpsc},
    time::timeout,
};

use crate::client::Client;

/// Says when it is dropped.
struct Handler(mpsc::UnboundedSender<&'static str>);

impl Drop for Handler {
    fn drop(&mut self) {
        // The test may have ended.
        let _ = self.0.send("left");
    }
}

struct Site {
    server: Server,
    go_on: Arc<Semaphore>,
    /// `entered` and `left`, as handlers do.
    handlers: mpsc::UnboundedReceiver<&'static str>,
}

impl Site {
    /// Serves `/wait` and `/work`, which differ in whether they keep their place.
    fn new(max_requests: usize) -> Self {
        let go_on = Arc::new(Semaphore::new(0));
        let (tell, handlers) = mpsc::unbounded_channel();
        let handler = |waits: bool| {
            let (go_on, tell) = (Arc::clone(&go_on), tell.clone());
            move |waiting: Waiting| async move {
                let handler = Handler(tell);
                handler.0.send("entered").unwrap();
                let permit = waiting.when(waits).during(go_on.acquire()).await;
                permit.unwrap().forget();
                "done"
            }
        };
        let router =
            Router::new().route("/wait", get(handler(true))).route("/work", get(handler(false)));
        let config = Config { max_requests, ..Config::default() };
        let server = Server::new(router, Access::default(), config, Arc::new(()));
        Self { server, go_on, handlers }
    }

    async fn ask(&self, path: &str) -> Client<tokio::io::DuplexStream> {
        let (near, far) = tokio::io::duplex(1024);
        self.server.connect(far, Peer::in_process());
        let mut client = Client { stream: near };
        client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        client
    }

    async fn next(&mut self) -> &'static str {
        let next = timeout(Duration::from_secs(60), self.handlers.recv());
        next.await.expect("a handler enters or leaves").unwrap()
    }
}

#[tokio::test]
async fn any_number_of_waiting_requests_keeps_nobody_from_work() {
    let mut site = Site::new(8);
    let mut clients = Vec::new();
    for _ in 0..600 {
        clients.push(site.ask("/wait").await);
        assert_eq!(site.next().await, "entered");
    }
    clients.push(site.ask("/work").await);
    assert_eq!(site.next().await, "entered");
    site.go_on.add_permits(601);
    for client in &mut clients {
        assert_eq!(client.answer().await.unwrap().body, "done");
    }
}

#[tokio::test]
async fn a_request_that_waited_takes_its_turn_to_be_answered() {
    let mut site = Site::new(1);
    let mut waiting = site.ask("/wait").await;
    assert_eq!(site.next().await, "entered");
    let mut working = site.ask("/work").await;
    assert_eq!(site.next().await, "entered");
    let mut second = site.ask("/work").await;
    // The waiter is first at the gate, and its answer comes after the one that works.
    site.go_on.add_permits(1);
    let early = timeout(Duration::from_millis(50), waiting.head()).await;
    assert!(early.is_err(), "answered while another request has the only place");
    site.go_on.add_permits(2);
    for client in [&mut working, &mut waiting, &mut second] {
        assert_eq!(client.answer().await.unwrap().body, "done");
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_wait() {
    let mut site = Site::new(1);
    let client = site.ask("/wait").await;
    assert_eq!(site.next().await, "entered");
    drop(client);
    assert_eq!(site.next().await, "left");
    let mut other = site.ask("/work").await;
    assert_eq!(site.next().await, "entered");
    site.go_on.add_permits(1);
    assert_eq!(other.answer().await.unwrap().body, "done");
}
