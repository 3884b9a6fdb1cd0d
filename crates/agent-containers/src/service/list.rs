//! `list_containers`.

use agent_api::{ListContainersRequest, ListContainersResponse};

use super::Containers;
use crate::{Error, registry::Filter};

impl Containers {
    /// Lists containers and dev containers, anew if the engine answers within a second; otherwise
    /// what is known is the answer.
    ///
    /// # Errors
    ///
    /// Those of [`Containers::check_enabled`], [`Error::Label`], [`Error::ShuttingDown`], and
    /// [`Error::List`] when the last listing that finished failed.
    #[tracing::instrument(name = "containers.list_containers", level = "debug", skip_all)]
    pub async fn list_containers(
        &self,
        req: ListContainersRequest,
    ) -> Result<ListContainersResponse, Error> {
        let filter = self.list_anew(&req).await?;
        self.shared.registry.lock().answer(&filter)
    }

    /// Brings what is known up to date, if the engine is fast enough.
    pub(super) async fn list_anew(&self, req: &ListContainersRequest) -> Result<Filter, Error> {
        self.check_enabled()?;
        let filter = Filter::parse(req)?;
        self.run();
        let stopped = self.shared.stop.cancelled();
        tokio::select! {
            () = stopped => Err(Error::ShuttingDown),
            () = self.shared.follower.list_anew() => Ok(filter),
        }
    }
}
