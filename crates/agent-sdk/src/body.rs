//! Contents that are streamed, up or down, in memory that does not grow with them; not how a
//! transport moves them.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_util::{StreamExt, TryStreamExt};
use tokio::io::AsyncRead;
use tokio_util::io::{ReaderStream, StreamReader};

use crate::Error;

/// Bytes taken from a reader at once: the size at which a loopback copy stops getting faster.
const READ_BYTES: usize = 256 * 1024;

/// A stream of bytes: a file's content on its way down or up.
///
/// Chunks are of any size and in order. After an error nothing follows. Whoever reads slowly slows
/// down the sender, and dropping a download closes its connection.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// use agent_sdk::{ByteStream, Error};
///
/// let content = ByteStream::from_reader(&b"any reader will do"[..]);
/// assert_eq!(content.collect(1024).await?, "any reader will do");
///
/// let content = ByteStream::from("too long for its limit");
/// assert!(matches!(content.collect(3).await, Err(Error::TooLarge { limit_bytes: 3 })));
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
pub struct ByteStream {
    chunks: Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>,
    length: Option<u64>,
}

impl ByteStream {
    /// A stream without a byte.
    pub fn empty() -> Self {
        Self::from(Bytes::new())
    }

    /// Streams the chunks of another stream.
    ///
    /// As the body of an upload, its first error ends the call with that error, and the agent
    /// keeps what it had.
    pub fn from_stream(chunks: impl Stream<Item = Result<Bytes, Error>> + Send + 'static) -> Self {
        Self { chunks: Box::pin(chunks), length: None }
    }

    /// Streams what a reader gives, up to 256 KiB at once, to its end.
    ///
    /// A reader that fails gives [`Error::Closed`] with the reader's words.
    pub fn from_reader(reader: impl AsyncRead + Send + 'static) -> Self {
        let chunks = ReaderStream::with_capacity(reader, READ_BYTES);
        Self::from_stream(chunks.map_err(|error| {
            Error::closed(format!("the source cannot be read: {}", agent_api::io_text(&error)))
        }))
    }

    /// The number of bytes, where it is known beforehand.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    pub(crate) fn with_length(self, length: Option<u64>) -> Self {
        Self { length, ..self }
    }

    /// Collects all bytes.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] as soon as there are more than `limit_bytes`, and whatever ends the
    /// stream early.
    pub async fn collect(mut self, limit_bytes: u64) -> Result<Bytes, Error> {
        let mut all = BytesMut::new();
        let mut first = None;
        while let Some(chunk) = self.next().await {
            let chunk = chunk?;
            let total = all.len() + first.as_ref().map_or(0, Bytes::len) + chunk.len();
            if u64::try_from(total).unwrap_or(u64::MAX) > limit_bytes {
                return Err(Error::TooLarge { limit_bytes });
            }
            // A content of one chunk, which most are, is handed on without a copy.
            match first.take() {
                None if all.is_empty() => first = Some(chunk),
                None => all.extend_from_slice(&chunk),
                Some(head) => {
                    all.reserve(total);
                    all.extend_from_slice(&head);
                    all.extend_from_slice(&chunk);
                }
            }
        }
        Ok(first.unwrap_or_else(|| all.freeze()))
    }

    /// Reads the stream as `AsyncRead`; an [`Error`] is inside the `io::Error`.
    pub fn into_reader(self) -> impl AsyncRead + Send + Unpin {
        StreamReader::new(self.map_err(std::io::Error::from))
    }
}

impl Stream for ByteStream {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks.as_mut().poll_next(ctx)
    }
}

impl From<Bytes> for ByteStream {
    fn from(bytes: Bytes) -> Self {
        let length = u64::try_from(bytes.len()).ok();
        let chunk = (!bytes.is_empty()).then_some(Ok(bytes));
        Self::from_stream(futures_util::stream::iter(chunk)).with_length(length)
    }
}

impl From<Vec<u8>> for ByteStream {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(Bytes::from(bytes))
    }
}

impl From<String> for ByteStream {
    fn from(text: String) -> Self {
        Self::from(Bytes::from(text))
    }
}

impl From<&'static str> for ByteStream {
    fn from(text: &'static str) -> Self {
        Self::from(Bytes::from_static(text.as_bytes()))
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStream").field("length", &self.length).finish_non_exhaustive()
    }
}
