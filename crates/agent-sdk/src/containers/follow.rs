//! The watch of containers across lost connections; not a single connection.
//!
//! ```text
//!              list              lost                        list
//!  connected -------> connected ------> pause, doubling ---> connected
//!                         |               |
//!                         | waiting       | give_up_after
//!                         v cannot help   v
//!                        end <------------+
//! ```

use std::{
    fmt,
    ops::Deref,
    pin::Pin,
    task::{Context, Poll},
};

use agent_api::{ListContainersRequest, ListContainersResponse};
use futures_core::Stream;
use futures_util::StreamExt;

use crate::{AgentConn, ContainersWatch, Error, Reconnect, reconnect::Connection};

/// Lists of containers across any number of connections; made by [`follow_containers`].
pub struct FollowContainers<'a> {
    lists: Pin<Box<dyn Stream<Item = Result<ListContainersResponse, Error>> + Send + 'a>>,
}

/// Watches containers, and goes on when the connection is lost.
///
/// Each list differs from the one before, also where a connection was made anew between the two.
/// `agent` is any pointer to a connection: a reference, an `Arc`, a `Box`.
///
/// # Errors
///
/// The error of the very first connection, at once. Later ones only when waiting cannot help: the
/// client was closed, the peer does not speak the protocol; or when [`Reconnect::give_up_after`]
/// passed. Nothing follows an error.
pub fn follow_containers<'a, A>(
    agent: A,
    request: ListContainersRequest,
    reconnect: Reconnect,
) -> FollowContainers<'a>
where
    A: Deref<Target: AgentConn> + Send + 'a,
{
    let follower = Follower { agent, request, reconnect, connection: Connection::New, last: None };
    let lists = futures_util::stream::try_unfold(follower, |mut follower| async move {
        Ok(Some((follower.next().await?, follower)))
    });
    FollowContainers { lists: Box::pin(lists) }
}

impl Stream for FollowContainers<'_> {
    type Item = Result<ListContainersResponse, Error>;

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.lists.as_mut().poll_next(ctx)
    }
}

impl fmt::Debug for FollowContainers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FollowContainers").finish_non_exhaustive()
    }
}

struct Follower<A> {
    agent: A,
    request: ListContainersRequest,
    reconnect: Reconnect,
    connection: Connection<ContainersWatch>,
    /// What was given last.
    last: Option<ListContainersResponse>,
}

impl<A> Follower<A>
where
    A: Deref<Target: AgentConn> + Send,
{
    async fn next(&mut self) -> Result<ListContainersResponse, Error> {
        loop {
            match &mut self.connection {
                Connection::New => {
                    let watch = self.agent.watch_containers(self.request.clone()).await?;
                    self.connection = Connection::open(watch, None);
                }
                Connection::Lost(trouble) => {
                    let trouble = *trouble;
                    trouble.pause().await;
                    let watch = self.agent.watch_containers(self.request.clone()).await;
                    self.connection = match watch {
                        Ok(watch) => Connection::open(watch, Some(trouble)),
                        Err(error) => self.lost(error, Some(trouble))?,
                    };
                }
                Connection::Open { stream, trouble, .. } => {
                    let ended = || Error::closed("the watch ended without a reason");
                    match stream.next().await.unwrap_or_else(|| Err(ended())) {
                        Ok(list) => {
                            *trouble = None;
                            if self.last.as_ref() != Some(&list) {
                                self.last = Some(list.clone());
                                return Ok(list);
                            }
                        }
                        Err(error) => {
                            let trouble = self.connection.trouble(&self.reconnect);
                            self.connection = self.lost(error, trouble)?;
                        }
                    }
                }
                Connection::Over => return Err(Error::closed("the watch has ended")),
            }
        }
    }

    /// What comes before the next attempt, or the error if there is to be none.
    fn lost(
        &self,
        error: Error,
        trouble: Option<crate::reconnect::Trouble>,
    ) -> Result<Connection<ContainersWatch>, Error> {
        Ok(Connection::Lost(self.reconnect.after(&*self.agent, error, trouble)?))
    }
}
