//! What a client asks of a session that has started: sizes, signals, breaks.

use std::sync::atomic::Ordering;

use agent_exec::Size;
use agent_ssh_protocol::ChannelRequests;
use tracing::{debug, info};

use super::{Session, report::signal_of, request::Request, running::Running, setup::answer};
use crate::statistics::SessionError;

/// Most bytes of an unknown signal's name in the log.
const MAX_NAME_BYTES: usize = 32;

impl Session {
    /// Answers requests until the client has closed the channel or is gone.
    pub(super) async fn control(&self, requests: &mut ChannelRequests) {
        while let Some(request) = requests.next().await {
            let is_granted = match Request::decode(&request.name, &request.payload) {
                Some(Request::Resize(size)) => {
                    self.resize(size).await;
                    true
                }
                Some(Request::Signal(name)) => self.signal(&name).await,
                Some(Request::Break) => self.send_break().await,
                // Everything else has its place before the start.
                Some(_) | None => false,
            };
            answer(request, is_granted);
        }
    }

    /// What runs, once it does, and until its exit.
    async fn alive(&self) -> Option<&Running> {
        let running = self.running.wait().await.as_ref();
        running.filter(|running| !running.is_over())
    }

    async fn resize(&self, size: Size) {
        let Some(running) = self.alive().await else { return };
        if let Err(error) = running.resize(size) {
            debug!(session.id = %self.id, error = %agent_api::io_text(&error), "cannot resize");
            self.failed(SessionError::Resize);
        }
    }

    async fn signal(&self, name: &[u8]) -> bool {
        let ignored = |why: &str| {
            let shown = &name[..name.len().min(MAX_NAME_BYTES)];
            info!(session.id = %self.id, signal = %shown.escape_ascii(), why, "signal ignored");
            false
        };
        let Some(signal) = signal_of(name) else { return ignored("unknown") };
        if self.is_forced.load(Ordering::Relaxed) {
            return ignored("forced command");
        }
        let Some(running) = self.alive().await else { return ignored("nothing runs") };
        match running.signal(signal).await {
            Ok(true) => true,
            Ok(false) => ignored("nothing runs"),
            Err(error) => {
                debug!(session.id = %self.id, error, "cannot signal");
                self.failed(SessionError::Signal);
                false
            }
        }
    }

    async fn send_break(&self) -> bool {
        if !self.labels.pty {
            return false;
        }
        if let Some(running) = self.alive().await
            && running.send_break().await.is_err()
        {
            self.failed(SessionError::Signal);
        }
        true
    }
}
