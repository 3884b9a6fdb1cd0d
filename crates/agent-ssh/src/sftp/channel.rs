//! What the server needs of the channel it is on.

use agent_ssh_protocol::{ChannelInput, ChannelOutput, Data};
use bytes::Bytes;

/// The bytes of the client, in order.
pub(crate) trait Source: Send {
    /// Waits for more; `None` when no more will come. Nothing is lost when the future is dropped.
    fn next(&mut self) -> impl Future<Output = Option<Bytes>> + Send;

    /// What is there already, without waiting.
    fn ready(&mut self) -> Option<Bytes>;
}

/// The way back to the client.
pub(crate) trait Sink: Send {
    /// Sends bytes after those of earlier calls; waits while the client does not take them.
    fn send(&self, bytes: Bytes) -> impl Future<Output = Result<(), Gone>> + Send;
}

/// The client does not take replies any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

impl Source for ChannelInput {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            // Nothing is said in SFTP beside the stream.
            if let Data { bytes, stream: 0 } = self.read().await? {
                return Some(bytes);
            }
        }
    }

    fn ready(&mut self) -> Option<Bytes> {
        std::iter::from_fn(|| self.try_read()).find(|data| data.stream == 0).map(|data| data.bytes)
    }
}

impl Sink for ChannelOutput {
    async fn send(&self, bytes: Bytes) -> Result<(), Gone> {
        self.write(bytes).await.map_err(|_closed| Gone)
    }
}
