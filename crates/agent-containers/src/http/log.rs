//! The log of bringing a dev container up: as messages, as events and as lines.

use std::io;

use agent_api::{
    DevContainerLogEntry, DevContainerLogMessage, limits::MAX_WEBSOCKET_MESSAGE_BYTES,
};
use agent_http::{Close, Closed, Event, WebSocket};
use futures_util::{Stream, StreamExt, stream};
use serde::Serialize;

use crate::{LogStream, logs};

/// The longest text of a message, with room for what is around it.
const MAX_TEXT_BYTES: usize = MAX_WEBSOCKET_MESSAGE_BYTES - 1024;

/// Sends entries until the log ends or the peer is gone.
pub(super) async fn forward(mut socket: WebSocket, mut log: LogStream) {
    socket.ignore_messages();
    // A peer that is gone needs no close.
    if let Ok(close) = send(&mut socket, &mut log).await {
        socket.close(close);
    }
}

async fn send(socket: &mut WebSocket, log: &mut LogStream) -> Result<Close, Closed> {
    // What was fed is written while this waits, so that many small entries go together.
    while let Some(entry) = socket.until(log.next()).await? {
        match entry {
            Ok(entry) => {
                let entry = logs::fit(entry, MAX_TEXT_BYTES);
                socket.feed_text(&json(&DevContainerLogMessage::Entry(entry))).await?;
            }
            Err(error) => return Ok(Close::internal(failure(&error))),
        }
    }
    Ok(Close::complete())
}

/// An event `entry` for each, and at last `closed`, or `error` with the reason.
pub(super) fn events(log: LogStream) -> impl Stream<Item = Event> {
    let event = |event, data| Event { event, id: None, data };
    stream::unfold(Some(log), move |log| async move {
        let mut log = log?;
        Some(match log.next().await {
            Some(Ok(entry)) => (event("entry", json(&entry)), Some(log)),
            Some(Err(error)) => (event("error", json(&failure(&error))), None),
            None => (event("closed", "{}".to_owned()), None),
        })
    })
}

/// Each entry as a line.
pub(super) fn lines(log: LogStream) -> impl Stream<Item = io::Result<String>> {
    entries(log).map(|entry| Ok(json(&entry?) + "\n"))
}

fn entries(log: LogStream) -> impl Stream<Item = io::Result<DevContainerLogEntry>> {
    stream::unfold(log, |mut log| async { log.next().await.map(|entry| (entry, log)) })
}

fn failure(error: &io::Error) -> String {
    format!("cannot read the log: {}", agent_api::io_text(error))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data")
}
