//! The operations as HTTP routes, relative to the API's root; each handler extracts, calls and
//! wraps, and decides nothing.

mod log;
mod relay;
mod watch;

use std::convert::Infallible;

use agent_api::{
    DevContainerLogsRequest, ListContainersRequest, ListContainersResponse,
    RecreateDevContainerResponse, routes,
};
use agent_http::{Failure, Json, Query, Reply, StreamingOrLines, Tunnel, Upgrade, Waiting};
use axum::{
    Router,
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
    routing::{any, delete, get, post},
};
use serde::Deserialize;

use crate::Containers;

/// The routes of the service, to be mounted under the API's root.
///
/// Without containers every path below theirs answers why there are none, whatever the method.
pub fn routes(containers: Containers) -> Router {
    let router = match containers.check_enabled() {
        Ok(()) => served().merge(without_id()),
        Err(_) => refused(),
    };
    router.with_state(containers)
}

fn served() -> Router<Containers> {
    Router::new()
        .route(routes::LIST_CONTAINERS.relative(), get(list_containers))
        .route(routes::LIST_CONTAINERS_SLASH.relative(), get(list_containers))
        .route(routes::WATCH_CONTAINERS.relative(), get(watch_containers))
        .route(routes::RECREATE_DEV_CONTAINER.relative(), post(recreate_dev_container))
        .route(routes::DELETE_DEV_CONTAINER.relative(), delete(delete_dev_container))
        .route(routes::DELETE_DEV_CONTAINER_SLASH.relative(), delete(delete_dev_container))
        .route(routes::DEV_CONTAINER_LOGS.relative(), get(dev_container_logs))
        .route(routes::CONNECT_DEV_CONTAINER.relative(), get(connect_dev_container))
}

/// The same with an empty id, which is a bad one and no unknown route.
fn without_id() -> Router<Containers> {
    Router::new()
        .route("/containers/devcontainers/", delete(delete_dev_container))
        .route("/containers/devcontainers//", delete(delete_dev_container))
        .route("/containers/devcontainers//recreate", post(recreate_dev_container))
        .route("/containers/devcontainers//logs", get(dev_container_logs))
        .route("/containers/devcontainers//agent", get(connect_dev_container))
}

fn refused() -> Router<Containers> {
    Router::new()
        .route("/containers", any(refuse))
        .route("/containers/", any(refuse))
        .route("/containers/{*rest}", any(refuse))
}

async fn refuse(State(containers): State<Containers>) -> Result<(), Failure> {
    Ok(containers.check_enabled()?)
}

async fn list_containers(
    State(containers): State<Containers>,
    Query(req): Query<ListContainersRequest>,
    waiting: Waiting,
) -> Reply<ListContainersResponse> {
    Ok(Json(waiting.during(containers.list_containers(req)).await?))
}

async fn watch_containers(
    State(containers): State<Containers>,
    Query(req): Query<ListContainersRequest>,
    upgrade: Upgrade,
    waiting: Waiting,
) -> Result<Response, Failure> {
    let watch = waiting.during(containers.watch_containers(req)).await?;
    upgrade.on(|socket| watch::forward(socket, watch))
}

async fn recreate_dev_container(
    State(containers): State<Containers>,
    Query(NoParameters {}): Query<NoParameters>,
    Id(id): Id,
) -> Result<(StatusCode, Json<RecreateDevContainerResponse>), Failure> {
    Ok((StatusCode::ACCEPTED, Json(containers.recreate_dev_container(&id).await?)))
}

async fn delete_dev_container(
    State(containers): State<Containers>,
    Query(NoParameters {}): Query<NoParameters>,
    Id(id): Id,
    waiting: Waiting,
) -> Result<StatusCode, Failure> {
    waiting.during(containers.delete_dev_container(&id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn dev_container_logs(
    State(containers): State<Containers>,
    Query(req): Query<DevContainerLogsRequest>,
    Id(id): Id,
    streaming: StreamingOrLines,
) -> Result<Response, Failure> {
    let log = containers.dev_container_logs(&id, req)?;
    match streaming {
        StreamingOrLines::WebSocket(upgrade) => upgrade.on(|socket| log::forward(socket, log)),
        StreamingOrLines::Events(events) => events.of(log::events(log)),
        StreamingOrLines::Lines(lines) => Ok(lines.of(log::lines(log)).into_response()),
    }
}

async fn connect_dev_container(
    State(containers): State<Containers>,
    Query(NoParameters {}): Query<NoParameters>,
    Id(id): Id,
    tunnel: Tunnel,
    waiting: Waiting,
) -> Result<Response, Failure> {
    containers.check_dev_container(&id)?;
    let tunnel = tunnel.to("tcp")?;
    let far = waiting.during(containers.connect_dev_container(&id)).await?;
    Ok(tunnel.on(|near| relay::relay(near, far)))
}

/// The query of a route that has no parameters.
#[derive(Deserialize)]
struct NoParameters {}

/// The id in the path as it was written; none, and text that is no UTF-8, are an empty one.
struct Id(String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let id = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(id.map_or_else(|_| String::new(), |Path(id)| id)))
    }
}

#[cfg(test)]
mod tests;
