//! Requests that change something: once they are there completely they are carried out, whoever
//! leaves; questions end with their client.

use std::{sync::Arc, time::Duration};

use agent_api::routes;
use agent_http::{Access, Body, Config, Peer, Server};
use axum::{
    Router,
    routing::{get, post},
};
use tokio::{
    io::AsyncWriteExt,
    sync::{Notify, mpsc},
    time::timeout,
};

/// Says when it is dropped.
struct Handler(mpsc::UnboundedSender<&'static str>);

impl Drop for Handler {
    fn drop(&mut self) {
        // The test may have ended.
        let _ = self.0.send("dropped");
    }
}

/// A server whose change and question both wait, between their body and their end, for a word.
fn serve() -> (Server, Arc<Notify>, mpsc::UnboundedReceiver<&'static str>) {
    let (tell, told) = mpsc::unbounded_channel();
    let go_on = Arc::new(Notify::new());
    let handler = {
        let go_on = Arc::clone(&go_on);
        move |Body(_): Body<serde_json::Value>| async move {
            let handler = Handler(tell);
            handler.0.send("entered").unwrap();
            go_on.notified().await;
            handler.0.send("done").unwrap();
        }
    };
    let router = Router::new()
        .route(routes::MOVE_PATH.path, post(handler.clone()))
        .route(routes::SEARCH_FILES.path, post(handler))
        .route(routes::CHECK_HEALTH.path, get(async || ()));
    let server = Server::new(router, Access::default(), Config::default(), Arc::new(()));
    (server, go_on, told)
}

async fn send_and_leave(server: &Server, path: &str) {
    let (mut near, far) = tokio::io::duplex(1024);
    let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}");
    // Everything is there, and the end too, before the server sees any of it.
    near.write_all(request.as_bytes()).await.unwrap();
    drop(near);
    server.connect(far, Peer::in_process());
}

async fn next(told: &mut mpsc::UnboundedReceiver<&'static str>) -> &'static str {
    timeout(Duration::from_secs(60), told.recv()).await.expect("a handler says it").unwrap()
}

#[tokio::test]
async fn a_change_is_done_though_its_client_left() {
    let (server, go_on, mut told) = serve();
    for _ in 0..100 {
        send_and_leave(&server, routes::MOVE_PATH.path).await;
        assert_eq!(next(&mut told).await, "entered");
        go_on.notify_one();
        assert_eq!(next(&mut told).await, "done");
        assert_eq!(next(&mut told).await, "dropped");
    }
}

#[tokio::test]
async fn a_question_ends_with_its_client() {
    let (server, _, mut told) = serve();
    let (mut near, far) = tokio::io::duplex(1024);
    server.connect(far, Peer::in_process());
    let path = routes::SEARCH_FILES.path;
    let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}");
    near.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(next(&mut told).await, "entered");
    drop(near);
    assert_eq!(next(&mut told).await, "dropped");
}

#[tokio::test]
async fn a_change_that_hangs_is_cut_with_the_server() {
    let (server, _, mut told) = serve();
    send_and_leave(&server, routes::MOVE_PATH.path).await;
    assert_eq!(next(&mut told).await, "entered");
    assert!(!server.shutdown(Duration::ZERO).await);
    assert_eq!(next(&mut told).await, "dropped");
}
