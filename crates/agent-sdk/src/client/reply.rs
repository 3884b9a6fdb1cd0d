//! A response as an operation reads it: a result, a stream, or the error that the agent tells; not
//! what a particular operation makes of it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use agent_api::{ErrorBody, ErrorCode};
use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_util::StreamExt;
use http::{HeaderMap, Response, StatusCode, header};
use http_body::Body;
use hyper::{body::Incoming, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::upload::Progress;
use crate::{
    ByteStream, Error, PingPath,
    transport::{BoxedStream, Connection, Pool, Wire},
    until::{Until, closed},
};

/// Largest JSON answer: what a directory of a million entries needs, and not what fills a machine.
const MAX_JSON_BYTES: u64 = 512 * 1024 * 1024;
/// Largest body of a failure that is read; an edit of a thousand files may explain each.
const MAX_ERROR_BYTES: usize = 4 * 1024 * 1024;
/// How much of a failure's body is shown when it is not the error object.
const ERROR_EXCERPT_BYTES: usize = 1024;

/// A response whose body is still to be read.
pub(crate) struct Reply {
    operation: &'static str,
    response: Response<Incoming>,
    hold: Hold,
    stop: CancellationToken,
}

/// What a response keeps from others until it is read.
pub(crate) enum Hold {
    /// A connection of its own, closed unless the exchange came to its end.
    Own { pool: Arc<Pool>, connection: Connection, upload: Arc<Progress> },
    /// Nothing: the connection is shared.
    Shared,
}

impl Reply {
    pub(crate) fn new(
        operation: &'static str,
        response: Response<Incoming>,
        hold: Hold,
        stop: CancellationToken,
    ) -> Self {
        Self { operation, response, hold, stop }
    }

    pub(crate) fn operation(&self) -> &'static str {
        self.operation
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// How the agent was reached.
    pub(crate) fn path(&self) -> PingPath {
        match &self.hold {
            Hold::Own { connection, .. } => connection.path().clone(),
            Hold::Shared => PingPath::Local,
        }
    }

    /// Goes on with a 200 only.
    pub(crate) async fn success(self) -> Result<Self, Error> {
        match self.status() {
            StatusCode::OK => Ok(self),
            _ => Err(self.refused().await),
        }
    }

    /// The error that any status but the success is.
    pub(crate) async fn refused(self) -> Error {
        let status = self.status();
        let operation = self.operation;
        let Some(code) = ErrorCode::from_status(status.as_u16()) else {
            let why = if status.is_redirection() { ", and redirects are not followed" } else { "" };
            return Error::protocol(operation, format!("unexpected status {status}{why}"));
        };
        let stop = self.stop.clone();
        let body = read_some(self.stream()).await;
        if stop.is_cancelled() {
            return closed();
        }
        let told = error_body(&body).unwrap_or_else(|| ErrorBody {
            message: phrase(status),
            detail: excerpt(&body),
            validations: Vec::new(),
        });
        let ErrorBody { message, detail, validations: fields } = told;
        Error::Api { operation, code, message, detail, fields }
    }

    /// Reads a success as JSON.
    pub(crate) async fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        self.success().await?.object().await
    }

    /// Reads a 202 as JSON.
    pub(crate) async fn accepted<T: DeserializeOwned>(self) -> Result<T, Error> {
        match self.status() {
            StatusCode::ACCEPTED => self.object().await,
            _ => Err(self.refused().await),
        }
    }

    async fn object<T: DeserializeOwned>(self) -> Result<T, Error> {
        let operation = self.operation;
        let body = self.stream().collect(MAX_JSON_BYTES).await?;
        parse_object(&body).map_err(|why| Error::protocol(operation, why))
    }

    /// Reads a success as text; what is not UTF-8 shows as U+FFFD.
    pub(crate) async fn text(self, limit_bytes: u64) -> Result<String, Error> {
        let body = self.success().await?.stream().collect(limit_bytes).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Takes an upgraded connection out of HTTP.
    pub(crate) async fn upgrade(self) -> Result<Upgraded, Error> {
        hyper::upgrade::on(self.response).await.map_err(|error| super::lost(&error))
    }

    /// The same, down to the stream that was dialed, with the bytes that came behind the head.
    pub(crate) async fn upgrade_raw(self) -> Result<(BoxedStream, Bytes), Error> {
        let upgraded = self.upgrade().await?;
        Ok(match upgraded.downcast::<TokioIo<Wire>>() {
            Ok(parts) => (parts.io.into_inner().into_inner(), parts.read_buf),
            Err(upgraded) => (Box::new(TokioIo::new(upgraded)), Bytes::new()),
        })
    }

    /// Goes on with a 204 only, and reads nothing more.
    pub(crate) async fn no_content(self) -> Result<(), Error> {
        if self.status() != StatusCode::NO_CONTENT {
            return Err(self.refused().await);
        }
        self.finish().await;
        Ok(())
    }

    /// Reads the few bytes of a body that does not matter, which frees the connection.
    pub(crate) async fn finish(self) {
        read_some(self.stream()).await;
    }

    /// Reads the body as it comes.
    pub(crate) fn stream(self) -> ByteStream {
        let length = content_length(self.headers());
        let body = self.response.into_body();
        let download = Download { body, hold: Some(self.hold) };
        ByteStream::from_stream(Until::new(download, self.stop)).with_length(length)
    }
}

pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads what there is up to [`MAX_ERROR_BYTES`]: a status counts even when its explanation is
/// lost on the way.
async fn read_some(mut body: ByteStream) -> BytesMut {
    let mut read = BytesMut::new();
    while let Some(Ok(chunk)) = body.next().await {
        read.extend_from_slice(&chunk);
        if read.len() > MAX_ERROR_BYTES {
            break;
        }
    }
    read
}

/// Reads one JSON object. A list would do for serde too, and is not what the protocol has.
fn parse_object<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    match body.trim_ascii_start().first() {
        Some(b'{') => serde_json::from_slice(body).map_err(|error| error.to_string()),
        _ => Err("the answer is not a JSON object".to_owned()),
    }
}

fn error_body(body: &[u8]) -> Option<ErrorBody> {
    parse_object(body).ok()
}

/// The standard phrase of a status, such as `Bad Gateway`.
fn phrase(status: StatusCode) -> String {
    let known = status.canonical_reason().map(str::to_owned);
    known.unwrap_or_else(|| format!("Status {}", status.as_u16()))
}

fn excerpt(body: &[u8]) -> Option<String> {
    let start = &body[..body.len().min(ERROR_EXCERPT_BYTES)];
    (!start.is_empty()).then(|| String::from_utf8_lossy(start).into_owned())
}

/// A body as a stream: at its end its connection is free again, before it the connection is closed.
struct Download {
    body: Incoming,
    /// `None` when the body has ended.
    hold: Option<Hold>,
}

impl Download {
    fn release(&mut self) {
        if let Some(Hold::Own { pool, connection, upload }) = self.hold.take()
            && upload.is_complete()
        {
            pool.release(connection);
        }
    }
}

impl Stream for Download {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(Pin::new(&mut self.body).poll_frame(ctx)) {
                Some(Ok(frame)) => {
                    // Trailers say nothing in this protocol.
                    if let Ok(bytes) = frame.into_data()
                        && !bytes.is_empty()
                    {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(super::lost(&error)))),
                None => {
                    self.release();
                    return Poll::Ready(None);
                }
            }
        }
    }
}
