//! Routes that are a WebSocket, an event stream and perhaps lines, whichever the request asks for.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::{HeaderMap, header, request::Parts};

use crate::{EventStream, Failure, LineStream, Upgrade};

/// What a request to a streaming route asks for.
///
/// A WebSocket if it is a sound handshake, else an event stream if `Accept` contains
/// `text/event-stream`, else it is refused with 426.
#[derive(Debug)]
pub enum Streaming {
    /// A WebSocket.
    WebSocket(Upgrade),
    /// An event stream.
    Events(EventStream),
}

/// What a request to a streaming route asks for that has an answer for every `GET`.
///
/// A WebSocket if it is a sound handshake, else an event stream if `Accept` contains
/// `text/event-stream`, else lines.
#[derive(Debug)]
pub enum StreamingOrLines {
    /// A WebSocket.
    WebSocket(Upgrade),
    /// An event stream.
    Events(EventStream),
    /// Lines of JSON.
    Lines(LineStream),
}

impl Streaming {
    /// The `Last-Event-ID` of a client that goes on with an event stream.
    pub fn last_event_id(&self) -> Option<&str> {
        match self {
            Self::WebSocket(_) => None,
            Self::Events(events) => events.last_event_id(),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Streaming {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Upgrade::from_request_parts(parts, state).await {
            Ok(upgrade) => Ok(Self::WebSocket(upgrade)),
            Err(refused) if !accepts_events(&parts.headers) => Err(refused),
            Err(_) => match EventStream::from_request_parts(parts, state).await {
                Ok(events) => Ok(Self::Events(events)),
                Err(never) => match never {},
            },
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for StreamingOrLines {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        match Streaming::from_request_parts(parts, state).await {
            Ok(Streaming::WebSocket(upgrade)) => Ok(Self::WebSocket(upgrade)),
            Ok(Streaming::Events(events)) => Ok(Self::Events(events)),
            Err(_) => LineStream::from_request_parts(parts, state).await.map(Self::Lines),
        }
    }
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut ranges = values.flat_map(|value| value.split(','));
    ranges.any(|range| {
        let media_type = range.split(';').next().unwrap_or_default().trim();
        media_type.eq_ignore_ascii_case("text/event-stream")
    })
}
