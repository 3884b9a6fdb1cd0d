//! A server whose one route is a stream, an observer that counts, and a WebSocket client.

use std::{sync::Arc, time::Duration};

use agent_http::{Access, Config, Observer, Peer, Server, Upgrade, WebSocket};
use axum::{Router, routing::get};
use futures_util::StreamExt;
use tokio::{io::DuplexStream, sync::watch, time::timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::CloseFrame},
};

use crate::client::Client;

/// A route that the protocol knows, so that its operation shows.
pub(crate) const PATH: &str = "/api/v0/processes/1/output/stream";

/// Connections and streams that the server reports as open.
#[derive(Default)]
pub(crate) struct Counts {
    open: watch::Sender<(usize, usize)>,
}

pub(crate) struct Site {
    pub(crate) server: Server,
    pub(crate) counts: Arc<Counts>,
}

impl Site {
    /// Serves one route.
    pub(crate) fn new(config: Config, route: axum::routing::MethodRouter) -> Self {
        let counts = Arc::new(Counts::default());
        let router = Router::new().route(PATH, route).route("/healthz", get(|| async { "ok" }));
        let observer = Arc::clone(&counts);
        let server = Server::new(router, Access::default(), config, observer);
        Self { server, counts }
    }

    /// Serves a WebSocket.
    pub(crate) fn talking<F, T>(config: Config, talk: F) -> Self
    where
        F: Fn(WebSocket) -> T + Clone + Send + Sync + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        Self::new(config, get(move |upgrade: Upgrade| async move { upgrade.on(talk) }))
    }

    /// A connection that holds little, so that a peer that does not read is felt.
    pub(crate) fn stream(&self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(64 * 1024);
        self.server.connect(far, Peer::in_process());
        near
    }

    pub(crate) fn client(&self) -> Client<DuplexStream> {
        Client { stream: self.stream() }
    }

    pub(crate) async fn open(&self) -> WebSocketStream<DuplexStream> {
        let url = format!("ws://localhost{PATH}");
        tokio_tungstenite::client_async(url, self.stream()).await.unwrap().0
    }

    /// Connections and streams that are open.
    pub(crate) fn open_now(&self) -> (usize, usize) {
        *self.counts.open.borrow()
    }

    /// Waits until nothing is open.
    pub(crate) async fn all_gone(&self) {
        let mut open = self.counts.open.subscribe();
        let gone = open.wait_for(|open| *open == (0, 0));
        timeout(Duration::from_secs(60), gone).await.expect("streams and connections end").unwrap();
    }
}

impl Observer for Counts {
    fn request(&self, _: &'static str, _: u16, _: Duration) {}

    fn connection_opened(&self, _: &'static str) {
        self.open.send_modify(|open| open.0 += 1);
    }

    fn connection_closed(&self, _: &'static str) {
        self.open.send_modify(|open| open.0 -= 1);
    }

    fn stream_opened(&self, operation: &'static str) {
        assert_eq!(operation, "stream_process_output");
        self.open.send_modify(|open| open.1 += 1);
    }

    fn stream_closed(&self, operation: &'static str) {
        assert_eq!(operation, "stream_process_output");
        self.open.send_modify(|open| open.1 -= 1);
    }
}

/// The next message that is no ping or pong.
pub(crate) async fn next(socket: &mut WebSocketStream<DuplexStream>) -> Message {
    loop {
        let message = timeout(Duration::from_secs(600), socket.next()).await.expect("in time");
        match message.expect("a message before the end").unwrap() {
            Message::Ping(_) | Message::Pong(_) => {}
            message => return message,
        }
    }
}

/// The code and reason that the WebSocket closes with, whatever comes before.
pub(crate) async fn close_of(socket: &mut WebSocketStream<DuplexStream>) -> (u16, String) {
    loop {
        if let Message::Close(close) = next(socket).await {
            let CloseFrame { code, reason } = close.expect("a close with its code");
            return (code.into(), reason.as_str().to_owned());
        }
    }
}
