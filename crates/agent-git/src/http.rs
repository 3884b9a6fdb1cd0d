//! The operations as HTTP routes, relative to the API's root; each handler extracts, calls and
//! wraps, and decides nothing.

use agent_api::{
    GetGitStatusRequest, GetGitStatusResponse, GitServerMessage, WatchGitRequest, close_codes,
    routes,
};
use agent_http::{Chat, Close, Closed, Failure, Json, Message, Query, Reply, Upgrade, WebSocket};
use axum::{Router, extract::State, response::Response, routing::get};

use crate::{Git, GitWatch};

/// The routes of the service, to be mounted under the API's root.
pub fn routes(git: Git) -> Router {
    Router::new()
        .route(routes::WATCH_GIT.relative(), get(watch_git))
        .route(routes::GET_GIT_STATUS.relative(), get(get_git_status))
        .with_state(git)
}

async fn watch_git(
    State(git): State<Git>,
    Chat(caller): Chat,
    Query(req): Query<WatchGitRequest>,
    upgrade: Upgrade,
) -> Result<Response, Failure> {
    let watch = git.watch_git(&caller, req)?;
    upgrade.on(|socket| forward(socket, watch))
}

async fn get_git_status(
    State(git): State<Git>,
    Query(req): Query<GetGitStatusRequest>,
) -> Reply<GetGitStatusResponse> {
    Ok(Json(git.get_git_status(req).await?))
}

/// Carries messages both ways until the watch ends or the peer is gone.
async fn forward(mut socket: WebSocket, mut watch: GitWatch) {
    // A peer that is gone needs no close.
    if let Ok(close) = carry(&mut socket, &mut watch).await {
        socket.close(close);
    }
}

async fn carry(socket: &mut WebSocket, watch: &mut GitWatch) -> Result<Close, Closed> {
    loop {
        // Answers before further questions, so that what waits here is bounded.
        tokio::select! {
            biased;
            message = watch.next() => match message {
                // Each is written before the next is made, which is then the newest.
                Some(message) => socket.send_text(&json(&message)).await?,
                None => {
                    let reason = "the agent is shutting down";
                    return Ok(Close::new(close_codes::GOING_AWAY, reason));
                }
            },
            message = socket.recv() => match message? {
                Message::Text(text) => watch.receive(&text),
                Message::Binary(_) => watch.receive_binary(),
            },
        }
    }
}

fn json(message: &GitServerMessage) -> String {
    serde_json::to_string(message).expect("a message is plain data")
}
