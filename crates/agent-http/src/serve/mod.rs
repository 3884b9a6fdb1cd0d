//! A router served over any byte stream, with limits and a drain; which listeners there are is the
//! server's matter.
//!
//! ```text
//!            listen / connect                begin_drain          drained           shutdown
//!  (nothing) ───────────────▶ serving ─────────────────▶ draining ───────▶ closing ─────────▶ closed
//!                                      listeners close,            idle connections    what is left
//!                                      new requests get 503        close               is aborted
//! ```

mod activity;
mod connection;
mod listener;
mod peer;
mod requests;
mod streams;
mod transport;

use std::{sync::Arc, time::Duration};

use axum::Router;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

pub(crate) use activity::{InFlight, Watched};
pub(crate) use connection::Held;
pub use listener::Listener;
pub use peer::{Peer, PeerAddress, Trust};
pub(crate) use requests::Requests;
pub(crate) use streams::{END_TIMEOUT, Link, OpenStream, StreamHost, Streams};
pub(crate) use transport::{Reader, Transport, Writer};

use crate::{Access, app::App};

/// Limits of a server; the defaults are the protocol's.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Open connections of each listener; further ones wait in its queue.
    pub max_connections: usize,
    /// Requests in work; further ones wait.
    pub max_requests: usize,
    /// WebSockets and event streams together; further ones are answered 429.
    pub max_streams: usize,
    /// Largest HTTP/1 head, and largest HTTP/2 header list, in bytes.
    pub max_head_bytes: usize,
    /// Longest time from the first byte of a head to its last.
    pub head_timeout: Duration,
    /// Longest time without a request; at least 60 s by the protocol, and longer than clients keep
    /// theirs, so that a client seldom sends into a closing connection.
    pub idle_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_requests: 512,
            max_streams: 512,
            max_head_bytes: 64 * 1024,
            head_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(90),
        }
    }
}

/// Hears of requests, connections and streams, to count them.
pub trait Observer: Send + Sync + 'static {
    /// A request was answered; `operation` is its route's, or `unknown`.
    fn request(&self, operation: &'static str, status: u16, elapsed: Duration);
    /// A connection was opened on a listener.
    fn connection_opened(&self, listener: &'static str);
    /// A connection of a listener ended.
    fn connection_closed(&self, listener: &'static str);
    /// A WebSocket or an event stream of an operation was opened.
    fn stream_opened(&self, operation: &'static str);
    /// A WebSocket or an event stream of an operation ended.
    fn stream_closed(&self, operation: &'static str);
}

/// Observes nothing.
impl Observer for () {
    fn request(&self, _operation: &'static str, _status: u16, _elapsed: Duration) {}
    fn connection_opened(&self, _listener: &'static str) {}
    fn connection_closed(&self, _listener: &'static str) {}
    fn stream_opened(&self, _operation: &'static str) {}
    fn stream_closed(&self, _operation: &'static str) {}
}

/// Serves one router over listeners and single streams.
///
/// Cheap to clone; the clones are one server. Dropping the last one cuts its connections.
#[derive(Clone, Debug)]
pub struct Server {
    shared: Arc<Shared>,
    /// Held by handles alone: connections hold `shared` and would keep themselves alive.
    _abort_with_last: Arc<DropGuard>,
}

pub(crate) struct Shared {
    app: App,
    config: Config,
    tasks: TaskTracker,
    /// No listener accepts any more, and streams end.
    stop: CancellationToken,
    /// Connections end after the request they are in.
    close: CancellationToken,
    /// Connections end at once.
    abort: CancellationToken,
}

impl Server {
    /// Puts the checks of every request in front of a router; nothing is served yet.
    pub fn new(
        router: Router,
        access: Access,
        config: Config,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let requests = Arc::new(Requests::new(config.max_requests));
        let (abort, tasks) = (CancellationToken::new(), TaskTracker::new());
        let stop = abort.child_token();
        let streams = Arc::new(Streams {
            slots: Some(Arc::new(Semaphore::new(config.max_streams))),
            requests: Some(Arc::clone(&requests)),
            observer: Arc::clone(&observer),
            tasks: tasks.clone(),
            stop: stop.clone(),
            abort: abort.clone(),
        });
        let app = App { router, access, requests, streams, observer };
        let shared = Shared {
            app,
            config,
            tasks,
            stop,
            close: CancellationToken::new(),
            abort: abort.clone(),
        };
        Self { shared: Arc::new(shared), _abort_with_last: Arc::new(abort.drop_guard()) }
    }

    /// Accepts connections of a listener until the drain begins.
    pub fn listen(&self, listener: Listener) {
        let accept = listener::accept_loop(listener, Arc::downgrade(&self.shared));
        self.shared.tasks.spawn(accept);
    }

    /// Serves one stream, for callers in the same process and transports of their own.
    pub fn connect<S>(&self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        connection::spawn(&self.shared, Transport::Other(Box::new(stream)), peer, None);
    }

    /// Closes the listeners and ends the streams; from now on a new request is answered 503 and its
    /// connection closed.
    ///
    /// WebSockets close with 1001, event streams end; a peer that does not follow is cut after 3 s.
    /// Idle connections stay until [`Server::shutdown`], so that a late request gets its answer.
    pub fn begin_drain(&self) {
        self.shared.app.requests.begin_drain();
        self.shared.stop.cancel();
    }

    /// Waits until no request is open; a request is open until its response body has ended, and a
    /// WebSocket until it is closed.
    pub async fn drained(&self) {
        self.shared.app.requests.none_open().await;
    }

    /// Waits until no WebSocket and no event stream is open; after [`Server::begin_drain`] that takes
    /// little more than 3 s at most, however long other requests may still take.
    pub async fn streams_ended(&self) {
        self.shared.app.requests.no_stream_open().await;
    }

    /// Closes every connection after the request it is in, waits for them, and cuts those that
    /// take longer than `grace`.
    ///
    /// Answers whether all ended by themselves.
    pub async fn shutdown(&self, grace: Duration) -> bool {
        self.begin_drain();
        self.shared.close.cancel();
        self.shared.tasks.close();
        let ended = tokio::time::timeout(grace, self.shared.tasks.wait()).await.is_ok();
        self.abort();
        self.shared.tasks.wait().await;
        ended
    }

    /// Cuts every connection now.
    pub fn abort(&self) {
        self.begin_drain();
        self.shared.tasks.close();
        self.shared.abort.cancel();
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("config", &self.config).finish_non_exhaustive()
    }
}
