//! One connection of `watch_git`: messages come and go; not what becomes of it when it is lost.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use agent_api::{GitClientMessage, GitServerMessage, routes::WATCH_GIT};
use futures_core::Stream;
use futures_util::StreamExt;

use super::message;
use crate::{
    Error,
    transport::{Message, Messages, TextSender},
};

/// Answer of [`watch_git`](crate::AgentConn::watch_git): what the agent says of the repositories
/// that are watched, as it finds it, and the way to say which those are.
///
/// The items are the agent's messages in order; those of a newer agent are left out. The last item
/// is an error, after which nothing follows: the agent itself never ends the watch but when it
/// shuts down, which is [`Error::Closed`] with code 1001. [`watch_repositories`] makes connections
/// anew and keeps the subscriptions.
///
/// At most 64 messages or 1 MiB are held for a caller that does not read, or a single message of up
/// to [`max_message_bytes`](crate::Config::max_message_bytes). The agent keeps only the newest
/// snapshot of each repository then. Dropping the watch closes its connection, whatever senders
/// there are.
///
/// [`watch_repositories`]: crate::watch_repositories
pub struct GitWatch {
    /// `None` when nothing follows.
    messages: Option<Said>,
    sender: GitWatchSender,
}

/// The way to send on a [`GitWatch`] while another task reads it; clones take turns.
///
/// A method returns when the message is queued, of which at most 64 or 1 MiB are: an agent that
/// does not read slows its callers down. What is queued when the watch is dropped may be lost.
///
/// # Cancellation
///
/// A method whose future is dropped has sent the whole message or nothing of it.
///
/// # Errors
///
/// [`Error::InvalidArgument`] for paths that the agent would refuse, before anything is sent: there
/// must be 1 to 1000 of them, all absolute, and together no more than a message of 4 MiB holds.
/// [`Error::Closed`] when the watch has ended or was dropped; its last item says why. That
/// a connection has too many paths, of which 10,000 are allowed, only the agent says, with a
/// [`GitServerMessage::Error`].
#[derive(Clone)]
pub struct GitWatchSender {
    outlet: Outlet,
}

type Said = Pin<Box<dyn Stream<Item = Result<GitServerMessage, Error>> + Send>>;

type Take = dyn Fn(GitClientMessage) -> Result<(), Error> + Send + Sync;

#[derive(Clone)]
enum Outlet {
    Socket(TextSender),
    Function(Arc<Take>),
}

impl GitWatch {
    /// Watches what another stream says, for answers of a mock; `take` gets each message of the
    /// client, and its error is that of the method which sent it.
    ///
    /// With a channel at each end this is a pipe, of which a test holds the other end:
    ///
    /// ```
    /// use agent_sdk::{Error, GitWatch, api::{GitClientMessage, GitServerMessage}};
    /// use futures_util::StreamExt;
    /// use tokio::sync::mpsc;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let (say, mut said) = mpsc::unbounded_channel::<Result<GitServerMessage, Error>>();
    /// let (heard, mut hear) = mpsc::unbounded_channel();
    /// let messages = futures_util::stream::poll_fn(move |ctx| said.poll_recv(ctx));
    /// let mut watch = GitWatch::from_stream(messages, move |message| {
    ///     heard.send(message).map_err(|_| Error::Closed { code: None, reason: "gone".into() })
    /// });
    ///
    /// watch.refresh().await?;
    /// assert_eq!(hear.recv().await, Some(GitClientMessage::Refresh));
    /// say.send(Ok(GitServerMessage::Changes(Default::default()))).unwrap();
    /// assert!(matches!(watch.next().await, Some(Ok(GitServerMessage::Changes(_)))));
    /// # Ok::<(), Error>(()) }).unwrap();
    /// ```
    pub fn from_stream(
        messages: impl Stream<Item = Result<GitServerMessage, Error>> + Send + 'static,
        take: impl Fn(GitClientMessage) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Self {
        let sender = GitWatchSender { outlet: Outlet::Function(Arc::new(take)) };
        Self { messages: Some(Box::pin(messages)), sender }
    }

    /// Watches what a list of messages says, for answers of a mock; what the client sends is
    /// dropped. The connection is lost behind the last one.
    pub fn from_messages<I>(messages: I) -> Self
    where
        I: IntoIterator<Item = GitServerMessage, IntoIter: Send + 'static>,
    {
        let messages = futures_util::stream::iter(messages.into_iter().map(Ok));
        Self::from_stream(messages, |_| Ok(()))
    }

    /// Reads the messages of a WebSocket.
    pub(crate) fn from_socket(
        sender: TextSender,
        messages: impl Stream<Item = <Messages as Stream>::Item> + Send + 'static,
    ) -> Self {
        let decoded = messages.filter_map(|message| std::future::ready(decode(message)));
        let sender = GitWatchSender { outlet: Outlet::Socket(sender) };
        Self { messages: Some(Box::pin(decoded)), sender }
    }

    /// The same with another stream and another way to send around its own.
    #[cfg(feature = "mock")]
    pub(crate) fn around<S>(
        self,
        messages: impl FnOnce(Self) -> S,
        before: impl Fn(&GitClientMessage) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Self
    where
        S: Stream<Item = Result<GitServerMessage, Error>> + Send + 'static,
    {
        let Outlet::Function(take) = self.sender.outlet.clone() else { return self };
        Self::from_stream(messages(self), move |message| {
            before(&message)?;
            take(message)
        })
    }

    /// Asks for a scan of everything that is watched; a [`GitServerMessage::Changes`] whose scan
    /// began later answers, perhaps without repositories. It may answer several requests.
    ///
    /// # Errors
    ///
    /// As [`GitWatchSender`] has them, here as below.
    pub async fn refresh(&mut self) -> Result<(), Error> {
        self.sender.refresh().await
    }

    /// Watches the repositories of these paths also; a [`GitServerMessage::Changes`] with those that
    /// are new on this connection answers, perhaps without any.
    ///
    /// # Errors
    ///
    /// Those of [`GitWatchSender`].
    pub async fn subscribe(&mut self, paths: Vec<String>) -> Result<(), Error> {
        self.sender.subscribe(paths).await
    }

    /// Drops subscriptions; there is no answer. A repository that no path leads to any more is not
    /// watched from then on, and paths that the agent keeps for the chat go on leading to theirs.
    ///
    /// # Errors
    ///
    /// Those of [`GitWatchSender`].
    pub async fn unsubscribe(&mut self, paths: Vec<String>) -> Result<(), Error> {
        self.sender.unsubscribe(paths).await
    }

    /// A way to send from another task.
    pub fn sender(&self) -> GitWatchSender {
        self.sender.clone()
    }
}

impl GitWatchSender {
    /// As [`GitWatch::refresh`].
    ///
    /// # Errors
    ///
    /// Those of the type, here as below.
    pub async fn refresh(&self) -> Result<(), Error> {
        self.send(GitClientMessage::Refresh).await
    }

    /// As [`GitWatch::subscribe`].
    ///
    /// # Errors
    ///
    /// Those of the type.
    pub async fn subscribe(&self, paths: Vec<String>) -> Result<(), Error> {
        self.send(GitClientMessage::Subscribe { paths }).await
    }

    /// As [`GitWatch::unsubscribe`].
    ///
    /// # Errors
    ///
    /// Those of the type.
    pub async fn unsubscribe(&self, paths: Vec<String>) -> Result<(), Error> {
        self.send(GitClientMessage::Unsubscribe { paths }).await
    }

    pub(super) async fn send(&self, message: GitClientMessage) -> Result<(), Error> {
        let text = message::encode(&message).map_err(Error::invalid)?;
        match &self.outlet {
            Outlet::Socket(sender) => sender.send(text).await,
            Outlet::Function(take) => take(message),
        }
    }
}

fn decode(message: Result<Message, Error>) -> Option<Result<GitServerMessage, Error>> {
    let decoded = match message {
        Ok(Message::Text(text)) => message::decode(&text),
        Ok(Message::Binary(bytes)) => Err(format!("a binary message of {} bytes", bytes.len())),
        Err(error) => return Some(Err(error)),
    };
    decoded.map_err(|why| Error::protocol(WATCH_GIT.operation, why)).transpose()
}

impl Stream for GitWatch {
    type Item = Result<GitServerMessage, Error>;

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(messages) = &mut self.messages else { return Poll::Ready(None) };
        let next = messages.as_mut().poll_next(ctx);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.messages = None;
        }
        next
    }
}

impl fmt::Debug for GitWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitWatch").finish_non_exhaustive()
    }
}

impl fmt::Debug for GitWatchSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitWatchSender").finish_non_exhaustive()
    }
}
