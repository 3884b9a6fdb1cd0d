//! The trackers of one connection: what it follows, and the states that it has not seen.

use std::{
    collections::HashMap,
    future::poll_fn,
    path::{Path, PathBuf},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tokio::sync::watch;
use tokio_util::sync::ReusableBoxFuture;

use super::connection::Repositories;
use crate::{
    repository::Location,
    service::Shared,
    tracker::{Scope, State, Ticket, Tracker, Urgency},
};

/// What a connection follows.
pub(super) struct Tracked {
    shared: Arc<Shared>,
    by_root: HashMap<PathBuf, Following>,
    news: Vec<(PathBuf, State)>,
}

struct Following {
    tracker: Tracker,
    /// Ends with the next state; kept from wait to wait, so that waiting for many costs nothing
    /// but their polls. `None` once there is no further state.
    next: Option<ReusableBoxFuture<'static, Next>>,
}

/// The receiver, and whether there may be more.
type Next = (watch::Receiver<State>, bool);

impl Tracked {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, by_root: HashMap::new(), news: Vec::new() }
    }

    /// The states that changed since the last call, the newest of each.
    pub(super) fn take_news(&mut self) -> Vec<(PathBuf, State)> {
        let _ = self.poll_news(&mut Context::from_waker(Waker::noop()));
        std::mem::take(&mut self.news)
    }

    /// Waits until there is something to take.
    pub(super) async fn has_news(&mut self) {
        poll_fn(|cx| self.poll_news(cx)).await;
    }

    fn poll_news(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for (root, following) in &mut self.by_root {
            while let Some(next) = &mut following.next
                && let Poll::Ready((mut states, may_change)) = next.poll(cx)
            {
                let state = states.borrow_and_update().clone();
                self.news.retain(|(other, _)| other != root);
                self.news.push((root.clone(), state));
                if may_change {
                    next.set(changed(states));
                } else {
                    following.next = None;
                }
            }
        }
        if self.news.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl Repositories for Tracked {
    fn track(&mut self, location: &Location) -> Result<(), String> {
        let tracked = self.shared.trackers.track(location.clone());
        let tracker = tracked.map_err(|error| error.to_string())?;
        let mut states = tracker.states();
        states.mark_changed();
        let next = Some(ReusableBoxFuture::new(changed(states)));
        self.by_root.insert(location.root.clone(), Following { tracker, next });
        Ok(())
    }

    fn untrack(&mut self, root: &Path) {
        self.by_root.remove(root);
        self.news.retain(|(other, _)| other != root);
    }

    fn request(&mut self, root: &Path, scope: Scope) -> Ticket {
        let following = self.by_root.get(root).expect("a watched repository is tracked");
        following.tracker.request(Urgency::Soon, scope)
    }
}

impl std::fmt::Debug for Tracked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tracked").field("roots", &self.by_root.keys()).finish_non_exhaustive()
    }
}

async fn changed(mut states: watch::Receiver<State>) -> Next {
    let may_change = states.changed().await.is_ok();
    (states, may_change)
}
