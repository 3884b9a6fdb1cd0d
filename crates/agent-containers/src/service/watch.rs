//! `watch_containers`: each answer that differs from the one before.

use std::sync::Arc;

use agent_api::{ListContainersRequest, ListContainersResponse};
use tokio::sync::watch as channel;

use super::{Containers, Shared};
use crate::{
    Error,
    registry::{Filter, within_a_message},
};

/// Tells a client of each change of what [`Containers::list_containers`] answers.
#[derive(Debug)]
pub struct ContainersWatch {
    shared: Arc<Shared>,
    filter: Filter,
    changes: channel::Receiver<u64>,
    last: Option<ListContainersResponse>,
}

impl Containers {
    /// Begins to watch what [`Containers::list_containers`] answers.
    ///
    /// # Errors
    ///
    /// Those of [`Containers::list_containers`].
    #[tracing::instrument(name = "containers.watch_containers", level = "debug", skip_all)]
    pub async fn watch_containers(
        &self,
        req: ListContainersRequest,
    ) -> Result<ContainersWatch, Error> {
        let filter = self.list_anew(&req).await?;
        self.shared.registry.lock().answer(&filter)?;
        self.shared.counters.watch_began();
        let shared = Arc::clone(&self.shared);
        Ok(ContainersWatch { changes: shared.changes.subscribe(), shared, filter, last: None })
    }
}

impl ContainersWatch {
    /// The first answer at once, then each that differs from the one before; `None` when the service
    /// ends.
    ///
    /// A reader that is slow misses answers between, never the latest. Listings that fail are
    /// passed over. Written as JSON an answer is at most 4 MiB: a longer one has no labels, and a
    /// warning says so.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost.
    pub async fn next(&mut self) -> Option<ListContainersResponse> {
        while !self.shared.stop.is_cancelled() {
            self.changes.mark_unchanged();
            let answer = self.shared.registry.lock().known(&self.filter);
            let answer = within_a_message(answer);
            if self.last.as_ref() != Some(&answer) {
                self.last = Some(answer.clone());
                return Some(answer);
            }
            tokio::select! {
                () = self.shared.stop.cancelled() => {}
                _ = self.changes.changed() => {}
            }
        }
        None
    }
}

impl Drop for ContainersWatch {
    fn drop(&mut self) {
        self.shared.counters.watch_ended();
    }
}
