//! HTTP/1.1 connections to one agent, one for each request at a time, kept for the next one; not
//! what is done when one fails.
//!
//! ```text
//!           fresh                 release
//!  (dial) --------> in use  --------------------> idle
//!                     |  ^        take              |
//!                     |  +--------------------------+
//!                     |  dropped, failed, closed    |  idle_timeout, closed by the peer
//!                     +------------> gone <---------+
//! ```

use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::{
    Failure, SendResult, Way,
    wire::{Traffic, Wire},
};
use crate::{Config, Error, PingPath, client::Upload};

/// Most connections that are kept while nobody uses them; a burst of more closes the rest.
const MAX_IDLE: usize = 32;

/// The connections to one agent.
pub(crate) struct Pool {
    way: Way,
    connect_timeout: Duration,
    idle_timeout: Duration,
    /// Oldest first.
    idle: Mutex<Vec<Idle>>,
    next_id: AtomicU64,
    stop: CancellationToken,
    tasks: TaskTracker,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// One connection. Dropping it closes it, whatever it is doing.
pub(crate) struct Connection {
    id: u64,
    sender: http1::SendRequest<Upload>,
    traffic: Arc<Traffic>,
    path: PingPath,
    is_reused: bool,
    _close: DropGuard,
}

impl Pool {
    pub(crate) fn new(way: Way, config: &Config, stop: CancellationToken) -> Self {
        Self {
            way,
            connect_timeout: config.connect_timeout,
            idle_timeout: config.idle_timeout,
            idle: Mutex::default(),
            next_id: AtomicU64::new(0),
            stop,
            tasks: TaskTracker::new(),
        }
    }

    /// Takes the connection that was used last; `None` if no kept one is alive.
    pub(crate) fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.lock();
        while let Some(Idle { connection, since }) = idle.pop() {
            if !connection.sender.is_closed() && since.elapsed() < self.idle_timeout {
                return Some(connection);
            }
        }
        None
    }

    /// Makes a connection, within the caller's future: when that is dropped, nothing stays.
    pub(crate) async fn fresh(
        self: &Arc<Self>,
        operation: &'static str,
    ) -> Result<Connection, Error> {
        let after = self.connect_timeout;
        let dialed = tokio::time::timeout(after, self.way.dial())
            .await
            .map_err(|_| Error::Timeout { operation, after })??;
        let traffic = Arc::<Traffic>::default();
        let wire = Wire::new(dialed.stream, Arc::clone(&traffic));
        let (sender, driver) = http1::handshake(TokioIo::new(wire))
            .await
            .map_err(|error| self.way.failed(std::io::Error::other(error)))?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let close = self.stop.child_token();
        let closed = close.clone().cancelled_owned();
        let idle_end = idle_end(Arc::downgrade(self), id, self.idle_timeout);
        self.tasks.spawn(async move {
            // The sender tells whoever waits how the connection ended. One that is upgraded is out
            // of HTTP's hands, so its end here is not that of the stream.
            tokio::select! {
                _ = driver.with_upgrades() => {}
                () = closed => {}
                () = idle_end => {}
            }
        });
        let path = dialed.path;
        Ok(Connection { id, sender, traffic, path, is_reused: false, _close: close.drop_guard() })
    }

    /// Keeps a connection whose exchange is complete.
    pub(crate) fn release(&self, mut connection: Connection) {
        let is_dead = connection.sender.is_closed() || connection.traffic.is_stuck();
        if is_dead || self.idle_timeout.is_zero() || self.stop.is_cancelled() {
            return;
        }
        connection.is_reused = true;
        let mut idle = self.idle.lock();
        if idle.len() < MAX_IDLE {
            idle.push(Idle { connection, since: Instant::now() });
        }
    }

    /// Runs what goes on beside the calls until its guard is dropped or the client is closed.
    ///
    /// What `work` leaves behind goes to `after`, which only the client's close cuts.
    pub(crate) fn run<T, F>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
        after: impl FnOnce(T) -> F + Send + 'static,
    ) -> DropGuard
    where
        T: Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = self.stop.clone();
        let end = stop.child_token();
        let guard = end.clone().drop_guard();
        self.tasks.spawn(async move {
            if let Some(left) = end.run_until_cancelled_owned(work).await {
                stop.run_until_cancelled_owned(after(left)).await;
            }
        });
        guard
    }

    /// The settings that a pool like this one is made with.
    pub(crate) fn times(&self) -> Config {
        let (connect_timeout, idle_timeout) = (self.connect_timeout, self.idle_timeout);
        Config { connect_timeout, idle_timeout, ..Config::default() }
    }

    /// Whether requests go through a proxy that reads them.
    pub(crate) fn has_forward_proxy(&self) -> bool {
        self.way.has_forward_proxy()
    }

    /// Closes what is kept.
    pub(crate) fn clear(&self) {
        self.idle.lock().clear();
    }

    /// What is left of a kept connection's time; `None` while it is in use. Forgets one whose time
    /// is over.
    fn time_left(&self, id: u64) -> Option<Duration> {
        let mut idle = self.idle.lock();
        let at = idle.iter().position(|kept| kept.connection.id == id)?;
        let left = self.idle_timeout.saturating_sub(idle[at].since.elapsed());
        if left.is_zero() {
            idle.remove(at);
        }
        Some(left)
    }
}

/// Ends when nobody has used the connection for `idle_timeout`, or nobody can any more.
///
/// A connection in use is looked at again after the whole time: it cannot be over before.
async fn idle_end(pool: Weak<Pool>, id: u64, idle_timeout: Duration) {
    let mut wait = idle_timeout;
    loop {
        tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
        let Some(pool) = pool.upgrade() else { return };
        wait = match pool.time_left(id) {
            Some(left) if left.is_zero() => return,
            Some(left) => left,
            None => idle_timeout,
        };
    }
}

impl Connection {
    /// Whether an exchange took place on it before.
    pub(crate) fn is_reused(&self) -> bool {
        self.is_reused
    }

    pub(crate) fn path(&self) -> &PingPath {
        &self.path
    }

    pub(crate) async fn send(&mut self, request: Request<Upload>) -> SendResult {
        // The connection becomes ready a moment after the last response ended, or not at all.
        if self.sender.ready().await.is_err() {
            return Err(Failure::Unsent(Box::new(request)));
        }
        self.traffic.begin_request();
        let sent = self.sender.try_send_request(request).await;
        sent.map_err(|error| Failure::of(error, self.traffic.heard()))
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("way", &self.way).finish_non_exhaustive()
    }
}
