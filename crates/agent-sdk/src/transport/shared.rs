//! HTTP/2 with prior knowledge over one stream, for callers that have a stream and no way to make
//! another; not a choice between protocols.

use std::{fmt, time::Duration};

use http::Request;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{BoxedStream, Failure, SendResult};
use crate::{Error, client::Upload};

/// Bytes of one download that wait for a slow reader.
const STREAM_WINDOW: u32 = 1024 * 1024;
/// Bytes of all downloads that wait. When they reach this, no call gets an answer until somebody
/// reads, so it has room for 64 downloads that nobody reads.
const CONNECTION_WINDOW: u32 = 64 * STREAM_WINDOW;

/// The connection on one stream.
pub(crate) struct Shared {
    /// The stream until the first call.
    stream: Mutex<Option<BoxedStream>>,
    sender: watch::Sender<State>,
    handshake_timeout: Duration,
    stop: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Clone)]
enum State {
    Waiting,
    Ready(http2::SendRequest<Upload>),
    Failed(String),
}

/// Runs what HTTP/2 does beside the connection: on the tracker, and not beyond `stop`.
#[derive(Clone)]
struct Executor {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Shared {
    pub(crate) fn new(
        stream: BoxedStream,
        handshake_timeout: Duration,
        stop: CancellationToken,
    ) -> Self {
        Self {
            stream: Mutex::new(Some(stream)),
            sender: watch::Sender::new(State::Waiting),
            handshake_timeout,
            stop,
            tasks: TaskTracker::new(),
        }
    }

    pub(crate) async fn send(
        &self,
        operation: &'static str,
        request: Request<Upload>,
    ) -> Result<SendResult, Error> {
        let mut sender = self.sender(operation).await?;
        if sender.ready().await.is_err() {
            return Ok(Err(Failure::Unsent(Box::new(request))));
        }
        let sent = sender.try_send_request(request).await;
        Ok(sent.map_err(|error| Failure::of(error, true)))
    }

    async fn sender(&self, operation: &'static str) -> Result<http2::SendRequest<Upload>, Error> {
        self.start();
        let mut states = self.sender.subscribe();
        let after = self.handshake_timeout;
        let known = states.wait_for(|state| !matches!(state, State::Waiting));
        let known = tokio::time::timeout(after, known).await;
        let known = known.map_err(|_| Error::Timeout { operation, after })?;
        match known.map_or(State::Waiting, |state| state.clone()) {
            State::Ready(sender) => Ok(sender),
            State::Failed(why) => Err(Error::closed(why)),
            State::Waiting => Err(Error::closed("the connection was given up")),
        }
    }

    /// Begins the connection at the first call, in a task of its own, so that a dropped call does
    /// not take the stream with it.
    fn start(&self) {
        let Some(stream) = self.stream.lock().take() else { return };
        let executor = Executor { stop: self.stop.clone(), tasks: self.tasks.clone() };
        let states = self.sender.clone();
        let connection = async move {
            let mut builder = http2::Builder::new(executor);
            builder
                .timer(TokioTimer::new())
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW);
            match builder.handshake(TokioIo::new(stream)).await {
                Ok((sender, driver)) => {
                    states.send_replace(State::Ready(sender));
                    drop(states);
                    // Every call hears on its own how the connection ended.
                    let _ = driver.await;
                }
                Err(error) => {
                    let why = agent_api::causes(Some(&error)).unwrap_or_default();
                    states.send_replace(State::Failed(why));
                }
            }
        };
        let stop = self.stop.clone();
        self.tasks.spawn(async move { stop.run_until_cancelled_owned(connection).await });
    }
}

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(future));
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}
