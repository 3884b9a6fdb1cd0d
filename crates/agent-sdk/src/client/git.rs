//! Opens the watch of repositories; not what its messages mean.

use agent_api::{WatchGitRequest, limits::MAX_WEBSOCKET_MESSAGE_BYTES, routes};

use super::{AgentClient, Transport, call::Call};
use crate::{Error, GitWatch, transport::Limits, until::Until};

impl AgentClient {
    /// Watches by WebSocket. Over HTTP/2, where there is none, the agent says so itself.
    pub(super) async fn open_git_watch(&self, request: WatchGitRequest) -> Result<GitWatch, Error> {
        let call = Call::new(routes::WATCH_GIT).query(&request);
        match &self.inner.transport {
            Transport::Pool(pool) => {
                let received = self.inner.max_message_bytes;
                let limits = Limits { received, sent: MAX_WEBSOCKET_MESSAGE_BYTES };
                let (sender, messages) = self.open_websocket(pool, call, limits).await?;
                Ok(GitWatch::from_socket(sender, Until::new(messages, self.inner.stop.clone())))
            }
            Transport::Shared(_) => Err(self.exchange(call).await?.refused().await),
        }
    }
}
