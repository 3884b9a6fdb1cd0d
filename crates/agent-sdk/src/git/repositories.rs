//! The watch of repositories across lost connections; not a single connection.
//!
//! ```text
//!              message           lost                        message
//!  connected ----------> connected -----> pause, doubling ----------> connected
//!      |                                    |       subscriptions, refresh
//!      | an error that                      | give_up_after
//!      v waiting cannot help                v
//!     end <---------------------------------+
//! ```

use std::{
    fmt,
    ops::Deref,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use agent_api::{GitClientMessage, GitServerMessage, WatchGitRequest};
use futures_core::Stream;
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::{GitWatch, GitWatchSender, view::View, wishes::Wishes};
use crate::{
    AgentConn, Error, Reconnect,
    reconnect::{Connection, Trouble},
};

/// Shortest time between two refreshes of the watch's own; agents scan no more often either.
const BETWEEN_REFRESHES: Duration = Duration::from_secs(1);

/// Messages about repositories over any number of connections; made by [`watch_repositories`].
pub struct RepositoryWatch<'a> {
    messages: Pin<Box<dyn Stream<Item = Result<GitServerMessage, Error>> + Send + 'a>>,
    wishes: Arc<Shared>,
    link: watch::Receiver<bool>,
}

/// Says what a [`RepositoryWatch`] watches, from any task; clones are the same.
///
/// A command holds for all later connections too. It is sent when the watch is next read, and no
/// method waits.
///
/// # Errors
///
/// [`Error::InvalidArgument`] without paths, for a relative path or one above 512 KiB, and when
/// there would be more than 10,000; nothing changes then. [`Error::Closed`] when the watch has ended
/// or was dropped.
#[derive(Clone)]
pub struct RepositoryCommands {
    wishes: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    wishes: Mutex<Wishes>,
    changed: Notify,
}

/// Watches the repositories of these paths and of the request's chat, and when the connection is
/// lost goes on with another one.
///
/// The items are messages of a [`GitWatch`], as if there were one connection: a snapshot comes when
/// it differs from the last one of its repository. A new connection gives only what is different
/// by then, and a repository that vanished meanwhile comes as removed, as soon as an answer of the
/// agent proves it. Notices and errors come once. Whoever keeps the last item of each repository
/// has the agent's view of all.
///
/// `paths` may be empty; [`RepositoryWatch::commands`] adds some, takes some away, and refreshes. A
/// subscription that finds nothing new and a refresh are answered by a [`GitServerMessage::Changes`]
/// without repositories, perhaps by one of a later connection. Snapshots are not kept, only 16
/// bytes of each. `agent` is any pointer to a connection: a reference, an `Arc`, a `Box`.
///
/// # Errors
///
/// Those of [`RepositoryCommands`] for the paths, from the function itself. In the stream the error
/// of the very first connection, at once. Later ones only when waiting cannot help, or when
/// [`Reconnect::give_up_after`] passed without a message while no connection lasted. Nothing
/// follows an error.
///
#[cfg_attr(feature = "mock", doc = "```")]
#[cfg_attr(not(feature = "mock"), doc = "```ignore")]
/// use agent_sdk::{Error, Reconnect, api::{GitServerMessage, RepositoryChange}, watch_repositories};
/// use futures_util::StreamExt;
///
/// # use agent_sdk::{GitWatch, api};
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// # let mock = agent_sdk::mock::MockAgent::new();
/// # let branches = std::sync::Mutex::new(vec!["topic", "main", "main"]);
/// # mock.on_watch_git(move |_| {
/// #     let branch = branches.lock().unwrap().pop().map(str::to_owned);
/// #     let repository = api::Repository { repo_root: "/src".into(), branch, ..Default::default() };
/// #     let repositories = vec![RepositoryChange::Snapshot(Box::new(repository))];
/// #     let changes = api::GitChanges { repositories, ..Default::default() };
/// #     Ok(GitWatch::from_messages([GitServerMessage::Changes(changes)]))
/// # });
/// # let agent: &dyn agent_sdk::AgentConn = &mock;
/// let paths = vec!["/src/lib.rs".to_owned()];
/// let mut watch = watch_repositories(agent, Default::default(), paths, Reconnect::default())?;
/// let mut branches = Vec::new();
/// while let Some(message) = watch.next().await {
///     let GitServerMessage::Changes(changes) = message? else { continue };
///     for change in changes.repositories {
///         match change {
///             RepositoryChange::Snapshot(repository) => branches.extend(repository.branch),
///             RepositoryChange::Removed(_) => branches.clear(),
///         }
///     }
///     if branches.len() == 2 {
///         break;
///     }
/// }
/// assert_eq!(branches, ["main", "topic"]);
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
pub fn watch_repositories<'a, A>(
    agent: A,
    request: WatchGitRequest,
    paths: Vec<String>,
    reconnect: Reconnect,
) -> Result<RepositoryWatch<'a>, Error>
where
    A: Deref<Target: AgentConn> + Send + 'a,
{
    let mut wishes = Wishes::default();
    if !paths.is_empty() {
        wishes.subscribe(paths).map_err(Error::invalid)?;
    }
    let wishes = Arc::new(Shared { wishes: Mutex::new(wishes), changed: Notify::new() });
    let (sender, link) = watch::channel(true);
    let watcher = Watcher {
        agent,
        link: sender,
        request,
        reconnect,
        wishes: Arc::clone(&wishes),
        view: View::default(),
        connection: Connection::New,
    };
    let messages = futures_util::stream::try_unfold(watcher, |mut watcher| async move {
        Ok(Some((watcher.next().await?, watcher)))
    });
    Ok(RepositoryWatch { messages: Box::pin(messages), wishes, link })
}

impl RepositoryWatch<'_> {
    /// A way to change what is watched, also from another task.
    pub fn commands(&self) -> RepositoryCommands {
        RepositoryCommands { wishes: Arc::clone(&self.wishes) }
    }

    /// Tells, as the watch is read, whether it has a connection: `false` from a loss until the next
    /// one is made, so also that what was said last may be old. `true` before the first one.
    pub fn link(&self) -> watch::Receiver<bool> {
        self.link.clone()
    }
}

impl RepositoryCommands {
    /// Watches the repositories of these paths also.
    ///
    /// # Errors
    ///
    /// Those of the type, here as below.
    pub fn subscribe(&self, paths: Vec<String>) -> Result<(), Error> {
        self.wish(|wishes| wishes.subscribe(paths))
    }

    /// Takes paths back. A repository that none leads to any more is heard of no more, without
    /// being removed.
    ///
    /// # Errors
    ///
    /// Those of the type.
    pub fn unsubscribe(&self, paths: Vec<String>) -> Result<(), Error> {
        self.wish(|wishes| wishes.unsubscribe(paths))
    }

    /// Asks for a scan of everything that is watched.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub fn refresh(&self) -> Result<(), Error> {
        self.wish(|wishes| {
            wishes.refresh();
            Ok(())
        })
    }

    fn wish(&self, change: impl FnOnce(&mut Wishes) -> Result<(), String>) -> Result<(), Error> {
        let mut wishes = self.wishes.wishes.lock();
        if wishes.has_ended {
            return Err(Error::closed("the watch has ended"));
        }
        change(&mut wishes).map_err(Error::invalid)?;
        self.wishes.changed.notify_one();
        Ok(())
    }
}

/// A connection, and what was said on it.
struct Session {
    watch: GitWatch,
    sender: GitWatchSender,
    /// When the watch itself asked for a refresh.
    refreshed: Option<Instant>,
    /// Whether nothing is taken any more; the last message says why.
    is_deaf: bool,
}

struct Watcher<A> {
    agent: A,
    request: WatchGitRequest,
    reconnect: Reconnect,
    wishes: Arc<Shared>,
    view: View,
    connection: Connection<Session>,
    link: watch::Sender<bool>,
}

/// What there is to say on a connection.
enum Command {
    Say(GitClientMessage),
    /// Nothing before this time.
    Later(Instant),
    Nothing,
}

impl<A> Watcher<A>
where
    A: Deref<Target: AgentConn> + Send,
{
    async fn next(&mut self) -> Result<GitServerMessage, Error> {
        loop {
            match &self.connection {
                Connection::New => {
                    let watch = self.agent.watch_git(self.request).await?;
                    self.opened(watch, None);
                }
                Connection::Lost(trouble) => {
                    let trouble = *trouble;
                    trouble.pause().await;
                    match self.agent.watch_git(self.request).await {
                        Ok(watch) => self.opened(watch, Some(trouble)),
                        Err(error) => self.lost(error, Some(trouble))?,
                    }
                }
                Connection::Open { .. } => match self.exchange().await {
                    Ok(Some(message)) => return Ok(message),
                    Ok(None) => {}
                    Err(error) => self.lost(error, self.connection.trouble(&self.reconnect))?,
                },
                Connection::Over => return Err(Error::closed("the watch has ended")),
            }
        }
    }

    fn opened(&mut self, watch: GitWatch, trouble: Option<Trouble>) {
        let mut wishes = self.wishes.wishes.lock();
        // What was let go before is no longer under way on this connection.
        if let Some((paths, left)) = wishes.take_let_go() {
            self.view.let_go(&paths, &left);
        }
        wishes.connected();
        drop(wishes);
        self.view.connected();
        let sender = watch.sender();
        let session = Session { watch, sender, refreshed: None, is_deaf: false };
        self.connection = Connection::open(session, trouble);
        self.tell(true);
    }

    /// Prepares the next attempt, or gives the error if there is to be none.
    fn lost(&mut self, error: Error, trouble: Option<Trouble>) -> Result<(), Error> {
        self.connection = Connection::Over;
        self.connection = Connection::Lost(self.reconnect.after(&*self.agent, error, trouble)?);
        self.tell(false);
        Ok(())
    }

    fn tell(&self, is_there: bool) {
        self.link.send_if_modified(|before| std::mem::replace(before, is_there) != is_there);
    }

    /// Says something, or takes what comes: neither end waits for the other. Gives what is news.
    async fn exchange(&mut self) -> Result<Option<GitServerMessage>, Error> {
        let command = self.command();
        let Connection::Open { stream: session, trouble, .. } = &mut self.connection else {
            return Ok(None);
        };
        let say = async {
            match &command {
                Command::Say(message) => Some(session.sender.send(message.clone()).await),
                Command::Later(at) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(*at) => None,
                        () = self.wishes.changed.notified() => None,
                    }
                }
                Command::Nothing => {
                    self.wishes.changed.notified().await;
                    None
                }
            }
        };
        tokio::select! {
            // What there is to say has an end, what comes may have none.
            biased;
            said = say => {
                match (said, command) {
                    (Some(Ok(())), Command::Say(message)) => self.said(&message),
                    (Some(Err(_)), _) => session.is_deaf = true,
                    _ => {}
                }
                Ok(None)
            }
            message = session.watch.next() => {
                let ended = || Error::closed("the watch ended without a reason");
                let message = message.unwrap_or_else(|| Err(ended()))?;
                *trouble = None;
                Ok(self.view.take(message))
            }
        }
    }

    fn command(&mut self) -> Command {
        let mut wishes = self.wishes.wishes.lock();
        if let Some((paths, left)) = wishes.take_let_go() {
            self.view.let_go(&paths, &left);
        }
        let Connection::Open { stream: session, .. } = &self.connection else {
            return Command::Nothing;
        };
        if session.is_deaf {
            return Command::Nothing;
        }
        if let Some(message) = wishes.next() {
            return Command::Say(message);
        }
        if !self.view.wants_refresh() {
            return Command::Nothing;
        }
        match session.refreshed.map(|at| at + BETWEEN_REFRESHES) {
            Some(at) if at > Instant::now() => Command::Later(at),
            _ => Command::Say(GitClientMessage::Refresh),
        }
    }

    fn said(&mut self, message: &GitClientMessage) {
        let is_awaited = self.wishes.wishes.lock().sent(message);
        self.view.sent(message, is_awaited);
        if let (GitClientMessage::Refresh, Connection::Open { stream: session, .. }) =
            (message, &mut self.connection)
        {
            session.refreshed = Some(Instant::now());
        }
    }
}

impl<A> Drop for Watcher<A> {
    fn drop(&mut self) {
        self.wishes.wishes.lock().has_ended = true;
    }
}

impl Stream for RepositoryWatch<'_> {
    type Item = Result<GitServerMessage, Error>;

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.messages.as_mut().poll_next(ctx)
    }
}

impl fmt::Debug for RepositoryWatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepositoryWatch").finish_non_exhaustive()
    }
}

impl fmt::Debug for RepositoryCommands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepositoryCommands").finish_non_exhaustive()
    }
}
