//! The size of a command's terminal, as the engine is told.

use std::sync::Arc;

use agent_exec::Size;
use bollard::{Docker, errors::Error, exec::ResizeExecOptions};
use tokio::sync::Mutex;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::debug;

/// Tells the engine sizes, one at a time.
#[derive(Debug)]
pub(super) struct Sizes {
    shared: Arc<Shared>,
    /// The engine answers only when the command has started.
    _first: Option<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    docker: Docker,
    exec: String,
    /// The size that came last; held while the engine is told.
    last: Mutex<Option<Size>>,
}

impl Sizes {
    /// Begins with a size if the terminal has one.
    pub(super) fn new(docker: Docker, exec: String, first: Option<Size>) -> Self {
        let shared = Arc::new(Shared { docker, exec, last: Mutex::default() });
        let first = first.map(|size| {
            let shared = Arc::clone(&shared);
            AbortOnDropHandle::new(
                TaskTracker::new().spawn(async move { shared.begin(size).await }),
            )
        });
        Self { shared, _first: first }
    }

    /// Changes the size.
    pub(super) async fn set(&self, size: Size) -> Result<(), Error> {
        let mut last = self.shared.last.lock().await;
        *last = Some(size);
        self.shared.tell(size).await
    }
}

impl Shared {
    /// Gives the first size, unless a later one came already.
    async fn begin(&self, first: Size) {
        let mut last = self.last.lock().await;
        if last.is_none() {
            *last = Some(first);
            if let Err(error) = self.tell(first).await {
                // Such as a command that has ended.
                debug!(exec.id = %self.exec, %error, "no first size for a terminal");
            }
        }
    }

    async fn tell(&self, size: Size) -> Result<(), Error> {
        let options = ResizeExecOptions { height: size.rows, width: size.cols };
        self.docker.resize_exec(&self.exec, options).await
    }
}
