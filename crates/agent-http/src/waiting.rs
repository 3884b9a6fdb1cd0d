//! Handlers that wait for something else than work: they give their place among the requests in
//! work to others meanwhile.

use std::{convert::Infallible, sync::Arc};

use axum::extract::FromRequestParts;
use http::request::Parts;
use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;

use crate::serve::Requests;

/// A request's place among those in work, shared by the server and the handler.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    held: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
    requests: Arc<Requests>,
}

/// Lets a handler wait without keeping others from being worked on.
///
/// Works for [`Waiting::MOST`] requests of a server at the same time; the waits of further ones keep
/// their place. In a server that is not ours there are no places, and this does nothing.
#[derive(Clone, Debug)]
pub struct Waiting {
    slot: Option<Slot>,
}

impl Slot {
    /// Waits for a place.
    pub(crate) async fn acquire(requests: &Arc<Requests>) -> Self {
        let permit = place(requests).await;
        Self { held: Arc::new(Mutex::new(Some(permit))), requests: Arc::clone(requests) }
    }

    /// Gives the place up for good, whoever still has a handle.
    pub(crate) fn release(&self) {
        self.held.lock().take();
    }
}

async fn place(requests: &Requests) -> OwnedSemaphorePermit {
    Arc::clone(&requests.slots).acquire_owned().await.expect("never closed")
}

impl Waiting {
    /// Most requests of one server that wait without a place.
    pub const MOST: usize = 4096;

    /// This if the request is to wait, else one that does nothing.
    #[must_use]
    pub fn when(self, waits: bool) -> Self {
        if waits { self } else { Self { slot: None } }
    }

    /// Runs a future without a place among the requests in work, then takes one again.
    ///
    /// # Cancellation
    ///
    /// A client that leaves ends the wait; nothing is held afterwards.
    pub async fn during<T>(&self, wait: impl Future<Output = T>) -> T {
        let Some(slot) = &self.slot else { return wait.await };
        let Ok(_waits) = Arc::clone(&slot.requests.waits).try_acquire_owned() else {
            return wait.await;
        };
        let Some(permit) = slot.held.lock().take() else { return wait.await };
        drop(permit);
        let outcome = wait.await;
        let permit = place(&slot.requests).await;
        *slot.held.lock() = Some(permit);
        outcome
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Waiting {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self { slot: parts.extensions.get::<Slot>().cloned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn beyond_its_bound_a_wait_keeps_its_place() {
        let requests = Arc::new(Requests::new(2));
        let slot = Slot::acquire(&requests).await;
        let waiting = Waiting { slot: Some(slot.clone()) };
        let places = async || requests.slots.available_permits();
        assert_eq!((places().await, waiting.during(places()).await), (1, 2));
        assert_eq!(requests.slots.available_permits(), 1);
        let count = u32::try_from(Waiting::MOST).unwrap();
        let others = requests.waits.try_acquire_many(count).unwrap();
        assert_eq!(waiting.during(places()).await, 1);
        drop(others);
        assert_eq!(waiting.during(places()).await, 2);
        slot.release();
        assert_eq!(requests.slots.available_permits(), 2);
    }

    #[tokio::test]
    async fn without_a_place_a_wait_is_just_a_wait() {
        assert_eq!(Waiting { slot: None }.during(async { 7 }).await, 7);
    }
}
