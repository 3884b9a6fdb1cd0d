//! Answers that are event streams (SSE, HTML section 9.2): events as they come, a comment now and
//! then, an end at the server's stop; which events there are is the handler's matter.

use std::{
    convert::Infallible,
    fmt::Write,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderName, HeaderValue, header, request::Parts};
use http_body::Frame;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

use crate::{
    Failure,
    serve::{END_TIMEOUT, OpenStream, StreamHost},
};

/// Time between two comments.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE: &str = ": keepalive\n\n";
/// Bytes of events above which no more are put into one piece of the body.
const PIECE: usize = 64 * 1024;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its type; one line.
    pub event: &'static str,
    /// Where a client goes on after this event: what it sends as `Last-Event-ID`.
    pub id: Option<u64>,
    /// Its data, a JSON text of one line. A line break in it begins another `data` field.
    pub data: String,
}

/// A request that is answered with an event stream.
#[derive(Debug)]
pub struct EventStream {
    last_event_id: Option<String>,
    host: StreamHost,
}

impl EventStream {
    /// Where a client that was here before goes on: its `Last-Event-ID`.
    pub fn last_event_id(&self) -> Option<&str> {
        self.last_event_id.as_deref()
    }

    /// Answers 200 and the events, until they end or the server stops.
    ///
    /// Events are asked for only as fast as the client reads. Every 15 s a comment is sent.
    ///
    /// # Errors
    ///
    /// `ResourceExhausted` when as many streams are open as may be.
    pub fn of<S>(self, events: S) -> Result<Response, Failure>
    where
        S: Stream<Item = Event> + Send + 'static,
    {
        let open = self.host.open()?;
        let ended = CancellationToken::new();
        let streams = &self.host.streams;
        let stop = streams.stop.clone();
        let cut = cut_if_overdue(stop.clone(), ended.clone(), self.host.link.cut.clone());
        streams.tasks.spawn(cut);
        let next_comment = Instant::now() + KEEPALIVE_INTERVAL;
        let body = EventBody {
            events: Box::pin(events),
            stopped: Box::pin(stop.cancelled_owned()),
            next_comment: Box::pin(tokio::time::sleep_until(next_comment)),
            is_ended: false,
            _open: open,
            _ended: ended.drop_guard(),
        };
        let mut response = Body::new(body).into_response();
        let headers = response.headers_mut();
        let event_stream = HeaderValue::from_static("text/event-stream");
        headers.insert(header::CONTENT_TYPE, event_stream);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
        Ok(response)
    }
}

/// Cuts a client that does not read the end of its stream.
async fn cut_if_overdue(stop: CancellationToken, ended: CancellationToken, cut: CancellationToken) {
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(END_TIMEOUT).await;
    };
    if ended.run_until_cancelled(overdue).await.is_some() {
        cut.cancel();
    }
}

impl<S: Send + Sync> FromRequestParts<S> for EventStream {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let last = parts.headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok());
        let last_event_id = last.map(str::to_owned);
        Ok(Self { last_event_id, host: StreamHost::from_request_parts(parts, state).await? })
    }
}

struct EventBody<S> {
    events: Pin<Box<S>>,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    next_comment: Pin<Box<Sleep>>,
    is_ended: bool,
    _open: OpenStream,
    _ended: DropGuard,
}

impl<S: Stream<Item = Event> + Send + 'static> http_body::Body for EventBody<S> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut piece = String::new();
        while piece.len() < PIECE && !self.is_ended {
            if self.stopped.as_mut().poll(cx).is_ready() {
                self.is_ended = true;
            } else if self.next_comment.as_mut().poll(cx).is_ready() {
                self.next_comment.as_mut().reset(Instant::now() + KEEPALIVE_INTERVAL);
                piece.push_str(KEEPALIVE);
            } else {
                match self.events.as_mut().poll_next(cx) {
                    Poll::Ready(Some(event)) => event.write(&mut piece),
                    Poll::Ready(None) => self.is_ended = true,
                    Poll::Pending => break,
                }
            }
        }
        match (piece.is_empty(), self.is_ended) {
            (false, _) => Poll::Ready(Some(Ok(Frame::data(piece.into())))),
            (true, true) => Poll::Ready(None),
            (true, false) => Poll::Pending,
        }
    }
}

impl Event {
    fn write(&self, text: &mut String) {
        let _ = writeln!(text, "event: {}", self.event);
        if let Some(id) = self.id {
            let _ = writeln!(text, "id: {id}");
        }
        // One character at a time is searched for by words, two are by characters.
        for line in self.data.split('\n').flat_map(|lines| lines.split('\r')) {
            let _ = writeln!(text, "data: {line}");
        }
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_its_fields_and_an_empty_line() {
        let mut text = String::new();
        Event { event: "gap", id: Some(7), data: r#"{"to":7}"#.to_owned() }.write(&mut text);
        assert_eq!(text, "event: gap\nid: 7\ndata: {\"to\":7}\n\n");
        text.clear();
        Event { event: "note", id: None, data: "a\nb\rc".to_owned() }.write(&mut text);
        assert_eq!(text, "event: note\ndata: a\ndata: b\ndata: c\n\n");
    }
}
