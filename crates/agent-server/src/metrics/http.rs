//! The route of the metrics.

use agent_api::routes;
use agent_http::Query;
use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::header;

use super::Metrics;
use crate::api::NoParameters;

/// The route, from the root of the server.
pub(crate) fn routes(metrics: Metrics) -> Router {
    Router::new().route(routes::GET_METRICS.path, get(get_metrics)).with_state(metrics)
}

async fn get_metrics(State(metrics): State<Metrics>, _: Query<NoParameters>) -> Response {
    let media_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (media_type, metrics.get_metrics()).into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use agent_http::Observer;
    use axum::body::Body;
    use http::{Request, StatusCode};
    use http_body_util::BodyExt;
    use tower::ServiceExt;
    use uuid::Uuid;

    use super::*;
    use crate::{Config, Lifecycles, Logs, compose::Services};

    /// Metrics of an agent that has done nothing yet.
    fn metrics() -> Metrics {
        let config = Config::new("/state", "/");
        let logs = Logs::start(None).unwrap();
        Services::new(&config, Uuid::nil(), Lifecycles::new(), &logs, &[]).metrics
    }

    async fn call(metrics: &Metrics, uri: &str) -> (StatusCode, String, String) {
        let request = Request::get(uri).body(Body::empty()).unwrap();
        let response = routes(metrics.clone()).oneshot(request).await.unwrap();
        let status = response.status();
        let media_type = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, media_type, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_protocols_metrics_are_answered() {
        let metrics = metrics();
        metrics.request("stat_path", 404, Duration::from_millis(3));
        metrics.scripts().executed(false);
        metrics.scripts().started(Duration::from_millis(1500), true);
        metrics.connection_opened("tcp");
        metrics.connection_opened("tcp");
        metrics.connection_closed("tcp");
        let (status, media_type, text) = call(&metrics, "/debug/prometheus").await;
        assert_eq!((status, media_type.as_str()), (StatusCode::OK, "text/plain; version=0.0.4"));
        let version = format!("agent_build_info{{version=\"{}\"}} 1", crate::VERSION);
        let lines = [
            version.as_str(),
            "agent_lifecycle_state{state=\"created\"} 1",
            "agent_lifecycle_state{state=\"shutdown_timeout\"} 0",
            "# TYPE agent_http_requests_total counter",
            "agent_http_requests_total{operation=\"stat_path\",status=\"404\"} 1",
            "agent_http_request_seconds_count{operation=\"stat_path\",status=\"404\"} 1",
            "agent_http_request_seconds_bucket{le=\"0.005\",operation=\"stat_path\",status=\"404\"} 1",
            "agent_open_connections{listener=\"tcp\"} 1",
            "agent_log_lines_lost_total 0",
            "agent_processes{state=\"running\"} 0",
            "agent_processes{state=\"exited\"} 0",
            "agent_processes{state=\"closed\"} 0",
            "# TYPE agent_processes_started_total counter",
            "agent_processes_started_total 0",
            "agent_process_output_bytes_total 0",
            "agent_process_journal_bytes 0",
            "agent_process_gap_bytes_total{reason=\"quota\"} 0",
            "agent_process_gap_bytes_total{reason=\"disk\"} 0",
            "agent_git_repositories 0",
            "agent_git_polling_repositories 0",
            "agent_git_watches 0",
            "agent_git_watched_directories 0",
            "agent_git_chats 0",
            "# TYPE agent_git_scans_total counter",
            "agent_git_scans_total{result=\"full\"} 0",
            "agent_git_scans_total{result=\"incremental\"} 0",
            "agent_git_scans_total{result=\"failed\"} 0",
            "agent_git_events_total 0",
            "agent_git_event_overflows_total 0",
            "agent_scripts_executed_total{success=\"false\"} 1",
            "agent_startup_script_seconds{success=\"true\"} 1.5",
        ];
        for line in lines {
            assert!(text.lines().any(|got| got == line), "{line} is not in\n{text}");
        }
        let names = ["agent_start_time_seconds ", "process_resident_memory_bytes "];
        for name in names.iter().chain(&[
            "process_cpu_seconds_total ",
            "process_open_fds ",
            "process_start_time_seconds ",
        ]) {
            let sample = text.lines().find_map(|line| line.strip_prefix(name));
            let value: f64 = sample.unwrap_or_else(|| panic!("no {name}")).parse().unwrap();
            assert!(value >= 0.0, "{name}{value}");
        }
        assert!(!text.contains("# EOF") && !text.contains("_total_total"));
    }

    #[tokio::test]
    async fn a_parameter_is_refused() {
        let metrics = metrics();
        assert_eq!(call(&metrics, "/debug/prometheus?x=1").await.0, StatusCode::BAD_REQUEST);
    }
}
