//! Reads the answers of processes that are more than one JSON object; not the bytes' meaning.

use agent_api::{
    BODY_END_BYTES_HEADER, BODY_START_BYTES_HEADER, JOURNAL_END_BYTES_HEADER,
    JOURNAL_START_BYTES_HEADER, OUTPUT_CLOSED_HEADER, ProcessId, RUNNING_HEADER,
    ReadProcessOutputRequest, Route, StreamProcessOutputRequest, limits::MAX_PROCESS_READ_BYTES,
    routes,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{AgentClient, Transport, call::Call, reply::Reply};
use crate::{
    ByteStream, Error, OutputBytes, ProcessStream, ReadOutput, processes::read_events,
    transport::Limits, until::Until,
};

const EVENT_STREAM: &str = "text/event-stream";

/// A request about one process.
pub(super) fn of_process(route: Route, id: ProcessId) -> Call {
    Call::with_segment(route, &id.to_string())
}

/// Makes a result of a 200, or of a 410 that says where to go on.
///
/// # Errors
///
/// [`Error::Protocol`] for headers that do not fit the body or each other.
pub(super) async fn read_output(
    reply: Reply,
    request: &ReadProcessOutputRequest,
) -> Result<ReadOutput, Error> {
    let operation = reply.operation();
    let from = request.from;
    if reply.status() == StatusCode::GONE
        && let Some(to) = number(reply.headers(), JOURNAL_START_BYTES_HEADER)
    {
        reply.finish().await;
        if to <= from {
            let why = format!("the bytes from {from} are gone, and the next ones are at {to}");
            return Err(Error::protocol(operation, why));
        }
        return Ok(ReadOutput::Gap { from, to });
    }
    let reply = reply.success().await?;
    let place = Place::of(reply.headers())
        .ok_or_else(|| Error::protocol(operation, "bytes without their offsets"))?;
    let bytes = reply.stream().collect(MAX_PROCESS_READ_BYTES).await?;
    let Place { start, end, journal_start, journal_end, running, output_closed } = place;
    let output =
        OutputBytes { offset: start, bytes, journal_start, journal_end, running, output_closed };
    if start < from || end.checked_sub(start) != u64::try_from(output.bytes.len()).ok() {
        let length = output.bytes.len();
        let why = format!("{length} bytes after {from} are said to be those from {start} to {end}");
        return Err(Error::protocol(operation, why));
    }
    Ok(ReadOutput::Bytes(output))
}

/// What the headers say of the bytes and their stream.
struct Place {
    start: u64,
    end: u64,
    journal_start: u64,
    journal_end: u64,
    running: bool,
    output_closed: bool,
}

impl Place {
    fn of(headers: &HeaderMap) -> Option<Self> {
        Some(Self {
            start: number(headers, BODY_START_BYTES_HEADER)?,
            end: number(headers, BODY_END_BYTES_HEADER)?,
            journal_start: number(headers, JOURNAL_START_BYTES_HEADER)?,
            journal_end: number(headers, JOURNAL_END_BYTES_HEADER)?,
            running: flag(headers, RUNNING_HEADER)?,
            output_closed: flag(headers, OUTPUT_CLOSED_HEADER)?,
        })
    }
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

fn flag(headers: &HeaderMap, name: &str) -> Option<bool> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

impl AgentClient {
    /// Streams by WebSocket; as an event stream where none can be had: over HTTP/2, and through a
    /// proxy that reads requests.
    pub(super) async fn stream_output(
        &self,
        id: ProcessId,
        request: StreamProcessOutputRequest,
    ) -> Result<ProcessStream, Error> {
        let call = of_process(routes::STREAM_PROCESS_OUTPUT, id).query(&request);
        let operation = call.operation;
        match &self.inner.transport {
            Transport::Pool(pool) if !pool.has_forward_proxy() => {
                let limits = Limits { received: self.inner.max_message_bytes, sent: 0 };
                let (_, messages) = self.open_websocket(pool, call, limits).await?;
                let messages = Until::new(messages, self.inner.stop.clone());
                Ok(ProcessStream::from_messages(operation, messages, request.from))
            }
            Transport::Pool(_) | Transport::Shared(_) => {
                let body = self.open_event_stream(call).await?;
                let items = read_events(operation, body, self.inner.max_message_bytes);
                Ok(ProcessStream::in_order(operation, items, request.from))
            }
        }
    }

    async fn open_event_stream(&self, call: Call) -> Result<ByteStream, Error> {
        let operation = call.operation;
        let accept = HeaderValue::from_static(EVENT_STREAM);
        let call = call.long().headers(HeaderMap::from_iter([(header::ACCEPT, accept)]));
        let reply = self.exchange(call).await?.success().await?;
        let media_type = reply.headers().get(header::CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        if media_type.split(';').next().map(str::trim) != Some(EVENT_STREAM) {
            return Err(Error::protocol(operation, format!("`{media_type}` is no event stream")));
        }
        Ok(reply.stream())
    }
}
