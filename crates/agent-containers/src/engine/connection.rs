//! An engine that was found, and the version of its interface that both sides know.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bollard::{API_DEFAULT_VERSION, BollardRequest, ClientVersion, Docker, body_full};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{Request, Response, body::Incoming};
use serde_json::Value;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::{EngineError, EngineSource, address, transport::Transport};

/// Longest wait for the head of an answer to what is no listing: stopping waits for the container,
/// an archive for its end.
pub(super) const REQUEST_LIMIT: Duration = Duration::from_secs(10 * 60);

/// Longest wait for finding out the version.
const GREETING_LIMIT: Duration = Duration::from_secs(15);

/// Largest text of an answer that is not wanted.
const MAX_REFUSAL: usize = 64 * 1024;

/// A way to an engine and the version that is spoken.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) transport: Transport,
    pub(super) version: ClientVersion,
    pub(super) docker: Docker,
}

impl Connection {
    /// Chooses an engine and greets it.
    pub(super) async fn open(
        source: &EngineSource,
        tasks: &TaskTracker,
    ) -> Result<Arc<Self>, EngineError> {
        let address = address::choose(source).await?;
        let transport = Transport { address, tasks: tasks.clone() };
        let greeting = greet(&transport);
        let version = timeout(GREETING_LIMIT, greeting)
            .await
            .map_err(|_| EngineError::TimedOut { after: GREETING_LIMIT })??;
        let way = transport.clone();
        let send = move |request| {
            let way = way.clone();
            async move { way.send(request).await }
        };
        let docker = Docker::connect_with_custom_transport(
            send,
            Some("http://localhost"),
            REQUEST_LIMIT.as_secs(),
            &version,
        )
        .map_err(|error| transport.error(error))?;
        tracing::info!(engine = %transport.address, version = %version, "container engine found");
        Ok(Arc::new(Self { transport, version, docker }))
    }

    /// Where the engine is.
    pub(super) fn address(&self) -> String {
        self.transport.address.to_string()
    }

    /// Asks for `path`, such as `/containers/json?all=1`, and answers when the head is there.
    pub(super) async fn get(&self, path: &str) -> Result<Response<Incoming>, EngineError> {
        get(&self.transport, &format!("/v{}{path}", self.version)).await
    }

    /// Asks for a JSON text of at most `limit` bytes.
    pub(super) async fn json(&self, path: &str, limit: usize) -> Result<Value, EngineError> {
        json(self.get(path).await?, limit, &self.transport).await
    }

    /// Says an error of the client in our words.
    pub(super) fn error(&self, error: bollard::errors::Error) -> EngineError {
        self.transport.error(error)
    }
}

impl Transport {
    fn error(&self, error: bollard::errors::Error) -> EngineError {
        EngineError::new(error, &self.address.to_string(), REQUEST_LIMIT)
    }
}

/// Finds out the version to speak: the newest that both know.
async fn greet(transport: &Transport) -> Result<ClientVersion, EngineError> {
    let started = Instant::now();
    let answer = json(get(transport, "/version").await?, 1024 * 1024, transport).await?;
    let text = answer["ApiVersion"].as_str().unwrap_or_default();
    let version = text.split_once('.').and_then(|(major, minor)| {
        Some(ClientVersion {
            major_version: major.parse().ok()?,
            minor_version: minor.parse().ok()?,
        })
    });
    let Some(version) = version else {
        return Err(EngineError::BadAnswer { reason: format!("its version is {text:?}") });
    };
    tracing::debug!(took = ?started.elapsed(), version = %version, "container engine greeted");
    Ok(if version < *API_DEFAULT_VERSION { version } else { *API_DEFAULT_VERSION })
}

async fn get(transport: &Transport, path: &str) -> Result<Response<Incoming>, EngineError> {
    let request: BollardRequest = Request::get(path)
        .body(body_full(Bytes::new()))
        .map_err(|error| EngineError::BadAnswer { reason: error.to_string() })?;
    checked(transport.send(request).await.map_err(|error| transport.error(error))?, transport).await
}

/// An answer, unless it is a refusal.
pub(super) async fn checked(
    response: Response<Incoming>,
    transport: &Transport,
) -> Result<Response<Incoming>, EngineError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = bytes(response, MAX_REFUSAL, transport).await.unwrap_or_default();
    let message = match serde_json::from_slice::<Value>(&body) {
        Ok(value) => value["message"].as_str().unwrap_or_default().to_owned(),
        Err(_) => String::from_utf8_lossy(&body).trim().to_owned(),
    };
    Err(EngineError::status(status.as_u16(), message, transport.address.to_string()))
}

async fn json(
    response: Response<Incoming>,
    limit: usize,
    transport: &Transport,
) -> Result<Value, EngineError> {
    let bytes = bytes(response, limit, transport).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| EngineError::BadAnswer { reason: format!("no JSON: {error}") })
}

async fn bytes(
    response: Response<Incoming>,
    limit: usize,
    transport: &Transport,
) -> Result<Bytes, EngineError> {
    match Limited::new(response.into_body(), limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(EngineError::BadAnswer { reason: format!("longer than {limit} bytes") })
        }
        Err(error) => Err(match error.downcast::<hyper::Error>() {
            Ok(err) => transport.error(bollard::errors::Error::HyperResponseError { err: *err }),
            Err(error) => EngineError::BadAnswer { reason: error.to_string() },
        }),
    }
}
