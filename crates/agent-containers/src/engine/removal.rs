//! Stopping and removing; that there is nothing to stop or remove is what was wanted.

use std::time::Duration;

use bollard::{
    errors::Error,
    query_parameters::{RemoveContainerOptionsBuilder, StopContainerOptionsBuilder},
};
use tokio::time::{sleep, timeout};

use super::{Engine, EngineError};

/// Seconds that a container has to stop by itself.
const STOP_SECONDS: i32 = 10;

/// Longest wait for stopping: the container's own time, and the engine's to end it by force.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// Longest wait for removing, for much to be deleted.
const REMOVE_LIMIT: Duration = Duration::from_secs(120);

impl Engine {
    /// Stops a container, by force after 10 s; one that is gone or stopped is no error.
    pub(crate) async fn stop(&self, id: &str) -> Result<(), EngineError> {
        let docker = self.docker().await?;
        let options = StopContainerOptionsBuilder::default().t(STOP_SECONDS).build();
        let stopping = docker.stop_container(id, Some(options));
        let result = timeout(STOP_LIMIT, stopping)
            .await
            .map_err(|_| EngineError::TimedOut { after: STOP_LIMIT })?;
        self.settled(id, result, &[304, 404])
    }

    /// Removes a container; its volumes stay. One that is gone is no error, and one that is being
    /// removed is waited for.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), EngineError> {
        let removing = self.remove_within(id);
        timeout(REMOVE_LIMIT, removing)
            .await
            .unwrap_or(Err(EngineError::TimedOut { after: REMOVE_LIMIT }))
    }

    async fn remove_within(&self, id: &str) -> Result<(), EngineError> {
        loop {
            let docker = self.docker().await?;
            let options = RemoveContainerOptionsBuilder::default().v(false).build();
            let result = docker.remove_container(id, Some(options)).await;
            // A container that removes itself when it stops is often at that already, and the
            // engine tells no end of it.
            let is_under_way = matches!(
                &result,
                Err(Error::DockerResponseServerError { status_code: 409, message })
                    if message.contains("already in progress")
            );
            if !is_under_way {
                return self.settled(id, result, &[404]);
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Takes an answer for success that says that there was nothing to do.
    fn settled(
        &self,
        id: &str,
        result: Result<(), Error>,
        nothing_to_do: &[u16],
    ) -> Result<(), EngineError> {
        self.changed(id.to_owned());
        match result {
            Ok(()) => Ok(()),
            Err(Error::DockerResponseServerError { status_code, .. })
                if nothing_to_do.contains(&status_code) =>
            {
                Ok(())
            }
            Err(error) => Err(self.error(error)),
        }
    }
}
