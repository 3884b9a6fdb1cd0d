//! The live stream of a process across lost connections; not a single connection.
//!
//! ```text
//!              item              lost                        item
//!  connected -------> connected ------> pause, doubling ---> connected
//!      |                                  |
//!      | closed, or an error that         | give_up_after
//!      v waiting cannot help              v
//!     end <-------------------------------+
//! ```

use std::{
    fmt,
    ops::Deref,
    pin::Pin,
    task::{Context, Poll},
};

use agent_api::{
    OutputStreamName, ProcessId, StreamProcessOutputRequest, StreamStart,
    routes::STREAM_PROCESS_OUTPUT,
};
use futures_core::Stream;
use futures_util::StreamExt;

use crate::{
    AgentConn, Error, ProcessStream, ProcessStreamItem, Reconnect,
    processes::Sequence,
    reconnect::{Connection, Trouble},
};

/// Items of a process's stream across any number of connections; made by [`follow`].
pub struct Follow<'a> {
    items: Pin<Box<dyn Stream<Item = Result<ProcessStreamItem, Error>> + Send + 'a>>,
}

/// Streams what a process prints, and when the connection is lost goes on where it was.
///
/// The items are those of one [`ProcessStream`]: every byte and every gap once and in order,
/// [`ProcessStreamItem::Exited`] once, [`ProcessStreamItem::Closed`] last. A request that begins
/// at [`StreamStart::End`] asks first where that is, so that nothing printed while a connection is
/// made anew is lost. `agent` is any pointer to a connection: a reference, an `Arc`, a `Box`.
///
/// # Errors
///
/// The error of the very first connection, at once. Later ones only when waiting cannot help: the
/// process is forgotten, the client was closed, the peer does not speak the protocol; or when
/// [`Reconnect::give_up_after`] passed. Nothing follows an error.
///
#[cfg_attr(feature = "mock", doc = "```")]
#[cfg_attr(not(feature = "mock"), doc = "```ignore")]
/// use agent_sdk::{Error, ProcessStream, ProcessStreamItem, Reconnect, api, follow};
/// use futures_util::StreamExt;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// # let mock = agent_sdk::mock::MockAgent::new();
/// # mock.on_stream_process_output(|_, request| {
/// #     let output = |offset, bytes| ProcessStreamItem::Output { offset, bytes };
/// #     Ok(match request.from {
/// #         api::StreamStart::Offset(0) => ProcessStream::from_stream(futures_util::stream::iter([
/// #             Ok(output(0, "hel".into())),
/// #             Err(Error::Closed { code: None, reason: "lost".to_owned() }),
/// #         ])),
/// #         _ => ProcessStream::from_items([
/// #             output(3, "lo".into()),
/// #             ProcessStreamItem::Closed { end_bytes: 5 },
/// #         ]),
/// #     })
/// # });
/// # let agent: &dyn agent_sdk::AgentConn = &mock;
/// # let id = "0b7c5b0e-5a07-4a5e-9a55-3d2f6f0c9f01".parse().unwrap();
/// let mut output = Vec::new();
/// let mut stream = follow(agent, id, Default::default(), Reconnect::default());
/// while let Some(item) = stream.next().await {
///     if let ProcessStreamItem::Output { bytes, .. } = item? {
///         output.extend_from_slice(&bytes);
///     }
/// }
/// assert_eq!(output, b"hello");
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
pub fn follow<'a, A>(
    agent: A,
    id: ProcessId,
    request: StreamProcessOutputRequest,
    reconnect: Reconnect,
) -> Follow<'a>
where
    A: Deref<Target: AgentConn> + Send + 'a,
{
    follow_from(Connection::New, agent, id, request, reconnect)
}

/// As [`follow`], of a process that is known to be there: the first connection is one of many.
pub(crate) fn follow_known(
    agent: &dyn AgentConn,
    id: ProcessId,
    request: StreamProcessOutputRequest,
    reconnect: Reconnect,
) -> Follow<'_> {
    follow_from(Connection::Lost(Trouble::begin()), agent, id, request, reconnect)
}

fn follow_from<'a, A>(
    connection: Connection<ProcessStream>,
    agent: A,
    id: ProcessId,
    request: StreamProcessOutputRequest,
    reconnect: Reconnect,
) -> Follow<'a>
where
    A: Deref<Target: AgentConn> + Send + 'a,
{
    let follower = Follower {
        agent,
        id,
        stream: request.stream,
        sequence: Sequence::new(request.from),
        reconnect,
        connection,
        has_exited: false,
    };
    let items = futures_util::stream::try_unfold(follower, |mut follower| async move {
        Ok(follower.next().await?.map(|item| (item, follower)))
    });
    Follow { items: Box::pin(items) }
}

impl Stream for Follow<'_> {
    type Item = Result<ProcessStreamItem, Error>;

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.items.as_mut().poll_next(ctx)
    }
}

impl fmt::Debug for Follow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow").finish_non_exhaustive()
    }
}

struct Follower<A> {
    agent: A,
    id: ProcessId,
    stream: OutputStreamName,
    sequence: Sequence,
    reconnect: Reconnect,
    connection: Connection<ProcessStream>,
    has_exited: bool,
}

impl<A> Follower<A>
where
    A: Deref<Target: AgentConn> + Send,
{
    async fn next(&mut self) -> Result<Option<ProcessStreamItem>, Error> {
        loop {
            match &mut self.connection {
                Connection::New => {
                    let items = self.first().await?;
                    self.opened(items, None);
                }
                Connection::Lost(trouble) => {
                    let trouble = *trouble;
                    trouble.pause().await;
                    match self.connect().await {
                        Ok(items) => self.opened(items, Some(trouble)),
                        Err(error) => self.lost(error, Some(trouble))?,
                    }
                }
                Connection::Open { stream, trouble, .. } => {
                    let ended = || Error::closed("the stream ended before the output was closed");
                    match stream.next().await.unwrap_or_else(|| Err(ended())) {
                        Ok(item) => {
                            *trouble = None;
                            if self.advance(&item)? {
                                return Ok(Some(item));
                            }
                        }
                        Err(error) => self.lost(error, self.connection.trouble(&self.reconnect))?,
                    }
                }
                Connection::Over => return Ok(None),
            }
        }
    }

    /// Goes behind an item; false for one that was given before.
    fn advance(&mut self, item: &ProcessStreamItem) -> Result<bool, Error> {
        let operation = STREAM_PROCESS_OUTPUT.operation;
        self.sequence.advance(item).map_err(|why| Error::protocol(operation, why))?;
        match item {
            ProcessStreamItem::Exited(_) => Ok(!std::mem::replace(&mut self.has_exited, true)),
            ProcessStreamItem::Closed { .. } => {
                self.connection = Connection::Over;
                Ok(true)
            }
            ProcessStreamItem::Output { .. } | ProcessStreamItem::Gap(_) => Ok(true),
        }
    }

    /// Makes the first connection, at a place that has a number.
    async fn first(&mut self) -> Result<ProcessStream, Error> {
        if self.sequence.next() == StreamStart::End {
            let record = self.agent.get_process(self.id).await?;
            let end = match self.stream {
                OutputStreamName::Stderr => record.stderr_end_bytes,
                _ => Some(record.output_end_bytes),
            };
            // Without that stream the agent says what is wrong.
            self.sequence = Sequence::new(end.map_or(StreamStart::End, StreamStart::Offset));
        }
        self.connect().await
    }

    async fn connect(&mut self) -> Result<ProcessStream, Error> {
        let request =
            StreamProcessOutputRequest { stream: self.stream, from: self.sequence.next() };
        self.agent.stream_process_output(self.id, request).await
    }

    fn opened(&mut self, items: ProcessStream, trouble: Option<Trouble>) {
        self.connection = Connection::open(items, trouble);
    }

    /// Prepares the next attempt, or gives the error if there is to be none.
    fn lost(&mut self, error: Error, trouble: Option<Trouble>) -> Result<(), Error> {
        self.connection = Connection::Lost(self.reconnect.after(&*self.agent, error, trouble)?);
        Ok(())
    }
}
