//! The routes of the agent's own life.

use agent_api::{Greeting, Health, Lifecycle, routes};
use agent_http::{Json, Query, Reply};
use axum::{Router, extract::State, routing::get};

use super::Lifecycles;
use crate::api::NoParameters;

/// The routes outside the API: greeting and health, both without I/O.
pub(crate) fn public_routes() -> Router {
    Router::new()
        .route(routes::GET_GREETING.path, get(get_greeting))
        .route(routes::CHECK_HEALTH.path, get(check_health))
}

/// The routes below the API's prefix.
pub(crate) fn routes(lifecycles: Lifecycles) -> Router {
    Router::new().route(routes::GET_LIFECYCLE.relative(), get(get_lifecycle)).with_state(lifecycles)
}

async fn get_greeting(_: Query<NoParameters>) -> Reply<Greeting> {
    Ok(Json(Greeting { message: "this is agentd, the agent of a workspace".to_owned() }))
}

/// Answers while the agent serves; once it stops, the server refuses the request before this.
async fn check_health(_: Query<NoParameters>) -> Reply<Health> {
    Ok(Json(Health { status: "ok".to_owned() }))
}

async fn get_lifecycle(
    State(lifecycles): State<Lifecycles>,
    _: Query<NoParameters>,
) -> Reply<Lifecycle> {
    Ok(Json(lifecycles.get_lifecycle()))
}

#[cfg(test)]
mod tests {
    use agent_api::LifecycleState;
    use axum::body::Body;
    use http::{Request, StatusCode};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn call(uri: &str) -> (StatusCode, serde_json::Value) {
        let router = public_routes().merge(routes(Lifecycles::new()));
        let request = Request::get(uri).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn greeting_health_and_lifecycle_are_answered() {
        let (status, greeting) = call("/").await;
        assert!(status.is_success() && greeting["message"].is_string());
        let (status, health) = call("/healthz").await;
        assert_eq!((status, health), (StatusCode::OK, serde_json::json!({"status": "ok"})));
        let (status, lifecycle) = call("/lifecycle").await;
        let lifecycle: Lifecycle = serde_json::from_value(lifecycle).unwrap();
        assert_eq!((status, lifecycle.state), (StatusCode::OK, LifecycleState::Created));
    }

    #[tokio::test]
    async fn a_parameter_that_nobody_knows_is_refused() {
        for path in ["/", "/healthz", "/lifecycle"] {
            let (status, error) = call(&format!("{path}?x=1")).await;
            assert_eq!(status, StatusCode::BAD_REQUEST);
            assert_eq!(error["validations"][0]["field"], "x");
        }
    }
}
