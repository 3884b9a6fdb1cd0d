//! How many channels a client may have open in one connection.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// How long a further channel waits for a place.
///
/// A client that closes a channel and opens another at once is within its limit, but the task of
/// the first may give its place back a moment later.
const HANDOVER: Duration = Duration::from_millis(50);

/// The places of one connection.
#[derive(Debug)]
pub(crate) struct Places(Arc<Semaphore>);

/// The place of one channel, to be kept until both sides have closed it.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Places {
    /// As many places as this.
    pub(crate) fn new(max_channels: usize) -> Self {
        Self(Arc::new(Semaphore::new(max_channels.min(Semaphore::MAX_PERMITS))))
    }

    /// Takes a place; `None` when there is none.
    pub(crate) async fn take(&self) -> Option<Place> {
        let place = timeout(HANDOVER, Arc::clone(&self.0).acquire_owned()).await;
        place.ok()?.ok().map(|permit| Place { _permit: permit })
    }
}
