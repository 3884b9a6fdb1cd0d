//! The handle of a connection.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::Channel;
use super::shared::Shared;
use crate::error::{OpenError, RequestError};

/// A connection that stands. It ends when its [`Driver`](super::Driver) does, not when its
/// handles are dropped.
#[derive(Debug, Clone)]
pub struct Connection {
    pub(super) shared: Arc<Shared>,
}

impl Connection {
    /// Asks the peer to open a channel; `payload` are the fields that depend on `kind`.
    ///
    /// # Errors
    ///
    /// [`OpenError::Refused`] when the peer does not, [`OpenError::Closed`] when the connection
    /// ends before it answers, or has 1,024 channels.
    ///
    /// # Cancellation
    ///
    /// A channel that opens after the future was dropped is closed at once.
    pub async fn open(&self, kind: &str, payload: &[u8]) -> Result<Channel, OpenError> {
        let (opener, opened) = oneshot::channel();
        self.shared.with(|mux, wakes| mux.open(kind, payload, opener, wakes));
        opened.await.unwrap_or(Err(OpenError::Closed))
    }

    /// Asks something of the peer that concerns the connection as a whole; returns the fields of
    /// the reply that depend on `name`.
    ///
    /// # Errors
    ///
    /// [`RequestError::Failed`] when the peer refuses, [`RequestError::Closed`] when the
    /// connection ends before it answers.
    ///
    /// # Cancellation
    ///
    /// The request is sent even when the future is dropped.
    pub async fn request(&self, name: &str, payload: &[u8]) -> Result<Vec<u8>, RequestError> {
        let (asker, reply) = oneshot::channel();
        self.shared.with(|mux, wakes| mux.ask(name, payload, asker, wakes));
        match reply.await {
            Ok(reply) => reply.ok_or(RequestError::Failed),
            Err(_) => Err(RequestError::Closed),
        }
    }

    /// Ends the connection: what is queued and the peer takes is sent, then a DISCONNECT message
    /// with `reason` (RFC 4253 section 11.1) and `text`, all within a second. The first call
    /// counts.
    ///
    /// From now on channels take no more data and the peer can open none.
    pub fn disconnect(&self, reason: u32, text: &str) {
        self.shared.with(|mux, wakes| {
            mux.disconnect.get_or_insert_with(|| (reason, text.to_owned()));
            mux.poke(wakes);
        });
        self.shared.disconnecting.notify_one();
        self.shared.writer.notify_one();
    }

    /// Tells whether the peer promised to open no more sessions.
    pub fn has_no_more_sessions(&self) -> bool {
        self.shared.with(|mux, _| mux.has_no_more_sessions)
    }

    /// Tells whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.shared.with(|mux, _| mux.is_closed)
    }

    /// Waits until the connection has ended.
    pub async fn closed(&self) {
        loop {
            let ended = self.shared.ended.notified();
            if self.is_closed() {
                return;
            }
            ended.await;
        }
    }

    /// Returns the bytes received and the bytes sent since the authentication, as they were on
    /// the wire.
    pub fn transferred(&self) -> (u64, u64) {
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        (load(&self.shared.received), load(&self.shared.sent))
    }
}
