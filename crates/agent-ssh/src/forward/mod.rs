//! Forwarding: streams of the client into the workspace, and of the workspace to the client.
//!
//! ```text
//!  direct-tcpip, direct-streamlocal  -> direct.rs    dials, then pumps
//!  tcpip-forward, streamlocal-forward -> requests.rs  one task answers them in order
//!                                         tcp.rs, streamlocal.rs   listeners
//!  each accepted socket              -> relay.rs     opens a channel, then pumps
//!  socket <-> channel                -> pump.rs
//! ```
//!
//! X11 and agent forwarding use the same relay with listeners of their own.

mod direct;
mod payload;
mod pump;
mod relay;
mod requests;
mod socket_file;
mod streamlocal;
mod tcp;

use std::sync::Arc;

use agent_ssh_protocol::{Connection, GlobalRequest, Open, OpenFailure};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{direct::Target, requests::Requests};
use crate::{auth::Grant, connection::Place};

pub(crate) use self::{
    payload::originated,
    relay::{Relay, accept_all},
    socket_file::{MAX_PATH_BYTES, SocketFile, listen_private},
    streamlocal::StreamlocalRegistry,
    tcp::{is_missing, listen_at},
};

/// Forward requests of a connection that wait for their turn; a further one fails.
const MAX_WAITING_REQUESTS: usize = 64;

/// Connections to the reverse listeners of one connection that are open at a time; further ones
/// wait in the backlog of their listener.
const MAX_FORWARDED: usize = 512;

/// What the forwards of one connection need.
#[derive(Debug)]
pub(crate) struct ForwardContext {
    pub(crate) connection: Connection,
    pub(crate) grant: Arc<Grant>,
    /// Whether channels into the workspace may be opened.
    pub(crate) local: bool,
    /// Whether there may be listeners in the workspace.
    pub(crate) remote: bool,
    /// The Unix listeners of all connections.
    pub(crate) registry: StreamlocalRegistry,
    pub(crate) tasks: TaskTracker,
    /// The agent ends.
    pub(crate) stop: CancellationToken,
}

/// The forwards of one connection. They end with [`Forwards::close`], or when this is dropped.
#[derive(Debug)]
pub(crate) struct Forwards {
    context: Arc<ForwardContext>,
    scope: Scope,
    requests: mpsc::Sender<GlobalRequest>,
}

impl Forwards {
    pub(crate) fn new(context: ForwardContext) -> Self {
        let context = Arc::new(context);
        let scope = Scope {
            tasks: context.tasks.clone(),
            own: TaskTracker::new(),
            ended: context.stop.child_token(),
        };
        let (requests, waiting) = mpsc::channel(MAX_WAITING_REQUESTS);
        scope.spawn(Requests::new(Arc::clone(&context), scope.clone()).run(waiting));
        Self { context, scope, requests }
    }

    /// Answers a `direct-tcpip` or `direct-streamlocal@openssh.com` channel.
    ///
    /// `place` is kept until both sides have closed the channel and its socket is closed.
    pub(crate) fn open(&self, open: Open, place: Place) {
        if !self.context.local || !self.context.grant.port_forwarding {
            return open.refuse(OpenFailure::AdministrativelyProhibited, "forwarding is disabled");
        }
        let target = match Target::decode(&open.kind, &open.payload) {
            Ok(target) => target,
            Err(reason) => return open.refuse(OpenFailure::ConnectFailed, reason),
        };
        if !target.is_permitted(&self.context.grant) {
            let text = format!("the key does not permit forwarding to {target}");
            return open.refuse(OpenFailure::AdministrativelyProhibited, &text);
        }
        let grant = Arc::clone(&self.context.grant);
        self.scope.spawn(async move {
            direct::serve(open, target, &grant).await;
            drop(place);
        });
    }

    /// Answers one of the four global requests about listeners, each after those before it.
    pub(crate) fn request(&self, request: GlobalRequest) {
        if let Err(
            mpsc::error::TrySendError::Full(request) | mpsc::error::TrySendError::Closed(request),
        ) = self.requests.try_send(request)
        {
            request.fail();
        }
    }

    /// Closes listeners and forwarded sockets; when it returns, the socket files are gone.
    pub(crate) async fn close(&self) {
        self.scope.ended.cancel();
        self.scope.own.close();
        self.scope.own.wait().await;
    }
}

impl Drop for Forwards {
    fn drop(&mut self) {
        self.scope.ended.cancel();
    }
}

/// Runs the tasks of one connection's forwards, on the service's tracker.
#[derive(Debug, Clone)]
struct Scope {
    tasks: TaskTracker,
    /// Counts this connection's tasks alone.
    own: TaskTracker,
    ended: CancellationToken,
}

impl Scope {
    /// Runs a future until it or the connection's forwards end.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.spawn_until(&self.ended, work);
    }

    /// Runs a future until it ends or `end`, a child of the scope's, is cancelled.
    fn spawn_until(
        &self,
        end: &CancellationToken,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        let (running, end) = (self.own.token(), end.clone());
        self.tasks.spawn(async move {
            end.run_until_cancelled_owned(work).await;
            drop(running);
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
