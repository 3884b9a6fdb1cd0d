//! When the engine is asked for its containers anew.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, EngineError, Listing};

/// Asks for listings and hands them on; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Follower {
    engine: Engine,
}

impl Follower {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// Runs until `stop`. `heard` gets the outcome of each listing and how long it took, one after
    /// another. Failures are logged here.
    pub(crate) async fn run(
        self,
        stop: CancellationToken,
        mut heard: impl FnMut(Result<Listing, EngineError>, Duration) + Send,
    ) {
        let _ = (&self.engine, stop, &mut heard);
        todo!()
    }

    /// Lists anew; returns when a listing that began after this call has been heard, or after 1 s.
    pub(crate) async fn list_anew(&self) {
        todo!()
    }
}
