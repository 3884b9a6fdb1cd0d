//! What the handles of a connection, its reader and its writer have in common.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::mux::Mux;
use super::wakes::Wakes;
use crate::config::ConnectionConfig;

/// The state of a connection and whom it wakes.
#[derive(Debug)]
pub(super) struct Shared {
    mux: Mutex<Mux>,
    /// Wakes the writer of the socket.
    pub(super) writer: Notify,
    /// Wakes the reader of the socket when it waits for room.
    pub(super) reader: Notify,
    /// Wakes those who wait for a flush.
    pub(super) flushed: Notify,
    /// Wakes those who wait for the end, and says that it is asked for.
    pub(super) ended: Notify,
    pub(super) disconnecting: Notify,
    pub(super) received: AtomicU64,
    pub(super) sent: AtomicU64,
    started: Instant,
    /// When something arrived last, in milliseconds since the start.
    arrived: AtomicU64,
}

impl Shared {
    pub(super) fn new(config: ConnectionConfig) -> Self {
        Self {
            mux: Mutex::new(Mux::new(config)),
            writer: Notify::new(),
            reader: Notify::new(),
            flushed: Notify::new(),
            ended: Notify::new(),
            disconnecting: Notify::new(),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            started: Instant::now(),
            arrived: AtomicU64::new(0),
        }
    }

    /// Runs `act` under the lock, and wakes without it.
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut Mux, &mut Wakes) -> R) -> R {
        let mut wakes = Wakes::default();
        let result = act(&mut self.mux.lock(), &mut wakes);
        self.wake(&mut wakes);
        result
    }

    /// Runs `act` under the lock; waking is left to the caller.
    pub(super) fn with_wakes<R>(
        &self,
        wakes: &mut Wakes,
        act: impl FnOnce(&mut Mux, &mut Wakes) -> R,
    ) -> R {
        act(&mut self.mux.lock(), wakes)
    }

    /// Wakes who was collected.
    pub(super) fn wake(&self, wakes: &mut Wakes) {
        wakes.run();
        if std::mem::take(&mut wakes.writer) {
            self.writer.notify_one();
        }
        if std::mem::take(&mut wakes.reader) {
            self.reader.notify_one();
        }
    }

    /// Takes note that bytes arrived.
    pub(super) fn arrived(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        let since = self.started.elapsed().as_millis();
        self.arrived.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Returns how many bytes arrived.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Returns when something arrived last, to the millisecond before.
    pub(super) fn last_arrival(&self) -> Instant {
        self.started + Duration::from_millis(self.arrived.load(Ordering::Relaxed))
    }

    /// Ends everything, once.
    pub(super) fn end(&self) {
        let was_closed = self.with(|mux, wakes| {
            let was_closed = mux.is_closed;
            mux.end(wakes);
            was_closed
        });
        if !was_closed {
            self.flushed.notify_waiters();
            self.ended.notify_waiters();
        }
    }
}
