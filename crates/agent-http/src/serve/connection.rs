//! One connection: HTTP/1.1 or HTTP/2, its time limits, and its end.

use std::{convert::Infallible, sync::Arc, time::Duration};

use agent_api::routes;
use axum::{body::Body, response::IntoResponse};
use futures_util::{FutureExt, future::Either};
use http::{HeaderMap, Request, Response, StatusCode, header};
use hyper::{body::Incoming, rt::Executor};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Config, Link, Observer, Peer, Shared, Transport, activity::Activity, requests::OpenBody,
};
use crate::unread::DrainedBody;

/// Serves a stream on the server's tasks; `slot` is its place among the listener's connections.
pub(super) fn spawn(
    shared: &Arc<Shared>,
    stream: Transport,
    peer: Peer,
    slot: Option<OwnedSemaphorePermit>,
) {
    let counted = Counted::new(Arc::clone(&shared.app.observer), peer.listener);
    let held = Held { _counted: counted, _slot: slot };
    let link = Link { held: Some(Arc::new(held)), cut: CancellationToken::new() };
    let work = serve(Arc::clone(shared), stream, peer, link.clone());
    shared.tasks.spawn(CUT.scope(link.cut, work));
}

tokio::task_local! {
    /// Ends the task that polls the present request: its connection, or over HTTP/2 itself alone.
    static CUT: CancellationToken;
}

/// What a connection holds until it ends, also after an upgrade took it out of HTTP.
pub(crate) struct Held {
    _counted: Counted,
    _slot: Option<OwnedSemaphorePermit>,
}

async fn serve(shared: Arc<Shared>, stream: Transport, peer: Peer, link: Link) {
    let (close, abort, cut) = (shared.close.clone(), shared.abort.clone(), link.cut);
    let held = link.held;
    let config = shared.config;
    let activity = Activity::new();
    let stream = TokioIo::new(activity.watch(stream));
    let builder = builder(&shared);
    {
        let (shared, requests) = (Arc::clone(&shared), activity.clone());
        let service = hyper::service::service_fn(move |request| {
            answer(Arc::clone(&shared), peer.clone(), requests.clone(), held.clone(), request)
        });
        let connection = builder.serve_connection_with_upgrades(stream, service);
        let mut connection = std::pin::pin!(connection);
        let mut is_closing = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(error, "connection ended");
                    }
                    break;
                }
                () = close.cancelled(), if !is_closing => {
                    is_closing = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = expired(&activity, &config) => break,
                () = abort.cancelled() => break,
                () = cut.cancelled() => break,
            }
        }
    }
}

/// A connection that its observer counts, also while a panic in a response body ends it.
struct Counted {
    observer: Arc<dyn Observer>,
    listener: &'static str,
}

impl Counted {
    fn new(observer: Arc<dyn Observer>, listener: &'static str) -> Self {
        observer.connection_opened(listener);
        Self { observer, listener }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.observer.connection_closed(self.listener);
    }
}

/// Runs the requests of HTTP/2, which are tasks of their own, as tasks of the server.
#[derive(Clone)]
struct Streams {
    tasks: TaskTracker,
    abort: CancellationToken,
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        let (abort, cut) = (self.abort.clone(), CancellationToken::new());
        let stream = CUT.scope(cut.clone(), stream);
        self.tasks.spawn(async move {
            tokio::select! {
                _ = stream => {}
                () = abort.cancelled() => {}
                () = cut.cancelled() => {}
            }
        });
    }
}

fn builder(shared: &Shared) -> auto::Builder<Streams> {
    let config = &shared.config;
    let streams = Streams { tasks: shared.tasks.clone(), abort: shared.abort.clone() };
    let mut builder = auto::Builder::new(streams);
    builder
        .http1()
        .timer(TokioTimer::new())
        // `activity` limits heads, without cutting connections that are merely idle.
        .header_read_timeout(None)
        .max_buf_size(config.max_head_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(config.max_head_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .keep_alive_timeout(Duration::from_secs(30))
        .initial_stream_window_size(1024 * 1024)
        .initial_connection_window_size(4 * 1024 * 1024)
        .max_concurrent_streams(256);
    builder
}

/// Waits until the connection has been idle, or reading a head, for too long.
async fn expired(activity: &Activity, config: &Config) {
    loop {
        let limit = activity.deadline(config.head_timeout, config.idle_timeout);
        match limit {
            Some(limit) if limit <= Instant::now() => return,
            Some(limit) => {
                // A head that begins meanwhile may end earlier than an idle wait.
                let look_again = Instant::now() + config.head_timeout / 4;
                tokio::time::sleep_until(limit.min(look_again)).await;
            }
            None => tokio::time::sleep(config.head_timeout / 4).await,
        }
    }
}

/// Begins to answer a request.
///
/// What the request changes is done on the server's tasks from the first moment: hyper drops the
/// future of a client that has left, perhaps before it polls it, and a request that was received
/// completely is not taken back.
fn answer(
    shared: Arc<Shared>,
    peer: Peer,
    activity: Activity,
    held: Option<Arc<Held>>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> {
    let busy = activity.begin();
    let sending = busy.clone();
    let open = shared.app.requests.open();
    let (tasks, abort) = (shared.tasks.clone(), shared.abort.clone());
    let route = routes::find(request.method().as_str(), request.uri().path());
    let expects_continue = expects_continue(request.headers());
    let drains = tasks.clone();
    let request =
        request.map(|body| Body::new(DrainedBody::new(body, drains, expects_continue, sending)));
    let work = async move {
        // Asked of the task that polls this, as over HTTP/2 that is not the one that made it. A
        // change, which has a task of its own, is no stream to be cut.
        let cut = CUT.try_with(CancellationToken::clone).unwrap_or_default();
        let link = Link { held, cut };
        let response = shared.app.answer(&peer, link, request).await;
        response.map(|body| Body::new(OpenBody::new(body, open, busy)))
    };
    if route.is_some_and(|route| route.is_change) {
        let work = tasks.spawn(async move { abort.run_until_cancelled(work).await });
        Either::Left(async move {
            let cut = || StatusCode::SERVICE_UNAVAILABLE.into_response();
            // Nobody reads the answer of a server that was cut, and a panic is an answer already.
            Ok(work.await.ok().flatten().unwrap_or_else(cut))
        })
    } else {
        Either::Right(work.map(Ok))
    }
}

fn expects_continue(headers: &HeaderMap) -> bool {
    headers
        .get(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}
