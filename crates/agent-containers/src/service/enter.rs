//! Commands in containers, for whoever carries their bytes.

use agent_exec::Foreign;

use super::Containers;
use crate::{ExecError, ExecRequest, exec};

impl Containers {
    /// Starts a command in a container, a dev container's or not.
    ///
    /// # Errors
    ///
    /// All of [`ExecError`].
    ///
    /// # Cancellation
    ///
    /// What the engine was told to start may then run, with nobody who listens.
    #[tracing::instrument(name = "containers.exec", level = "debug", skip_all)]
    pub async fn exec(&self, req: ExecRequest) -> Result<Foreign, ExecError> {
        if self.check_enabled().is_err() {
            return Err(ExecError::Disabled);
        }
        exec::exec(&self.shared.engine, &*self.shared.workspace, req).await
    }
}
