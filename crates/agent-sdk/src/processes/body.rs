//! The body of an event stream, read to its end; not the events' form.

use std::{collections::VecDeque, time::Duration};

use futures_core::Stream;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::{
    ProcessStreamItem,
    events::{self, Event, Parser, TooLong},
};
use crate::{ByteStream, Error};

/// Longest time without a byte; agents send a comment three times as often.
const SILENCE: Duration = Duration::from_secs(45);

/// Reads the body of an event stream; the last item may be an error.
pub(crate) fn read_events(
    operation: &'static str,
    body: ByteStream,
    limit_bytes: u64,
) -> impl Stream<Item = Result<ProcessStreamItem, Error>> + Send + Unpin + 'static {
    let limit = usize::try_from(limit_bytes).unwrap_or(usize::MAX);
    let reader = Reader { operation, body, parser: Parser::new(limit), queue: VecDeque::new() };
    Box::pin(futures_util::stream::try_unfold(reader, move |mut reader| async move {
        Ok(reader.next(limit_bytes).await?.map(|item| (item, reader)))
    }))
}

struct Reader {
    operation: &'static str,
    body: ByteStream,
    parser: Parser,
    /// Events of the last chunk.
    queue: VecDeque<Event>,
}

impl Reader {
    async fn next(&mut self, limit_bytes: u64) -> Result<Option<ProcessStreamItem>, Error> {
        loop {
            while let Some(event) = self.queue.pop_front() {
                let item =
                    events::item(&event).map_err(|why| Error::protocol(self.operation, why))?;
                if item.is_some() {
                    return Ok(item);
                }
            }
            let silent = |_| Error::closed(format!("nothing came for {} s", SILENCE.as_secs()));
            let Some(chunk) = timeout(SILENCE, self.body.next()).await.map_err(silent)? else {
                return Ok(None);
            };
            let pushed = self.parser.push(&chunk?, &mut self.queue);
            pushed.map_err(|TooLong| Error::TooLarge { limit_bytes })?;
        }
    }
}
