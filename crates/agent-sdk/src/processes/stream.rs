//! The live stream of a process, in order to its end; not how its items travel.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use agent_api::StreamStart;
use futures_core::Stream;
use futures_util::{StreamExt, TryStreamExt};

use super::{ProcessStreamItem, Sequence, frame};
use crate::{
    Error,
    transport::{Message, Messages},
};

/// Answer of [`stream_process_output`](crate::AgentConn::stream_process_output): what a process
/// prints, as it prints it.
///
/// Outputs and gaps join without hole or overlap from where the request began; anything else is
/// [`Error::Protocol`]. The last item is [`ProcessStreamItem::Closed`] or an error, after which
/// nothing follows. [`Error::Closed`] says that the connection ended first: with code 4404 the
/// process was deleted, otherwise the stream goes on at the offset behind the last item, which
/// [`follow`](crate::follow) does by itself.
///
/// At most 64 messages or 1 MiB are held for a caller that does not read. The agent waits then, the
/// process does not: what is forgotten meanwhile becomes a gap. Dropping the stream closes its
/// connection and leaves the process alone.
pub struct ProcessStream {
    items: Pin<Box<dyn Stream<Item = Result<ProcessStreamItem, Error>> + Send>>,
}

impl ProcessStream {
    /// Streams the items of another stream as they are, such as those of a pipe in a test.
    pub fn from_stream(
        items: impl Stream<Item = Result<ProcessStreamItem, Error>> + Send + 'static,
    ) -> Self {
        Self { items: Box::pin(items) }
    }

    /// Streams items as they are, for answers of a mock.
    pub fn from_items<I>(items: I) -> Self
    where
        I: IntoIterator<Item = ProcessStreamItem, IntoIter: Send + 'static>,
    {
        Self::from_stream(futures_util::stream::iter(items.into_iter().map(Ok)))
    }

    /// Reads the messages of a WebSocket.
    pub(crate) fn from_messages(
        operation: &'static str,
        messages: impl Stream<Item = <Messages as Stream>::Item> + Send + Unpin + 'static,
        from: StreamStart,
    ) -> Self {
        let items = messages.try_filter_map(move |message| {
            let item = match message {
                Message::Binary(frame) => frame::decode_frame(frame).map(Some),
                Message::Text(text) => frame::decode_text(&text),
            };
            let item = item.map_err(|why| Error::protocol(operation, why));
            std::future::ready(item)
        });
        Self::in_order(operation, items, from)
    }

    /// Streams items that must join, up to the close, which must not be missing.
    pub(crate) fn in_order(
        operation: &'static str,
        items: impl Stream<Item = Result<ProcessStreamItem, Error>> + Send + Unpin + 'static,
        from: StreamStart,
    ) -> Self {
        let sequence = Sequence::new(from);
        Self::from_stream(InOrder { operation, items: Some(items), sequence })
    }
}

impl Stream for ProcessStream {
    type Item = Result<ProcessStreamItem, Error>;

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.items.as_mut().poll_next(ctx)
    }
}

impl fmt::Debug for ProcessStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessStream").finish_non_exhaustive()
    }
}

struct InOrder<S> {
    operation: &'static str,
    /// `None` when nothing follows.
    items: Option<S>,
    sequence: Sequence,
}

impl<S> Stream for InOrder<S>
where
    S: Stream<Item = Result<ProcessStreamItem, Error>> + Unpin,
{
    type Item = Result<ProcessStreamItem, Error>;

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(items) = &mut this.items else { return Poll::Ready(None) };
        let early = || Error::closed("the stream ended before the output was closed");
        let next = match ready!(items.poll_next_unpin(ctx)).unwrap_or_else(|| Err(early())) {
            Ok(item) => match this.sequence.advance(&item) {
                Ok(()) => Ok(item),
                Err(why) => Err(Error::protocol(this.operation, why)),
            },
            Err(error) => Err(error),
        };
        if matches!(next, Err(_) | Ok(ProcessStreamItem::Closed { .. })) {
            this.items = None;
        }
        Poll::Ready(Some(next))
    }
}
