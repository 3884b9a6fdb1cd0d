//! How many scans run at once.

use std::{convert::Infallible, future::pending, time::Duration};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::sleep,
};

/// Scans of all repositories that run at once, those that turned out to be long aside.
const MAX_SCANS: usize = 4;
/// Long ones that run beside them.
const MAX_LONG_SCANS: usize = 8;
/// From when on a scan is a long one.
const LONG: Duration = Duration::from_millis(500);

/// The places for scans: large repositories, and file systems that do not answer, do not hold up
/// the others.
#[derive(Debug)]
pub(super) struct Places {
    short: Semaphore,
    long: Semaphore,
}

/// A place for a scan that has just begun.
#[derive(Debug)]
pub(super) struct Place<'a> {
    short: SemaphorePermit<'a>,
    long: &'a Semaphore,
}

impl Default for Places {
    fn default() -> Self {
        Self { short: Semaphore::new(MAX_SCANS), long: Semaphore::new(MAX_LONG_SCANS) }
    }
}

impl Places {
    /// Waits for a place.
    pub(super) async fn take(&self) -> Place<'_> {
        let short = self.short.acquire().await.expect("never closed");
        Place { short, long: &self.long }
    }
}

impl Place<'_> {
    /// Keeps the place until this is dropped, and moves to one for long scans when it is time and
    /// there is one.
    pub(super) async fn keep(self) -> Infallible {
        sleep(LONG).await;
        let _place = self.long.acquire().await;
        drop(self.short);
        pending().await
    }
}
