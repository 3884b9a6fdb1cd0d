//! Asks about containers: lists that are watched, logs that are followed, and the agent in a dev
//! container; not what their items mean.

use std::{pin::Pin, sync::Arc};

use agent_api::{DevContainerLogsRequest, ListContainersRequest, Route, routes};
use parking_lot::Mutex;
use uuid::Uuid;

use super::{AgentClient, Inner, Transport, call::Call, origin::Origin};
use crate::{
    ContainersWatch, DevContainerLogs, DialStream, Error, PingPath,
    transport::{Limits, Pool, Way},
    until::Until,
};

/// The future of a way that leads through another client, which may be in a dev container itself.
type Dialing<'a> = Pin<Box<dyn Future<Output = Result<(DialStream, PingPath), Error>> + Send + 'a>>;

/// A request about one dev container.
pub(super) fn of_dev_container(route: Route, id: Uuid) -> Call {
    Call::with_segment(route, &id.to_string())
}

/// A request whose query is labels.
pub(super) fn with_labels(route: Route, request: &ListContainersRequest) -> Call {
    Call::new(route).parameters(request.label.iter().map(|label| ("label", label)))
}

impl AgentClient {
    /// Watches by WebSocket. Over HTTP/2, where there is none, the agent says so itself.
    pub(super) async fn open_containers_watch(
        &self,
        request: ListContainersRequest,
    ) -> Result<ContainersWatch, Error> {
        let call = with_labels(routes::WATCH_CONTAINERS, &request);
        match &self.inner.transport {
            Transport::Pool(pool) => {
                let limits = Limits { received: self.inner.max_message_bytes, sent: 0 };
                let (_, messages) = self.open_websocket(pool, call, limits).await?;
                let messages = Until::new(messages, self.inner.stop.clone());
                Ok(ContainersWatch::from_messages(messages))
            }
            Transport::Shared(_) => Err(self.exchange(call).await?.refused().await),
        }
    }

    /// Reads a log, to its end or to that of what is being brought up.
    pub(super) async fn open_dev_container_logs(
        &self,
        id: Uuid,
        follow: bool,
    ) -> Result<DevContainerLogs, Error> {
        let request = DevContainerLogsRequest { follow };
        let call = of_dev_container(routes::DEV_CONTAINER_LOGS, id).query(&request);
        let call = if follow { call.long() } else { call };
        let lines = self.exchange(call).await?.success().await?.stream();
        Ok(DevContainerLogs::from_lines(lines, self.inner.max_message_bytes))
    }

    /// Opens a byte stream to the agent in a dev container, and tells how the one outside was reached.
    // A box breaks the circle: the pool of the agent inside dials through the pool of the one outside.
    pub(crate) fn dial_dev_container(&self, id: Uuid) -> Dialing<'_> {
        let call = of_dev_container(routes::CONNECT_DEV_CONTAINER, id);
        Box::pin(self.open_tunnel(call, "tcp"))
    }

    /// Makes a client of the agent in a dev container, with one connection that is there already.
    pub(super) async fn open_dev_container(&self, id: Uuid) -> Result<Self, Error> {
        let operation = routes::CONNECT_DEV_CONTAINER.operation;
        let Transport::Pool(outside) = &self.inner.transport else {
            // Each connection inside is an upgrade outside, which a shared stream does not have.
            let call = of_dev_container(routes::CONNECT_DEV_CONTAINER, id);
            return Err(self.exchange(call).await?.refused().await);
        };
        let stop = self.inner.stop.child_token();
        let way = Way::DevContainer { outside: self.clone(), id };
        let name = way.to_string();
        let pool = Arc::new(Pool::new(way, &outside.times(), stop.clone()));
        pool.release(self.unless_closed(pool.fresh(operation)).await?);
        let inner = Inner {
            name,
            origin: Origin::of_dev_container(),
            transport: Transport::Pool(pool),
            extra_headers: Mutex::new(Arc::clone(&self.inner.extra_headers.lock())),
            request_timeout: self.inner.request_timeout,
            max_message_bytes: self.inner.max_message_bytes,
            stop,
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}
