//! The engine of the containers, asked through its HTTP interface: what there is, in the protocol's
//! words; stopping, removing, events. When to ask is `follow`'s matter.
//!
//! The engine is looked for when something is asked, and again after it could not be reached.
//! Nothing that it answers is trusted.

mod address;
mod connection;
mod convert;
mod error;
mod events;
mod listing;
mod ports;
mod removal;
mod single;
mod transport;
mod upgrade;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod needs_docker;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc, time::Duration};

use bollard::Docker;
use parking_lot::Mutex;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

pub(crate) use error::EngineError;
pub(crate) use events::Events;
pub(crate) use listing::Listing;

use crate::exec::FileCache;
use connection::{Connection, REQUEST_LIMIT};
use listing::{Changed, Known};

/// Longest listing.
const LISTING_LIMIT: Duration = Duration::from_secs(15);

/// Where an engine is looked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct EngineSource {
    /// `containers.engine`, which counts before everything else.
    pub(crate) engine: Option<String>,
    /// `DOCKER_HOST`.
    pub(crate) docker_host: Option<String>,
    /// `XDG_RUNTIME_DIR`.
    pub(crate) runtime_dir: Option<PathBuf>,
}

/// The engine; cheap to clone. Making one touches nothing.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    source: EngineSource,
    /// The engine that was found last.
    connection: Mutex<Option<Arc<Connection>>>,
    changed: Mutex<Changed>,
    /// Held across a listing: a second one waits and then finds most things known.
    known: tokio::sync::Mutex<Known>,
    tasks: TaskTracker,
    /// What commands in containers need to know of these.
    files: FileCache,
}

impl Engine {
    pub(crate) fn new(source: EngineSource) -> Self {
        Self {
            shared: Arc::new(Shared {
                source,
                connection: Mutex::default(),
                changed: Mutex::default(),
                known: tokio::sync::Mutex::default(),
                tasks: TaskTracker::new(),
                files: FileCache::default(),
            }),
        }
    }

    /// Lists all containers, within 15 s.
    ///
    /// The engine is asked for its list, and for each container that is new, that the list tells
    /// otherwise than before, or that an event named. One that vanished meanwhile is left out; one
    /// that the engine does not tell of is as the list says, with a warning.
    ///
    /// # Errors
    ///
    /// All but [`EngineError::NoContainer`] and [`EngineError::Refused`].
    ///
    /// # Cancellation
    ///
    /// The next listing looks at everything.
    pub(crate) async fn list(&self) -> Result<Listing, EngineError> {
        match timeout(LISTING_LIMIT, self.list_within()).await {
            Ok(result) => result,
            Err(_) => {
                self.choose_anew();
                Err(EngineError::TimedOut { after: LISTING_LIMIT })
            }
        }
    }

    async fn list_within(&self) -> Result<Listing, EngineError> {
        let mut known = self.shared.known.lock().await;
        let connection = self.connection().await?;
        let result = self.list_by(&connection, &mut known).await;
        match result {
            // Where it was chosen may be nothing any more, and something elsewhere.
            Err(error) if error.is_unreachable() => {
                self.noted(error, &connection);
                let connection = self.connection().await?;
                let result = self.list_by(&connection, &mut known).await;
                result.map_err(|error| self.noted(error, &connection))
            }
            result => result.map_err(|error| self.noted(error, &connection)),
        }
    }

    async fn list_by(
        &self,
        connection: &Connection,
        known: &mut Known,
    ) -> Result<Listing, EngineError> {
        let changed = std::mem::take(&mut *self.shared.changed.lock());
        let mut pending = Pending { engine: self, is_done: false };
        let listing = known.list(connection, &changed).await?;
        pending.is_done = true;
        Ok(listing)
    }

    /// Opens the stream of events; what it tells of is looked at anew by the next listing.
    ///
    /// Waits as long as the engine does before it answers.
    pub(crate) async fn events(&self) -> Result<Events, EngineError> {
        Events::open(self).await
    }

    /// Lets the next listing look at every container.
    pub(crate) fn look_anew(&self) {
        self.shared.changed.lock().all = true;
    }

    /// Lets the engine be chosen anew by whatever is asked next.
    pub(crate) fn choose_anew(&self) {
        *self.shared.connection.lock() = None;
    }

    /// The connected client, for what is not here.
    pub(crate) async fn docker(&self) -> Result<Docker, EngineError> {
        Ok(self.connection().await?.docker.clone())
    }

    /// Says an error of [`Engine::docker`]'s client in our words.
    pub(crate) fn error(&self, error: bollard::errors::Error) -> EngineError {
        let connection = self.shared.connection.lock().clone();
        match connection {
            Some(connection) => self.noted(connection.error(error), &connection),
            None => EngineError::new(error, "its address", REQUEST_LIMIT),
        }
    }

    /// Files of containers that were read lately.
    pub(crate) fn files(&self) -> &FileCache {
        &self.shared.files
    }

    fn changed(&self, id: String) {
        self.shared.changed.lock().add(id);
    }

    async fn connection(&self) -> Result<Arc<Connection>, EngineError> {
        let known = self.shared.connection.lock().clone();
        if let Some(connection) = known {
            return Ok(connection);
        }
        let connection = Connection::open(&self.shared.source, &self.shared.tasks).await?;
        // Another engine has other containers.
        self.look_anew();
        *self.shared.connection.lock() = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// Forgets a connection by which the engine could not be reached.
    fn noted(&self, error: EngineError, connection: &Arc<Connection>) -> EngineError {
        let mut current = self.shared.connection.lock();
        let is_current = current.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection));
        if error.is_unreachable() && is_current {
            tracing::debug!(engine = connection.address(), "the engine is chosen anew");
            *current = None;
        }
        error
    }
}

/// A listing that has not come to its end: what changed before it is still to be looked at.
struct Pending<'a> {
    engine: &'a Engine,
    is_done: bool,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.engine.look_anew();
        }
    }
}
