//! The log of bringing a dev container up, entry by entry; not where it comes from.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use agent_api::{DevContainerLogEntry, routes::DEV_CONTAINER_LOGS};
use bytes::{Buf, BytesMut};
use futures_core::Stream;
use futures_util::StreamExt;

use crate::{ByteStream, Error};

/// Answer of [`dev_container_logs`](crate::AgentConn::dev_container_logs): entries, oldest first.
///
/// It ends behind the last entry; a connection that breaks before gives an error, after which nothing
/// follows. Whoever reads slowly slows down the agent's answer and not what is brought up. Dropping
/// it closes its connection.
pub struct DevContainerLogs {
    /// `None` when nothing follows.
    entries: Option<Entries>,
}

type Entries = Pin<Box<dyn Stream<Item = Result<DevContainerLogEntry, Error>> + Send>>;

impl DevContainerLogs {
    /// Gives the entries of another stream, such as those of a channel in a test.
    pub fn from_stream(
        entries: impl Stream<Item = Result<DevContainerLogEntry, Error>> + Send + 'static,
    ) -> Self {
        Self { entries: Some(Box::pin(entries)) }
    }

    /// Gives entries as they are, for answers of a mock.
    pub fn from_entries<I>(entries: I) -> Self
    where
        I: IntoIterator<Item = DevContainerLogEntry, IntoIter: Send + 'static>,
    {
        Self::from_stream(futures_util::stream::iter(entries.into_iter().map(Ok)))
    }

    /// Reads a body of lines, each an object of at most so many bytes.
    pub(crate) fn from_lines(body: ByteStream, limit_bytes: u64) -> Self {
        let lines = Lines { body: Some(body), held: BytesMut::new(), seen: 0, limit_bytes };
        Self::from_stream(futures_util::stream::try_unfold(lines, |mut lines| async move {
            Ok(lines.next().await?.map(|entry| (entry, lines)))
        }))
    }
}

impl Stream for DevContainerLogs {
    type Item = Result<DevContainerLogEntry, Error>;

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(entries) = &mut self.entries else { return Poll::Ready(None) };
        let next = entries.as_mut().poll_next(ctx);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.entries = None;
        }
        next
    }
}

impl fmt::Debug for DevContainerLogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevContainerLogs").finish_non_exhaustive()
    }
}

/// Cuts a body into lines, wherever its chunks are cut.
struct Lines {
    /// `None` when it has ended.
    body: Option<ByteStream>,
    held: BytesMut,
    /// Bytes of `held` that are known to have no line ending.
    seen: usize,
    limit_bytes: u64,
}

impl Lines {
    async fn next(&mut self) -> Result<Option<DevContainerLogEntry>, Error> {
        while let Some(line) = self.line().await? {
            let line = line.trim_ascii();
            if !line.is_empty() {
                let entry = serde_json::from_slice(line).map_err(|error| {
                    Error::protocol(DEV_CONTAINER_LOGS.operation, error.to_string())
                })?;
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// The next line, of which the last one need not have an ending.
    async fn line(&mut self) -> Result<Option<BytesMut>, Error> {
        loop {
            if let Some(at) = self.held[self.seen..].iter().position(|byte| *byte == b'\n') {
                let line = self.held.split_to(self.seen + at);
                self.held.advance(1);
                self.seen = 0;
                return Ok(Some(line));
            }
            self.seen = self.held.len();
            if u64::try_from(self.seen).unwrap_or(u64::MAX) > self.limit_bytes {
                return Err(Error::TooLarge { limit_bytes: self.limit_bytes });
            }
            let Some(body) = &mut self.body else {
                self.seen = 0;
                return Ok(Some(self.held.split()).filter(|rest| !rest.is_empty()));
            };
            match body.next().await {
                Some(chunk) => self.held.extend_from_slice(&chunk?),
                None => self.body = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::TryStreamExt;

    use super::*;

    async fn texts(body: &str, cut: usize, limit_bytes: u64) -> Result<Vec<String>, Error> {
        let chunks: Vec<_> =
            body.as_bytes().chunks(cut).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let body = ByteStream::from_stream(futures_util::stream::iter(chunks));
        let entries = DevContainerLogs::from_lines(body, limit_bytes);
        entries.map_ok(|entry| entry.text).try_collect().await
    }

    fn line(text: &str) -> String {
        format!(
            r#"{{"at":"2030-01-02T03:04:05.678Z","level":"of_tomorrow","text":"{text}","x":1}}"#
        )
    }

    #[tokio::test]
    async fn entries_are_read_wherever_chunks_are_cut() {
        let body = format!("{}\n\n{}\r\n{}", line("a"), line("b"), line(""));
        for cut in [1, 2, 7, 1000] {
            assert_eq!(texts(&body, cut, 100).await.unwrap(), ["a", "b", ""], "{cut}");
        }
        assert!(texts("", 1, 100).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_line_has_a_largest_size() {
        let body = line(&"x".repeat(100));
        let error = texts(&body, 8, 100).await.unwrap_err();
        assert!(matches!(error, Error::TooLarge { limit_bytes: 100 }), "{error:?}");
    }

    #[tokio::test]
    async fn what_is_no_entry_is_not_of_the_protocol() {
        for body in ["[]\n", "{}\n", "x"] {
            let error = texts(body, 100, 100).await.unwrap_err();
            assert!(matches!(error, Error::Protocol { .. }), "{body}: {error:?}");
        }
    }
}
