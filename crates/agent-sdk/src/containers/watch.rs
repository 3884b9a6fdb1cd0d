//! One connection of `watch_containers`: lists come; not what becomes of it when it is lost.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use agent_api::{ListContainersResponse, routes::WATCH_CONTAINERS};
use futures_core::Stream;
use futures_util::StreamExt;

use crate::{
    Error,
    transport::{Message, Messages},
};

/// Answer of [`watch_containers`](crate::AgentConn::watch_containers): what `list_containers` answers,
/// now and whenever it changes.
///
/// Each item is a whole list, and differs from the one before. The last item is an error, after which
/// nothing follows: the agent itself never ends the watch but when it shuts down, which is
/// [`Error::Closed`] with code 1001. [`follow_containers`](crate::follow_containers) makes connections
/// anew.
///
/// A caller that reads slowly may miss lists in between, and always gets the latest. At most 64 of
/// them or 1 MiB are held for it here, or a single one of up to
/// [`max_message_bytes`](crate::Config::max_message_bytes). Dropping the watch closes its connection.
pub struct ContainersWatch {
    /// `None` when nothing follows.
    lists: Option<Lists>,
}

type Lists = Pin<Box<dyn Stream<Item = Result<ListContainersResponse, Error>> + Send>>;

impl ContainersWatch {
    /// Watches the lists of another stream, such as those of a channel in a test.
    pub fn from_stream(
        lists: impl Stream<Item = Result<ListContainersResponse, Error>> + Send + 'static,
    ) -> Self {
        Self { lists: Some(Box::pin(lists)) }
    }

    /// Watches what a vector of lists says, for answers of a mock; the connection is lost behind the
    /// last one.
    pub fn from_lists<I>(lists: I) -> Self
    where
        I: IntoIterator<Item = ListContainersResponse, IntoIter: Send + 'static>,
    {
        Self::from_stream(futures_util::stream::iter(lists.into_iter().map(Ok)))
    }

    /// Reads the messages of a WebSocket.
    pub(crate) fn from_messages(
        messages: impl Stream<Item = <Messages as Stream>::Item> + Send + 'static,
    ) -> Self {
        Self::from_stream(messages.map(|message| decode(message?)))
    }
}

fn decode(message: Message) -> Result<ListContainersResponse, Error> {
    let list = match message {
        Message::Text(text) => serde_json::from_slice(&text).map_err(|error| error.to_string()),
        Message::Binary(bytes) => Err(format!("a binary message of {} bytes", bytes.len())),
    };
    list.map_err(|why| Error::protocol(WATCH_CONTAINERS.operation, why))
}

impl Stream for ContainersWatch {
    type Item = Result<ListContainersResponse, Error>;

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(lists) = &mut self.lists else { return Poll::Ready(None) };
        let next = lists.as_mut().poll_next(ctx);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.lists = None;
        }
        next
    }
}

impl fmt::Debug for ContainersWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainersWatch").finish_non_exhaustive()
    }
}
