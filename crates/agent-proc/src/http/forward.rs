//! Output over a WebSocket: bytes as binary messages behind their offset, the rest as JSON.

use agent_api::{FRAME_HEADER_BYTES, ProcessStreamMessage, close_codes};
use agent_http::{Close, Closed, WebSocket};

use crate::{OutputItem, OutputStream};

/// Sends a stream until it ends or the peer is gone.
pub(super) async fn forward(mut socket: WebSocket, mut output: OutputStream) {
    socket.ignore_messages();
    // A peer that is gone needs no close.
    if let Ok(close) = send(&mut socket, &mut output).await {
        socket.close(close);
    }
}

async fn send(socket: &mut WebSocket, output: &mut OutputStream) -> Result<Close, Closed> {
    loop {
        // What was fed is written while this waits, so that many small pieces go together.
        let Some(item) = socket.until(output.try_next()).await? else {
            socket.until(output.changed()).await?;
            continue;
        };
        let message = match item {
            OutputItem::Bytes { offset, bytes } => {
                socket.feed_binary(&[&frame_header(offset), &bytes]).await?;
                continue;
            }
            OutputItem::Gap(gap) => ProcessStreamMessage::Gap(gap),
            OutputItem::Exited(exited) => ProcessStreamMessage::Exited(exited),
            OutputItem::Closed { end_bytes } => {
                let message = ProcessStreamMessage::Closed { end_bytes };
                socket.feed_text(&json(&message)).await?;
                return Ok(Close::complete());
            }
            OutputItem::Deleted => {
                return Ok(Close::new(close_codes::DELETED, "the process was forgotten"));
            }
        };
        socket.feed_text(&json(&message)).await?;
    }
}

/// What stands in front of the bytes in a binary message: the offset of the first of them.
fn frame_header(offset: u64) -> [u8; FRAME_HEADER_BYTES] {
    offset.to_be_bytes()
}

fn json(message: &ProcessStreamMessage) -> String {
    serde_json::to_string(message).expect("a message is plain data")
}
