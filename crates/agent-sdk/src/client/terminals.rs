//! Opens terminals, as a WebSocket and with raw framing; not what is said on them.

use agent_api::{
    OpenTerminalRequest, Route, TerminalId, TerminalInit, limits::MAX_TERMINAL_MESSAGE_BYTES,
    routes,
};
use tokio::io::AsyncWriteExt;

use super::{AgentClient, Transport, call::Call};
use crate::{
    Error, TerminalStream,
    terminal::{encode_init, write_messages},
    transport::{Limits, Outbox},
    until::Until,
};

/// Bytes of the largest message that is read. Output may be of any length, and agents send it in
/// pieces of 32 KiB; but a message is held as a whole, and what a hostile peer announces must not
/// be more than a machine can promise.
const MAX_RECEIVED_BYTES: u64 = 1 << 30;

/// A request about one terminal.
pub(super) fn of_terminal(route: Route, id: TerminalId) -> Call {
    Call::with_segment(route, &id.to_string())
}

impl AgentClient {
    /// Opens by WebSocket. Over HTTP/2, where there is none, the agent says so itself.
    pub(super) async fn open_terminal_socket(
        &self,
        id: TerminalId,
        request: OpenTerminalRequest,
    ) -> Result<TerminalStream, Error> {
        let call = of_terminal(routes::OPEN_TERMINAL, id).query(&request);
        match &self.inner.transport {
            Transport::Pool(pool) => {
                let limits =
                    Limits { received: MAX_RECEIVED_BYTES, sent: MAX_TERMINAL_MESSAGE_BYTES };
                let (sender, messages) = self.open_websocket(pool, call, limits).await?;
                let messages = Until::new(messages, self.inner.stop.clone());
                Ok(TerminalStream::from_socket(sender, messages))
            }
            Transport::Shared(_) => Err(self.exchange(call).await?.refused().await),
        }
    }

    /// Opens with raw framing, through a tunnel.
    pub(super) async fn open_raw_terminal(
        &self,
        init: TerminalInit,
    ) -> Result<TerminalStream, Error> {
        let opening = encode_init(&init)?;
        let mut stream = self.open_dial(agent_api::TERMINAL_PORT).await?;
        let lost = |error: std::io::Error| Error::closed(agent_api::io_text(&error));
        self.unless_closed(async { stream.write_all(&opening).await.map_err(lost) }).await?;
        let Transport::Pool(pool) = &self.inner.transport else {
            return Err(Error::protocol(routes::DIAL.operation, "an upgrade on a shared stream"));
        };
        let (reader, writer) = tokio::io::split(stream);
        let (sender, outbox) = Outbox::new(MAX_TERMINAL_MESSAGE_BYTES);
        let guard = pool.run(write_messages(outbox, writer), |()| std::future::ready(()));
        Ok(TerminalStream::from_raw(sender, reader, guard))
    }
}
