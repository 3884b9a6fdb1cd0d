//! Every route of the agent, mounted in one place; what the routes do is their services' matter.

use agent_api::routes::API_PREFIX;
use axum::Router;
use serde::Deserialize;

use crate::{compose::Services, debug, lifecycle, metrics};

/// The query of an operation without parameters.
#[derive(Debug, Deserialize)]
pub(crate) struct NoParameters {}

/// The router of all services.
pub(crate) fn router(services: &Services) -> Router {
    let api = Router::new()
        .merge(lifecycle::http::routes(services.lifecycles.clone()))
        .merge(agent_files::http::routes(services.files.clone()))
        .merge(agent_proc::http::routes(services.processes.clone()))
        .merge(agent_git::http::routes(services.git.clone()))
        .merge(agent_ports::http::routes(services.ports.clone()))
        .merge(agent_term::http::routes(services.terminals.clone()))
        .merge(agent_containers::http::routes(services.containers.clone()));
    Router::new()
        .nest(API_PREFIX, api)
        .merge(lifecycle::http::public_routes())
        .merge(debug::http::routes(services.debug.clone()))
        .merge(metrics::http::routes(services.metrics.clone()))
}
