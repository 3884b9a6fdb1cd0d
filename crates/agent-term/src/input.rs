//! What clients typed and the terminal has not taken yet; how it gets there is not known here.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Bytes of one terminal's input above which nobody types on.
///
/// What is let in below it is let in whole, so that one message more may be queued.
const MAX_BYTES: usize = 1024 * 1024;
/// Most bytes taken off the queue at once.
const PIECE: usize = 64 * 1024;

/// The room for input of one terminal, however many queues share it.
#[derive(Debug, Default)]
pub(crate) struct Room {
    queued: Mutex<usize>,
    freed: Notify,
}

/// Input on its way to one pseudo terminal.
#[derive(Debug)]
pub(crate) struct InputQueue {
    room: Arc<Room>,
    inner: Mutex<Inner>,
    filled: Notify,
    wrote: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: BytesMut,
    /// Bytes taken and not written yet.
    taken: usize,
    /// Bytes that were ever pushed, and of these written.
    pushed: u64,
    written: u64,
    is_closed: bool,
}

impl InputQueue {
    pub(crate) fn new(room: Arc<Room>) -> Self {
        Self { room, inner: Mutex::default(), filled: Notify::new(), wrote: Notify::new() }
    }

    /// Adds input, waiting while the terminal has too much; answers its position, for
    /// [`InputQueue::written`].
    ///
    /// # Cancellation
    ///
    /// Nothing is added.
    pub(crate) async fn push(&self, data: &str) -> u64 {
        loop {
            let freed = self.room.freed.notified();
            if let Some(position) = self.offer(data.as_bytes()) {
                return position;
            }
            freed.await;
        }
    }

    /// Adds input if there is room; a closed queue takes and forgets everything.
    pub(crate) fn offer(&self, data: &[u8]) -> Option<u64> {
        let mut inner = self.inner.lock();
        if inner.is_closed || data.is_empty() {
            return Some(inner.pushed);
        }
        {
            let mut queued = self.room.queued.lock();
            if *queued >= MAX_BYTES {
                return None;
            }
            *queued += data.len();
        }
        inner.waiting.extend_from_slice(data);
        inner.pushed += data.len() as u64;
        self.filled.notify_one();
        Some(inner.pushed)
    }

    /// Waits for input and takes a piece of it, which stays queued until [`InputQueue::done`].
    ///
    /// # Cancellation
    ///
    /// Nothing is taken.
    pub(crate) async fn take(&self) -> Bytes {
        loop {
            let filled = self.filled.notified();
            {
                let mut inner = self.inner.lock();
                if !inner.waiting.is_empty() {
                    let length = inner.waiting.len().min(PIECE);
                    inner.taken += length;
                    let piece = inner.waiting.split_to(length).freeze();
                    if inner.waiting.is_empty() {
                        // An idle terminal holds no buffer.
                        inner.waiting = BytesMut::new();
                    }
                    return piece;
                }
            }
            filled.await;
        }
    }

    /// Notes that so many bytes of what was taken are with the terminal, or lost.
    pub(crate) fn done(&self, bytes: usize) {
        let bytes = {
            let mut inner = self.inner.lock();
            // A close meanwhile has forgotten it.
            let bytes = bytes.min(inner.taken);
            inner.taken -= bytes;
            inner.written += bytes as u64;
            bytes
        };
        self.wrote.notify_waiters();
        self.free(bytes);
    }

    /// Waits until everything up to a position is with the terminal, or never will be.
    pub(crate) async fn written(&self, position: u64) {
        loop {
            let wrote = self.wrote.notified();
            if self.has_written(position) {
                return;
            }
            wrote.await;
        }
    }

    fn has_written(&self, position: u64) -> bool {
        self.inner.lock().written >= position
    }

    /// Forgets what is queued and whatever follows.
    pub(crate) fn close(&self) {
        let forgotten = {
            let mut inner = self.inner.lock();
            inner.is_closed = true;
            inner.written = inner.pushed;
            std::mem::take(&mut inner.waiting).len() + std::mem::take(&mut inner.taken)
        };
        self.free(forgotten);
        // Also those whose queue this is: they find it closed.
        self.room.freed.notify_waiters();
        self.wrote.notify_waiters();
    }

    fn free(&self, bytes: usize) {
        let has_room = {
            let mut queued = self.room.queued.lock();
            *queued -= bytes;
            *queued < MAX_BYTES
        };
        if has_room {
            self.room.freed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn input_is_whole_in_order_and_bounded_over_all_queues_of_a_terminal() {
        let room = Arc::new(Room::default());
        let (one, two) = (InputQueue::new(Arc::clone(&room)), InputQueue::new(room));
        assert_eq!(one.push("ab").await, 2);
        let large = "x".repeat(3 * MAX_BYTES);
        assert_eq!(one.push(&large).await, 2 + large.len() as u64);
        assert!(one.push("c").now_or_never().is_none());
        assert!(two.push("c").now_or_never().is_none());
        assert_eq!(two.push("").await, 0);
        let mut got = Vec::new();
        while got.len() < 2 + large.len() {
            let piece = one.take().await;
            assert!(!one.has_written(got.len() as u64 + 1));
            got.extend_from_slice(&piece);
            one.done(piece.len());
            assert!(one.has_written(got.len() as u64));
        }
        assert_eq!(got, format!("ab{large}").as_bytes());
        assert_eq!(two.push("c").await, 1);
        assert!(one.take().now_or_never().is_none());
    }

    #[tokio::test]
    async fn whoever_waits_for_room_goes_on_when_there_is_some_or_the_queue_closes() {
        let queue = InputQueue::new(Arc::default());
        queue.push(&"x".repeat(MAX_BYTES)).await;
        let waiting = async { queue.push("y").await };
        let writing = async {
            let piece = queue.take().await;
            queue.done(piece.len());
        };
        assert_eq!(tokio::join!(waiting, writing).0, MAX_BYTES as u64 + 1);
        queue.push(&"x".repeat(MAX_BYTES)).await;
        let position = tokio::join!(queue.push("z"), async { queue.close() }).0;
        assert!(queue.has_written(position));
        assert_eq!(queue.push("more").await, position);
        assert!(queue.take().now_or_never().is_none());
    }
}
