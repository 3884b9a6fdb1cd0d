//! A request after which the connection carries a command's own bytes, in both directions.

use std::time::Duration;

use bollard::{BollardRequest, body_full, errors::Error};
use bytes::{Bytes, BytesMut};
use hyper::{
    Request, StatusCode,
    header::{CONNECTION, CONTENT_TYPE, UPGRADE},
    upgrade,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use super::{
    Engine, EngineError,
    connection::{Connection, checked},
};

/// Longest wait until the engine lets the bytes through.
const LIMIT: Duration = Duration::from_secs(15);

/// Both directions of a connection, independent of each other.
pub(crate) struct Upgraded {
    pub(crate) read: Box<dyn AsyncRead + Send + Unpin>,
    /// A shutdown ends this direction only.
    pub(crate) write: Box<dyn AsyncWrite + Send + Unpin>,
    /// What came behind the head of the answer, before anything from `read`.
    pub(crate) ahead: BytesMut,
}

impl Engine {
    /// Posts JSON to a path, such as `/exec/ID/start`, and takes the connection over.
    ///
    /// # Errors
    ///
    /// The engine cannot be reached, refuses, does not answer within 15 s, or answers without
    /// letting the connection go.
    ///
    /// # Cancellation
    ///
    /// The engine may do what it was asked for, and nobody listens.
    pub(crate) async fn upgrade(&self, path: &str, body: &Value) -> Result<Upgraded, EngineError> {
        let connection = self.connection().await?;
        let upgraded = timeout(LIMIT, connection.upgrade(path, body)).await;
        let upgraded = upgraded.unwrap_or(Err(EngineError::TimedOut { after: LIMIT }));
        upgraded.map_err(|error| self.noted(error, &connection))
    }
}

impl Connection {
    async fn upgrade(&self, path: &str, body: &Value) -> Result<Upgraded, EngineError> {
        let request: BollardRequest = Request::post(format!("/v{}{path}", self.version))
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "tcp")
            .header(CONTENT_TYPE, "application/json")
            .body(body_full(Bytes::from(body.to_string())))
            .map_err(|error| EngineError::BadAnswer { reason: error.to_string() })?;
        let response = self.transport.send(request).await.map_err(|error| self.error(error))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let status = response.status();
            return Err(match checked(response, &self.transport).await {
                Err(error) => error,
                Ok(_) => EngineError::BadAnswer { reason: format!("{status} to an upgrade") },
            });
        }
        let upgraded = upgrade::on(response).await;
        let upgraded = upgraded.map_err(|err| self.error(Error::HyperResponseError { err }))?;
        let upgraded = match upgraded.downcast::<TokioIo<UnixStream>>() {
            Ok(parts) => {
                let (read, write) = parts.io.into_inner().into_split();
                return Ok(Upgraded {
                    read: Box::new(read),
                    write: Box::new(write),
                    ahead: parts.read_buf.into(),
                });
            }
            Err(other) => other,
        };
        match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => {
                let (read, write) = parts.io.into_inner().into_split();
                Ok(Upgraded {
                    read: Box::new(read),
                    write: Box::new(write),
                    ahead: parts.read_buf.into(),
                })
            }
            Err(_) => unreachable!("the transport has two kinds of streams"),
        }
    }
}
