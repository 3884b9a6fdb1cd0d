//! The operations as HTTP routes, relative to the API's root; each handler extracts, calls and
//! wraps, and decides nothing.

use agent_api::{
    ListTerminalsResponse, OpenTerminalRequest, TerminalId, TerminalServerMessage, close_codes,
    limits::MAX_TERMINAL_FRAME_BYTES, routes,
};
use agent_http::{
    Awaited, Close, Closed, Failure, Json, Message, Query, Ready, Reply, Upgrade, WebSocket,
};
use axum::{
    Router,
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, request::Parts},
    response::Response,
    routing::get,
};
use bytes::Bytes;
use serde::Deserialize;

use crate::{Attachment, End, Error, Input, Outgoing, Terminals};

/// Most bytes on their way to a client behind which nothing more is sent: few, because what is
/// there cannot be dropped any more.
const SENT_AHEAD: usize = 2 * MAX_TERMINAL_FRAME_BYTES;

/// The routes of the service, to be mounted under the API's root.
pub fn routes(terminals: Terminals) -> Router {
    let one = get(open_terminal).delete(close_terminal);
    Router::new()
        .route(routes::LIST_TERMINALS.relative(), get(list_terminals))
        .route(routes::OPEN_TERMINAL.relative(), one)
        .with_state(terminals)
}

async fn open_terminal(
    State(terminals): State<Terminals>,
    Id(id): Id,
    Query(req): Query<OpenTerminalRequest>,
    upgrade: Upgrade,
) -> Result<Response, Failure> {
    let attachment = terminals.open_terminal(id, req).await?;
    upgrade.on(|socket| talk(socket, attachment))
}

async fn list_terminals(
    State(terminals): State<Terminals>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Reply<ListTerminalsResponse> {
    Ok(Json(terminals.list_terminals()))
}

async fn close_terminal(
    State(terminals): State<Terminals>,
    Id(id): Id,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<StatusCode, Failure> {
    terminals.close_terminal(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct NoParameters {}

/// The id in the path.
struct Id(TerminalId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let text = Path::<String>::from_request_parts(parts, state).await.ok();
        let id = text.and_then(|Path(text)| text.parse().ok());
        Ok(Self(id.ok_or(Error::Id)?))
    }
}

/// Carries both ways until the terminal or the client ends.
async fn talk(mut socket: WebSocket, attachment: Attachment) {
    // A peer that is gone needs no close.
    if let Ok(close) = carry(&mut socket, attachment).await {
        socket.close(close);
    }
}

async fn carry(socket: &mut WebSocket, attachment: Attachment) -> Result<Close, Closed> {
    let Attachment { mut input, mut output } = attachment;
    // What may wait to be written when the next output is asked for.
    let mut ahead = SENT_AHEAD;
    loop {
        let (is_busy, unwritten) = (input.is_busy(), socket.unwritten());
        let has_room = unwritten <= ahead;
        let awaited = Awaited { message: !is_busy, unwritten: (!has_room).then_some(ahead) };
        tokio::select! {
            applied = input.apply(), if is_busy => if applied.is_err() {
                return Ok(Close::new(close_codes::INVALID_TEXT, "invalid message"));
            },
            ready = socket.ready(awaited) => match ready? {
                Ready::Message(message) => begin(&mut input, message),
                Ready::Written => {}
            },
            outgoing = output.next(), if has_room => {
                ahead = SENT_AHEAD;
                match outgoing {
                    Outgoing::Output(bytes) => socket.feed_binary(&[&bytes]).await?,
                    Outgoing::Message(message) => socket.feed_text(&json(&message)).await?,
                    Outgoing::Drain => ahead = 0,
                    Outgoing::End(end) => return Ok(close_of(end)),
                }
            },
        }
    }
}

fn begin(input: &mut Input, message: Message) {
    input.begin(match message {
        Message::Text(text) => Bytes::from(text),
        Message::Binary(bytes) => bytes,
    });
}

fn close_of(end: End) -> Close {
    match end {
        End::Exited => Close::new(close_codes::COMPLETE, "exited"),
        End::Closed => Close::new(close_codes::COMPLETE, "closed"),
        End::GoingAway => Close::new(close_codes::GOING_AWAY, "the agent is shutting down"),
        End::Failed => Close::internal("terminal failed"),
        End::TakenOver => Close::new(close_codes::TAKEN_OVER, "taken over"),
    }
}

fn json(message: &TerminalServerMessage) -> String {
    serde_json::to_string(message).expect("a message is plain data")
}
