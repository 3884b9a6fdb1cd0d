//! Output on its way to one connection: what waits, what is dropped, and how it goes on after that;
//! neither the terminal nor the socket is known here.
//!
//! ```text
//!            push: over 1 MiB                    resume (redraw)
//!   live ──────────────────────▶ lagging ──────────────────────────▶ live
//!     │                            │ what follows is dropped
//!     └── end ──▶ ended ◀── end ───┘ the last redraw first, if there is one
//! ```

mod chunks;

use std::collections::VecDeque;

use agent_api::{
    TerminalAttached, TerminalExited, TerminalServerMessage, TerminalSize,
    limits::MAX_TERMINAL_FRAME_BYTES,
};
use agent_exec::Size;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use chunks::Chunks;

/// Most bytes of live output that wait; with more, all of it is dropped.
const MAX_BYTES: usize = 1024 * 1024;

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The program ended, and everything it printed was handed out.
    Exited,
    /// The terminal was closed.
    Closed,
    /// The agent is shutting down.
    GoingAway,
    /// The terminal can no longer be used.
    Failed,
    /// Another connection took the terminal over.
    TakenOver,
}

/// Whether a connection asked for messages besides output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Events {
    Wanted,
    Unwanted,
}

impl Events {
    pub(crate) fn of(wanted: bool) -> Self {
        if wanted { Self::Wanted } else { Self::Unwanted }
    }
}

/// What a connection finds.
#[derive(Debug, PartialEq)]
pub(super) enum Taken {
    Output(Bytes),
    Message(TerminalServerMessage),
    /// Nothing until more is pushed.
    Nothing,
    /// Nothing, because output was dropped; [`Outbox::resume`] goes on.
    Lagging,
    End(End),
}

#[derive(Debug)]
pub(crate) struct Outbox {
    events: Events,
    inner: Mutex<Inner>,
    changed: Notify,
    ended: CancellationToken,
}

#[derive(Debug, Default)]
struct Inner {
    /// What precedes the redraw.
    first: VecDeque<TerminalServerMessage>,
    /// A redraw is not bounded here: it is made when its reader has taken everything before it,
    /// and sent to its end, so that a reader slower than the program sees whole screens.
    redraw: Bytes,
    live: Chunks,
    is_lagging: bool,
    /// The newest size of which a lagging connection has not been told.
    resized: Option<TerminalSize>,
    end: Option<Ending>,
}

#[derive(Debug)]
struct Ending {
    end: End,
    exited: Option<TerminalExited>,
    /// The last state, for whoever lags.
    last: Option<Bytes>,
}

impl Inner {
    /// Drops live output.
    fn lose(&mut self) {
        self.resized = self.live.last_resized();
        self.live = Chunks::default();
        self.is_lagging = true;
    }
}

impl Outbox {
    /// What a new connection gets first: a message, if it wants any, and maybe a redraw.
    pub(crate) fn new(events: Events, attached: TerminalAttached, redraw: Bytes) -> Self {
        let attached = TerminalServerMessage::Attached(attached);
        let first = (events == Events::Wanted).then_some(attached).into_iter().collect();
        let inner = Inner { first, redraw, ..Inner::default() };
        let (changed, ended) = (Notify::new(), CancellationToken::new());
        Self { events, inner: Mutex::new(inner), changed, ended }
    }

    /// Adds live output; never waits.
    pub(crate) fn push(&self, bytes: &Bytes) {
        let mut inner = self.inner.lock();
        if inner.is_lagging || inner.end.is_some() {
            return;
        }
        inner.live.push(bytes);
        self.bound(&mut inner);
    }

    /// Tells of a size that another connection set.
    pub(crate) fn resized(&self, size: Size) {
        let mut inner = self.inner.lock();
        if self.events == Events::Unwanted || inner.end.is_some() {
            return;
        }
        let size = TerminalSize { rows: size.rows, cols: size.cols };
        if inner.is_lagging {
            inner.resized = Some(size);
        } else {
            inner.live.push_resized(size);
            self.bound(&mut inner);
        }
    }

    fn bound(&self, inner: &mut Inner) {
        if inner.live.bytes() > MAX_BYTES {
            inner.lose();
        }
        self.changed.notify_one();
    }

    /// Drops a redraw of which something was not taken yet, with all behind it.
    pub(crate) fn revoke_redraw(&self) {
        let mut inner = self.inner.lock();
        if inner.redraw.is_empty() || inner.end.is_some() {
            return;
        }
        inner.redraw = Bytes::new();
        if !inner.is_lagging {
            inner.lose();
        }
        self.changed.notify_one();
    }

    /// Whether output was dropped that nothing has replaced yet.
    pub(crate) fn is_lagging(&self) -> bool {
        self.inner.lock().is_lagging
    }

    /// Goes on live behind a redraw of the present state.
    pub(crate) fn resume(&self, redraw: Bytes) {
        Self::go_on(&mut self.inner.lock(), self.events, redraw);
        self.changed.notify_one();
    }

    fn go_on(inner: &mut Inner, events: Events, redraw: Bytes) {
        if !std::mem::take(&mut inner.is_lagging) {
            return;
        }
        let resized = inner.resized.take().map(TerminalServerMessage::Resized);
        inner.first.extend(resized);
        if events == Events::Wanted {
            inner.first.push_back(TerminalServerMessage::Resync);
        }
        // Whoever lags has taken what was before.
        inner.redraw = redraw;
    }

    /// Closes the connection behind what waits; only the first end counts.
    ///
    /// `last` is a redraw for a connection that lags; without one it ends where it is.
    pub(crate) fn end(&self, end: End, exited: Option<TerminalExited>, last: Option<Bytes>) {
        let mut inner = self.inner.lock();
        if inner.end.is_some() {
            return;
        }
        inner.is_lagging &= last.is_some();
        if end == End::TakenOver {
            // Nobody looks at this connection any more.
            *inner = Inner::default();
        }
        let exited = exited.filter(|_| self.events == Events::Wanted);
        inner.end = Some(Ending { end, exited, last });
        drop(inner);
        self.ended.cancel();
        self.changed.notify_one();
    }

    /// Goes on with the redraw that the end left; `false` when there is no end yet.
    pub(super) fn resume_at_end(&self) -> bool {
        let mut inner = self.inner.lock();
        let Some(ending) = &mut inner.end else { return false };
        let last = ending.last.take().unwrap_or_default();
        Self::go_on(&mut inner, self.events, last);
        true
    }

    /// What comes next, at most a frame of it.
    pub(super) fn take(&self) -> Taken {
        let mut inner = self.inner.lock();
        if let Some(message) = inner.first.pop_front() {
            return Taken::Message(message);
        }
        if !inner.redraw.is_empty() {
            let piece = chunks::split(&mut inner.redraw, MAX_TERMINAL_FRAME_BYTES);
            // A copy, because a piece that is stuck in a socket would hold all of the redraw.
            return Taken::Output(Bytes::copy_from_slice(&piece));
        }
        if let Some(taken) = inner.live.take(MAX_TERMINAL_FRAME_BYTES) {
            return taken;
        }
        let is_lagging = inner.is_lagging;
        match &mut inner.end {
            _ if is_lagging => Taken::Lagging,
            None => Taken::Nothing,
            Some(ending) => match ending.exited.take() {
                Some(exited) => Taken::Message(TerminalServerMessage::Exited(exited)),
                None => Taken::End(ending.end),
            },
        }
    }

    /// Cancelled when the terminal has ended, whatever is still to be taken.
    pub(super) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Waits until there may be something else to take.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests;
