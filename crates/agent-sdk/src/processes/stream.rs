//! The live stream of a process: its items and their order; not how they travel.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use agent_api::{OutputGap, ProcessExited, StreamStart};
use bytes::Bytes;
use futures_core::Stream;
use futures_util::{StreamExt, TryStreamExt};

use super::frame;
use crate::{Error, transport::Messages};

/// What a process prints and how it ends, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProcessStreamItem {
    /// Bytes it printed; at least one.
    Output {
        /// Offset of the first byte.
        offset: u64,
        /// The bytes.
        bytes: Bytes,
    },
    /// Bytes that will not come.
    Gap(OutputGap),
    /// The leader exited; every byte it wrote came before. Others may still print.
    Exited(ProcessExited),
    /// Nothing follows: everybody closed the output.
    Closed {
        /// Bytes ever produced.
        end_bytes: u64,
    },
}

impl ProcessStreamItem {
    /// The offset at which the stream goes on behind this item; `None` for an exit, which has no
    /// place in the offsets.
    pub fn end(&self) -> Option<u64> {
        match self {
            Self::Output { offset, bytes } => {
                Some(offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX)))
            }
            Self::Gap(gap) => Some(gap.to),
            Self::Exited(_) => None,
            Self::Closed { end_bytes } => Some(*end_bytes),
        }
    }
}

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
            let item = frame::decode(message).map_err(|why| Error::protocol(operation, why));
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

/// Where a stream stands, and whether the next item belongs there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sequence {
    /// `None` until the first item of a stream that began at the end.
    next: Option<u64>,
}

impl Sequence {
    pub(crate) fn new(from: StreamStart) -> Self {
        let next = match from {
            StreamStart::Offset(offset) => Some(offset),
            StreamStart::End => None,
        };
        Self { next }
    }

    /// Where a connection that takes over must begin.
    pub(crate) fn next(&self) -> StreamStart {
        self.next.map_or(StreamStart::End, StreamStart::Offset)
    }

    /// Goes behind an item.
    ///
    /// # Errors
    ///
    /// What does not join.
    pub(crate) fn advance(&mut self, item: &ProcessStreamItem) -> Result<(), String> {
        let Some(end) = item.end() else { return Ok(()) };
        let begin = match item {
            ProcessStreamItem::Output { offset, .. } => *offset,
            ProcessStreamItem::Gap(gap) if gap.to <= gap.from => {
                return Err(format!("a gap from {} to {} is none", gap.from, gap.to));
            }
            ProcessStreamItem::Gap(gap) => gap.from,
            ProcessStreamItem::Exited(_) | ProcessStreamItem::Closed { .. } => end,
        };
        let expected = self.next.unwrap_or(begin);
        if begin != expected {
            return Err(format!("the stream goes on at {begin} instead of {expected}"));
        }
        self.next = Some(end);
        Ok(())
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
