//! The client of a real agent: sends a call, once or where that is safe twice, and gives the
//! response; not what the operations mean.

mod call;
mod containers;
mod content;
mod git;
mod operations;
mod origin;
mod processes;
mod reply;
mod terminals;
mod tunnel;
mod upload;
mod websocket;

use std::{fmt, sync::Arc, time::Duration};

use http::HeaderMap;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use self::{
    call::Call,
    origin::Origin,
    reply::{Hold, Reply},
};
pub(crate) use self::{reply::content_length, upload::Upload};
use crate::{
    Config, Error, Target,
    headers::check_extra_headers,
    transport::{Dialer, Failure, Pool, Shared, Way},
    until::closed,
};

/// An [`AgentConn`](crate::AgentConn) to a running agent over HTTP.
///
/// Cheap to clone; clones share connections, headers and [`close`](crate::AgentConn::close).
/// Connections are made when a call needs one, and when the last clone and the last stream are
/// dropped, the unused ones are closed. `Debug` shows the address and no token.
#[derive(Clone)]
pub struct AgentClient {
    inner: Arc<Inner>,
}

struct Inner {
    /// How the target calls itself, for people.
    name: String,
    origin: Origin,
    transport: Transport,
    extra_headers: Mutex<Arc<HeaderMap>>,
    request_timeout: Option<Duration>,
    max_message_bytes: u64,
    stop: CancellationToken,
}

enum Transport {
    Pool(Arc<Pool>),
    Shared(Shared),
}

impl AgentClient {
    /// Checks a target and settings, and sends nothing.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for an extra header that belongs to the transport, a proxy that
    /// is none for HTTP, and an `https:` target in a build without the feature `tls`.
    ///
    /// ```
    /// use agent_sdk::{AgentClient, Config, Target};
    ///
    /// let target: Target = "unix:/run/agentd.sock".parse()?;
    /// let agent = AgentClient::connect(target, Config::default())?;
    /// # Ok::<(), agent_sdk::Error>(())
    /// ```
    pub fn connect(target: Target, config: Config) -> Result<Self, Error> {
        let dialer = Dialer::new(&target)?;
        let origin = Origin::of_target(&target, dialer.forward_proxy())?;
        let stop = CancellationToken::new();
        let pool = Pool::new(Way::Target(dialer), &config, stop.clone());
        Self::new(target.to_string(), origin, Transport::Pool(Arc::new(pool)), config, stop)
    }

    /// Speaks HTTP/2 over one stream to an agent's listener, such as one end of a `duplex`.
    ///
    /// Calls share the stream and still run at the same time. It is used from the first call on;
    /// when it ends, so does the client. There is no token.
    pub fn from_stream(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self::from_stream_with(stream, Config::default()).expect("the default has no extra headers")
    }

    /// [`from_stream`](Self::from_stream) with settings; `idle_timeout` has no effect.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for an extra header that belongs to the transport.
    pub fn from_stream_with(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        config: Config,
    ) -> Result<Self, Error> {
        let stop = CancellationToken::new();
        let shared = Shared::new(Box::new(stream), config.connect_timeout, stop.clone());
        Self::new(
            "a stream".to_owned(),
            Origin::of_stream(),
            Transport::Shared(shared),
            config,
            stop,
        )
    }

    fn new(
        name: String,
        origin: Origin,
        transport: Transport,
        config: Config,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        check_extra_headers(&config.extra_headers)?;
        let extra_headers = Mutex::new(Arc::new(config.extra_headers));
        let inner = Inner {
            name,
            origin,
            transport,
            extra_headers,
            request_timeout: config.request_timeout,
            max_message_bytes: config.max_message_bytes,
            stop,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// How the agent is called where a person reads it.
    pub(crate) fn name(&self) -> &str {
        &self.inner.name
    }

    /// Sends a call and gives the head of its response, whatever its status.
    async fn exchange(&self, call: Call) -> Result<Reply, Error> {
        let operation = call.operation;
        let work = async {
            match self.inner.request_timeout {
                None => self.inner.send(call).await,
                Some(after) => tokio::time::timeout(after, self.inner.send(call))
                    .await
                    .unwrap_or(Err(Error::Timeout { operation, after })),
            }
        };
        self.unless_closed(work).await
    }

    /// Does some work that [`close`](crate::AgentConn::close) ends.
    async fn unless_closed<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let stop = &self.inner.stop;
        match stop.run_until_cancelled(work).await {
            // A call that lost its connection to `close` says so.
            Some(result) if !stop.is_cancelled() || result.is_ok() => result,
            _ => Err(closed()),
        }
    }
}

impl Inner {
    async fn send(&self, call: Call) -> Result<Reply, Error> {
        let extra = Arc::clone(&self.extra_headers.lock());
        match &self.transport {
            Transport::Pool(pool) => self.send_pooled(pool, call, &extra).await,
            Transport::Shared(shared) => self.send_shared(shared, call, &extra).await,
        }
    }

    /// Sends over a connection that was kept, else over a new one.
    ///
    /// A kept connection may turn out to be dead. When the request was not begun on it, another
    /// one takes its place. When it was, and no byte of a response came, it is sent once more on a
    /// new connection if it may be made twice.
    async fn send_pooled(
        &self,
        pool: &Arc<Pool>,
        mut call: Call,
        extra: &HeaderMap,
    ) -> Result<Reply, Error> {
        let operation = call.operation;
        let mut kept = if call.is_long() { None } else { pool.take() };
        loop {
            let request = call.request(&self.origin, extra)?;
            let upload = request.body().progress();
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => pool.fresh(operation).await?,
            };
            match connection.send(request).await {
                Ok(response) => {
                    let hold = Hold::Own { pool: Arc::clone(pool), connection, upload };
                    return Ok(Reply::new(operation, response, hold, self.stop.clone()));
                }
                Err(Failure::Unsent(request)) if connection.is_reused() => {
                    call.restore(request);
                    kept = pool.take();
                }
                // Only a kept connection gets here, and the next one is new, so this happens once.
                Err(Failure::Lost { heard: false, .. })
                    if connection.is_reused() && call.is_repeatable() => {}
                Err(failure) => {
                    return Err(upload
                        .take_failure()
                        .unwrap_or_else(|| failed(operation, &failure)));
                }
            }
        }
    }

    async fn send_shared(
        &self,
        shared: &Shared,
        mut call: Call,
        extra: &HeaderMap,
    ) -> Result<Reply, Error> {
        let operation = call.operation;
        let request = call.request(&self.origin, extra)?;
        let upload = request.body().progress();
        match shared.send(operation, request).await? {
            Ok(response) => Ok(Reply::new(operation, response, Hold::Shared, self.stop.clone())),
            Err(failure) => {
                Err(upload.take_failure().unwrap_or_else(|| failed(operation, &failure)))
            }
        }
    }
}

fn failed(operation: &'static str, failure: &Failure) -> Error {
    match failure {
        Failure::Unsent(_) => Error::closed("the connection ended before the request was sent"),
        Failure::Lost { error, .. } if error.is_parse() => {
            Error::protocol(operation, agent_api::causes(Some(error)).unwrap_or_default())
        }
        Failure::Lost { error, .. } => lost(error),
    }
}

pub(crate) fn lost(error: &hyper::Error) -> Error {
    Error::closed(agent_api::causes(Some(error)).unwrap_or_default())
}

impl fmt::Debug for AgentClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentClient").field("target", &self.inner.name).finish_non_exhaustive()
    }
}
