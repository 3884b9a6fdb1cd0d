//! From a request to an open WebSocket, and to its end on the server's tasks (RFC 6455 section 4.2).

use std::{future::poll_fn, panic::AssertUnwindSafe, sync::Arc, task::Poll, time::Duration};

use agent_api::{Classify, ErrorCode};
use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header, request::Parts,
};
use hyper::upgrade::OnUpgrade;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span};
use tungstenite::handshake::derive_accept_key;

use super::{Close, Connection, WebSocket};
use crate::{
    Failure,
    serve::{END_TIMEOUT, OpenStream, StreamHost},
};

/// Longest time from the answer 101 to the stream being ours.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time that a peer who was refused a message may go on sending, and that a stream may take
/// to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// A request that asks for a WebSocket.
///
/// Extracted from a `GET` over HTTP/1.1 with a sound handshake of version 13; every other request is
/// refused with 426. Neither extensions nor subprotocols are negotiated. The handler can still answer
/// with any status; [`Upgrade::on`] answers 101.
pub struct Upgrade {
    accept: HeaderValue,
    upgrade: OnUpgrade,
    host: StreamHost,
}

/// The route is a WebSocket's and the request does not ask for one.
#[derive(Debug)]
pub(crate) struct UpgradeRequired;

impl Upgrade {
    /// Answers 101 and runs `talk` with the WebSocket, as a task of the server.
    ///
    /// When the future ends, or panics, the WebSocket is closed. At the server's stop the future is
    /// dropped at its await and the WebSocket closes with 1001. The task, and with it the stream's
    /// place, ends when the connection has.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::ResourceExhausted`] when as many streams are open as may be.
    pub fn on<F, T>(self, talk: F) -> Result<Response, Failure>
    where
        F: FnOnce(WebSocket) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let open = self.host.open()?;
        let streams = Arc::clone(&self.host.streams);
        let span = info_span!("http.websocket", operation = self.host.operation);
        let abort = streams.abort.clone();
        let work = serve(self.host, open, self.upgrade, talk).instrument(span);
        streams.tasks.spawn(async move {
            abort.run_until_cancelled(work).await;
        });
        let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept);
        Ok(response)
    }
}

async fn serve<F, T>(host: StreamHost, open: OpenStream, upgrade: OnUpgrade, talk: F)
where
    F: FnOnce(WebSocket) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let upgraded = match tokio::time::timeout(UPGRADE_TIMEOUT, upgrade).await {
        Ok(Ok(upgraded)) => upgraded,
        // The client left before it read the answer.
        Ok(Err(_)) | Err(_) => return,
    };
    let stop = &host.streams.stop;
    let (socket, home) = WebSocket::new(Box::new(Connection::new(upgraded)));
    let work = Box::pin(AssertUnwindSafe(async move { talk(socket).await }).catch_unwind());
    let forced = tokio::select! {
        biased;
        ended = work => ended.is_err().then(|| panicked(&host)),
        () = stop.cancelled() => Some(Close::going_away()),
    };
    let Some((connection, close)) = home.lock().take() else { return };
    finish(connection, forced.unwrap_or(close), stop).await;
    drop(open);
}

fn panicked(host: &StreamHost) -> Close {
    // The panic hook has logged where; this says which operation it cost.
    tracing::error!(operation = host.operation, "the handler of a WebSocket panicked");
    Close::internal("the agent failed")
}

/// Writes what is left and the close, and waits for the peer's.
async fn finish(mut connection: Box<Connection>, close: Close, stop: &CancellationToken) {
    connection.close(close);
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(END_TIMEOUT).await;
    };
    let end = async {
        wait(&mut connection, |connection| connection.is_written()).await;
        // Closing the stream first would reset it under a peer that still sends, and it would lose
        // what it has not read. One that is silent is given up by the connection.
        let is_broken = connection.is_broken();
        let is_over = wait(&mut connection, |connection| connection.is_over());
        if is_broken {
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, is_over).await;
        } else {
            is_over.await;
        }
        let shutdown = poll_fn(|cx| connection.poll_shutdown(cx));
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, shutdown).await;
    };
    tokio::select! {
        () = end => {}
        () = overdue => {}
    }
}

async fn wait(connection: &mut Connection, done: impl Fn(&mut Connection) -> bool) {
    poll_fn(|cx| {
        connection.poll_io(cx);
        if done(connection) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let accept = check(parts).ok_or(UpgradeRequired)?;
        let upgrade = parts.extensions.remove::<OnUpgrade>().ok_or(UpgradeRequired)?;
        let host = match StreamHost::from_request_parts(parts, state).await {
            Ok(host) => host,
            Err(never) => match never {},
        };
        Ok(Self { accept, upgrade, host })
    }
}

/// Checks a handshake and answers the value of `Sec-WebSocket-Accept`.
fn check(parts: &Parts) -> Option<HeaderValue> {
    let headers = &parts.headers;
    let is_sound = parts.method == Method::GET
        && parts.version == Version::HTTP_11
        && has_token(headers, &header::CONNECTION, "upgrade")
        && has_token(headers, &header::UPGRADE, "websocket")
        && single(headers, &header::SEC_WEBSOCKET_VERSION).is_some_and(|value| value == "13");
    let key = single(headers, &header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes()));
    let key = key.filter(|_| is_sound)?;
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()
}

/// Whether a list of tokens has this one, in any case.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(token))
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Whether this is the Base64 of 16 bytes.
fn is_key(key: &[u8]) -> bool {
    let is_digit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    key.strip_suffix(b"==").is_some_and(|digits| digits.len() == 22 && digits.iter().all(is_digit))
}

impl std::fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upgrade").field("host", &self.host).finish_non_exhaustive()
    }
}

impl std::fmt::Display for UpgradeRequired {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("this route is a WebSocket: GET over HTTP/1.1 with a handshake of version 13")
    }
}

impl std::error::Error for UpgradeRequired {}

impl Classify for UpgradeRequired {
    fn code(&self) -> ErrorCode {
        ErrorCode::UpgradeRequired
    }
}
