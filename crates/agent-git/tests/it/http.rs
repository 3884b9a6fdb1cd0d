//! The routes: one success and one failure each; messages over a socket are the server's tests.

use axum::body::{Body, to_bytes};
use http::{Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt;

use crate::fixture::Fixture;

/// Asks; answers the status and the body.
pub(crate) async fn ask(f: &Fixture, uri: &str, headers: &[(&str, &str)]) -> (StatusCode, Value) {
    let mut request = Request::get(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = agent_git::http::routes(f.git.clone()).oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn a_status_that_cannot_be_had_is_refused() {
    let f = Fixture::new();
    let cases = [
        ("/git/status".to_owned(), 400, "\\\"path\\\" is required"),
        ("/git/status?path=a".to_owned(), 400, "must be absolute"),
        ("/git/status?path=/&diff=1".to_owned(), 400, "diff"),
        ("/git/status?path=/&other=1".to_owned(), 400, "other"),
        (format!("/git/status?path={}", f.root("")), 404, "not a git repository"),
    ];
    for (uri, expected, fragment) in cases {
        let (status, body) = ask(&f, &uri, &[]).await;
        assert_eq!(status.as_u16(), expected, "{uri}: {body}");
        assert!(body.to_string().contains(fragment), "{uri}: {body}");
    }
}

#[tokio::test]
async fn a_watch_is_refused_before_the_upgrade() {
    let f = Fixture::new();
    let upgrade = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let nil = "/git/watch?chat_id=00000000-0000-0000-0000-000000000000";
    for uri in ["/git/watch?chat_id=abc", "/git/watch?chat_id=", nil, "/git/watch?x=1"] {
        let (status, body) = ask(&f, uri, &upgrade).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{uri}: {body}");
    }
    let malformed = [&upgrade[..], &[("coder-chat-id", "abc")]].concat();
    let (status, _) = ask(&f, "/git/watch", &malformed).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, _) = ask(&f, "/git/watch", &[]).await;
    assert_eq!(status, StatusCode::UPGRADE_REQUIRED);
    assert_eq!(f.git.statistics().watches, 0);
}
