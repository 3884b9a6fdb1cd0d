//! Who is to be woken once the lock is free.

use std::sync::Arc;
use std::task::Waker;

use tokio::sync::Notify;

/// Collected under the lock, run without it: what wakes may take the lock itself.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    wakers: Vec<Waker>,
    notifies: Vec<Arc<Notify>>,
    /// The writer of the socket has something to do.
    pub(super) writer: bool,
    /// The reader of the socket may go on.
    pub(super) reader: bool,
}

impl Wakes {
    /// Adds a waker, if there is one.
    pub(super) fn waker(&mut self, waker: &mut Option<Waker>) {
        self.wakers.extend(waker.take());
    }

    /// Adds all who wait at `notify`.
    pub(super) fn notify(&mut self, notify: &Arc<Notify>) {
        if !self.notifies.last().is_some_and(|last| Arc::ptr_eq(last, notify)) {
            self.notifies.push(Arc::clone(notify));
        }
    }

    /// Wakes them, and leaves the list empty.
    pub(super) fn run(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
        self.notifies.drain(..).for_each(|notify| notify.notify_waiters());
    }
}
