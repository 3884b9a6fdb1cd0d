//! The operations as HTTP routes, relative to the API's root; each handler extracts, calls and
//! wraps, and decides nothing.

mod events;
mod forward;

use std::convert::Infallible;

use agent_api::{
    BODY_END_BYTES_HEADER, BODY_START_BYTES_HEADER, CloseProcessInputResponse,
    DeleteProcessResponse, GetProcessOutputRequest, GetProcessOutputResponse,
    JOURNAL_END_BYTES_HEADER, JOURNAL_START_BYTES_HEADER, ListProcessesRequest,
    ListProcessesResponse, OUTPUT_CLOSED_HEADER, ProcessId, ProcessRecord, RUNNING_HEADER,
    ReadProcessOutputRequest, SignalProcessRequest, SignalProcessResponse, StartProcessRequest,
    StartProcessResponse, StreamProcessOutputRequest, StreamStart, TerminalSize,
    WriteProcessInputRequest, WriteProcessInputResponse, limits::MAX_PROCESS_INPUT_BYTES, routes,
};
use agent_http::{Body, Chat, Failure, Json, Query, Reply, Streaming, Waiting};
use axum::{
    Router,
    extract::{FromRequest, FromRequestParts, Path, Request, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use http::{HeaderName, HeaderValue, header, request::Parts};
use serde::Deserialize;

use crate::{Error, InputError, OutputError, Processes, ReadProcessOutputResponse, random_id};

/// Largest input that waits for its process without keeping its place among the requests in work;
/// so that those who wait hold little memory.
const SMALL_INPUT_BYTES: usize = 64 * 1024;

/// The routes of the service, to be mounted under the API's root.
pub fn routes(processes: Processes) -> Router {
    Router::new()
        .route(routes::START_PROCESS.relative(), post(start_process))
        .route(routes::LIST_PROCESSES.relative(), get(list_processes))
        .route(routes::GET_PROCESS.relative(), get(get_process).delete(delete_process))
        .route(routes::GET_PROCESS_OUTPUT.relative(), get(get_process_output))
        .route(routes::READ_PROCESS_OUTPUT.relative(), get(read_process_output))
        .route(routes::STREAM_PROCESS_OUTPUT.relative(), get(stream_process_output))
        .route(routes::WRITE_PROCESS_INPUT.relative(), post(write_process_input))
        .route(routes::CLOSE_PROCESS_INPUT.relative(), post(close_process_input))
        .route(routes::RESIZE_PROCESS.relative(), post(resize_process))
        .route(routes::SIGNAL_PROCESS.relative(), post(signal_process))
        .with_state(processes)
}

async fn start_process(
    State(processes): State<Processes>,
    Chat(caller): Chat,
    Body(req): Body<StartProcessRequest>,
) -> Reply<StartProcessResponse> {
    Ok(Json(processes.start_process(&caller, req).await?))
}

async fn list_processes(
    State(processes): State<Processes>,
    Chat(caller): Chat,
    Query(req): Query<ListProcessesRequest>,
) -> Reply<ListProcessesResponse> {
    Ok(Json(processes.list_processes(&caller, req).await?))
}

async fn get_process(
    State(processes): State<Processes>,
    Chat(caller): Chat,
    Query(NoParameters {}): Query<NoParameters>,
    Id(id): Id,
) -> Reply<ProcessRecord> {
    Ok(Json(processes.get_process(&caller, id).await?))
}

async fn get_process_output(
    State(processes): State<Processes>,
    Chat(caller): Chat,
    Query(req): Query<GetProcessOutputRequest>,
    Id(id): Id,
    waiting: Waiting,
) -> Reply<GetProcessOutputResponse> {
    let waiting = waiting.when(req.wait);
    Ok(Json(waiting.during(processes.get_process_output(&caller, id, req)).await?))
}

async fn read_process_output(
    State(processes): State<Processes>,
    Chat(caller): Chat,
    Query(req): Query<ReadProcessOutputRequest>,
    Id(id): Id,
    waiting: Waiting,
) -> Result<Response, Response> {
    let waiting = waiting.when(req.wait);
    let read = waiting.during(processes.read_process_output(&caller, id, req)).await;
    read.map(bytes).map_err(not_read)
}

async fn stream_process_output(
    State(processes): State<Processes>,
    Chat(caller): Chat,
    Query(mut req): Query<StreamProcessOutputRequest>,
    Id(id): Id,
    streaming: Streaming,
) -> Result<Response, Failure> {
    req.from = last_event(streaming.last_event_id())?.unwrap_or(req.from);
    let output = processes.stream_process_output(&caller, id, req).await?;
    match streaming {
        Streaming::WebSocket(upgrade) => upgrade.on(|socket| forward::forward(socket, output)),
        Streaming::Events(events) => events.of(events::events(output)),
    }
}

async fn write_process_input(
    State(processes): State<Processes>,
    Chat(caller): Chat,
    Query(req): Query<WriteProcessInputRequest>,
    Id(id): Id,
    waiting: Waiting,
    Input(body): Input,
) -> Reply<WriteProcessInputResponse> {
    let waiting = waiting.when(body.len() <= SMALL_INPUT_BYTES);
    Ok(Json(waiting.during(processes.write_process_input(&caller, id, req, body)).await?))
}

async fn close_process_input(
    State(processes): State<Processes>,
    Chat(caller): Chat,
    Query(NoParameters {}): Query<NoParameters>,
    Id(id): Id,
    waiting: Waiting,
) -> Reply<CloseProcessInputResponse> {
    Ok(Json(waiting.during(processes.close_process_input(&caller, id)).await?))
}

async fn resize_process(
    State(processes): State<Processes>,
    Chat(caller): Chat,
    Id(id): Id,
    Body(size): Body<TerminalSize>,
) -> Reply<TerminalSize> {
    Ok(Json(processes.resize_process(&caller, id, size).await?))
}

async fn signal_process(
    State(processes): State<Processes>,
    Chat(caller): Chat,
    Id(id): Id,
    Body(req): Body<SignalProcessRequest>,
) -> Reply<SignalProcessResponse> {
    Ok(Json(processes.signal_process(&caller, id, req).await?))
}

async fn delete_process(
    State(processes): State<Processes>,
    Chat(caller): Chat,
    Query(NoParameters {}): Query<NoParameters>,
    Id(id): Id,
) -> Reply<DeleteProcessResponse> {
    Ok(Json(processes.delete_process(&caller, id).await?))
}

/// The query of a route that has no parameters.
#[derive(Deserialize)]
struct NoParameters {}

/// The id in the path.
///
/// Text that is no id is refused by the operation, in its order of checks: it reads as an id that
/// nothing has.
struct Id(ProcessId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let text = Path::<String>::from_request_parts(parts, state).await.ok();
        let id = text.and_then(|Path(text)| text.parse().ok());
        Ok(Self(id.unwrap_or_else(random_id)))
    }
}

/// A body of raw bytes that go into an input.
struct Input(Bytes);

impl<S: Send + Sync> FromRequest<S> for Input {
    type Rejection = Failure;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Failure> {
        let mut body = request.into_body().into_data_stream();
        let mut bytes = BytesMut::new();
        while let Some(more) = body.try_next().await.map_err(incomplete)? {
            if bytes.len() + more.len() > MAX_PROCESS_INPUT_BYTES {
                let error = InputError::TooLarge { max: MAX_PROCESS_INPUT_BYTES };
                return Err(Error::from(error).into());
            }
            bytes.extend_from_slice(&more);
        }
        Ok(Self(bytes.freeze()))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "fits `map_err`")]
fn incomplete(error: axum::Error) -> Error {
    let reason = format!("the body did not arrive completely: {error}");
    Error::Argument { field: "body", reason }
}

/// Where a client that was here before goes on.
fn last_event(id: Option<&str>) -> Result<Option<StreamStart>, Error> {
    let Some(id) = id.filter(|id| !id.is_empty()) else { return Ok(None) };
    match id.parse() {
        Ok(from @ StreamStart::Offset(_)) => Ok(Some(from)),
        _ => {
            let reason = "the value must be an offset".to_owned();
            Err(Error::Argument { field: "Last-Event-ID", reason })
        }
    }
}

fn bytes(read: ReadProcessOutputResponse) -> Response {
    let headers = [
        (header::CONTENT_LENGTH.as_str(), read.end - read.start),
        (BODY_START_BYTES_HEADER, read.start),
        (BODY_END_BYTES_HEADER, read.end),
        (JOURNAL_START_BYTES_HEADER, read.journal_start),
        (JOURNAL_END_BYTES_HEADER, read.journal_end),
    ];
    let flags = [(RUNNING_HEADER, read.running), (OUTPUT_CLOSED_HEADER, read.output_closed)];
    let mut response = Response::new(axum::body::Body::from_stream(read.body.into_stream()));
    let octets = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, octets);
    for (name, value) in headers {
        set(&mut response, name, value.into());
    }
    for (name, value) in flags {
        set(&mut response, name, HeaderValue::from_static(if value { "true" } else { "false" }));
    }
    response
}

fn not_read(error: Error) -> Response {
    let next = match &error {
        Error::Output(OutputError::Forgotten { next, .. }) => Some(*next),
        _ => None,
    };
    let mut response = Failure::from(error).into_response();
    if let Some(next) = next {
        set(&mut response, JOURNAL_START_BYTES_HEADER, next.into());
    }
    response
}

fn set(response: &mut Response, name: &str, value: HeaderValue) {
    let name = HeaderName::try_from(name).expect("the protocol's names are sound");
    response.headers_mut().insert(name, value);
}
