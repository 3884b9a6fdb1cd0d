//! A list of containers after each change, over a WebSocket.

use agent_api::close_codes;
use agent_http::{Close, Closed, WebSocket};

use crate::ContainersWatch;

/// Sends answers until the watch ends or the peer is gone.
pub(super) async fn forward(mut socket: WebSocket, mut watch: ContainersWatch) {
    socket.ignore_messages();
    // A peer that is gone needs no close.
    if let Ok(close) = send(&mut socket, &mut watch).await {
        socket.close(close);
    }
}

async fn send(socket: &mut WebSocket, watch: &mut ContainersWatch) -> Result<Close, Closed> {
    // Each is written before the next is asked for, which is then the newest.
    while let Some(answer) = socket.until(watch.next()).await? {
        let json = serde_json::to_string(&answer).expect("an answer is plain data");
        socket.send_text(&json).await?;
    }
    Ok(Close::new(close_codes::GOING_AWAY, "the agent is shutting down"))
}
