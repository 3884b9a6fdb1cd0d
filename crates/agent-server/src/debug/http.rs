//! The routes of the diagnostics.

use agent_api::{GetDebugLogsRequest, routes};
use agent_http::{Failure, Json, Query, Reply};
use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::header;
use serde_json::Value;

use super::Diagnostics;
use crate::api::NoParameters;

/// The routes, from the root of the server.
pub(crate) fn routes(diagnostics: Diagnostics) -> Router {
    Router::new()
        .route(routes::GET_DEBUG_LOGS.path, get(get_debug_logs))
        .route(routes::GET_DEBUG_CONFIG.path, get(get_debug_config))
        .route(routes::GET_DEBUG_MANIFEST.path, get(get_debug_config))
        .route(routes::GET_DEBUG_MESH.path, get(get_debug_mesh))
        .route(routes::GET_DEBUG_MAGICSOCK.path, get(get_debug_mesh))
        .route(routes::SET_MESH_DEBUG_LOGGING.path, get(set_mesh_debug_logging))
        .route(routes::SET_MAGICSOCK_DEBUG_LOGGING.path, get(set_mesh_debug_logging))
        .with_state(diagnostics)
}

async fn get_debug_logs(
    State(diagnostics): State<Diagnostics>,
    Query(req): Query<GetDebugLogsRequest>,
) -> Result<Response, Failure> {
    let text = diagnostics.get_debug_logs(req).await?;
    let media_type = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((media_type, Body::from_stream(text)).into_response())
}

async fn get_debug_config(
    State(diagnostics): State<Diagnostics>,
    _: Query<NoParameters>,
) -> Reply<Value> {
    Ok(Json(diagnostics.get_debug_config()))
}

async fn get_debug_mesh(
    State(diagnostics): State<Diagnostics>,
    _: Query<NoParameters>,
) -> Result<String, Failure> {
    Ok(diagnostics.get_debug_mesh()?)
}

async fn set_mesh_debug_logging(
    State(diagnostics): State<Diagnostics>,
    Path(state): Path<String>,
    _: Query<NoParameters>,
) -> Result<String, Failure> {
    Ok(diagnostics.set_mesh_debug_logging(&state)?)
}

#[cfg(test)]
mod tests {
    use http::{Request, StatusCode};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::{Config, Logs, config::Variables};

    struct World {
        router: Router,
        logs: Logs,
        dir: tempfile::TempDir,
    }

    fn world() -> World {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::new(dir.path(), "/home/me");
        config.env = Variables([("A".to_owned(), "secret".to_owned())].into());
        let logs = Logs::start(None).unwrap();
        World { router: routes(Diagnostics::new(&config, logs.clone())), logs, dir }
    }

    async fn call(world: &World, uri: &str) -> (StatusCode, String) {
        let request = Request::get(uri).body(Body::empty()).unwrap();
        let response = world.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_log_is_answered_once_it_is_there() {
        let world = world();
        assert_eq!(call(&world, "/debug/logs").await.0, StatusCode::INTERNAL_SERVER_ERROR);
        world.logs.open(&world.dir.path().join("log")).unwrap();
        std::fs::write(world.dir.path().join("log/agentd.log"), "a line\n").unwrap();
        assert_eq!(call(&world, "/debug/logs").await, (StatusCode::OK, "a line\n".to_owned()));
        let after = "/debug/logs?after=2026-01-31T12:00:00Z";
        assert_eq!(call(&world, after).await.0, StatusCode::OK);
        for bad in ["yesterday", "", "1"] {
            let (status, text) = call(&world, &format!("/debug/logs?after={bad}")).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}");
            assert!(text.contains("\"field\":\"after\""), "{text}");
        }
    }

    #[tokio::test]
    async fn the_configuration_has_two_paths_and_no_secrets() {
        let world = world();
        for path in ["/debug/config", "/debug/manifest"] {
            let (status, text) = call(&world, path).await;
            assert_eq!(status, StatusCode::OK);
            let config: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(config["env"]["A"], "***REDACTED***");
            assert_eq!(config["state_dir"], world.dir.path().to_str().unwrap());
        }
    }

    #[tokio::test]
    async fn an_agent_without_mesh_says_so_after_checking_the_request() {
        let world = world();
        for path in ["/debug/mesh", "/debug/magicsock"] {
            assert_eq!(call(&world, path).await.0, StatusCode::NOT_IMPLEMENTED);
            for state in super::super::SWITCH_STATES {
                let (status, _) = call(&world, &format!("{path}/debug-logging/{state}")).await;
                assert_eq!(status, StatusCode::NOT_IMPLEMENTED, "{state}");
            }
            for state in ["on", "2", "tRUE", "true%20", "%FF"] {
                let (status, _) = call(&world, &format!("{path}/debug-logging/{state}")).await;
                assert_eq!(status, StatusCode::BAD_REQUEST, "{state}");
            }
            assert_eq!(call(&world, &format!("{path}?x=1")).await.0, StatusCode::BAD_REQUEST);
        }
    }
}
