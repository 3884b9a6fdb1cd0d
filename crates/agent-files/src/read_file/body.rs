//! The bytes of an open file as a stream of chunks: from the page cache where they lie there, from
//! the blocking pool else, one chunk ahead; flat memory, exact length.

use std::{
    fs::File,
    io,
    os::{fd::AsFd, unix::fs::FileExt},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::task::JoinHandle;

use super::memory::{Chunk, Memory};
use crate::sys;

/// Bytes in one chunk, unless the part ends earlier. Larger ones fall out of the processor's
/// cache between the copy from the page cache and the copy into the socket.
pub(super) const CHUNK_BYTES: usize = 256 * 1024;

/// The bytes of a file, or of a part of it, in chunks.
///
/// Gives exactly the promised number of bytes or ends with an error: `UnexpectedEof` when the file
/// has shrunk. Holds two chunks at a time: one given away, one on its way from the disk.
#[derive(Debug)]
pub struct FileBody {
    state: State,
}

#[derive(Debug)]
enum State {
    /// Everything was read before.
    Whole(Option<Bytes>),
    Streaming(Streaming),
    Ended,
}

#[derive(Debug)]
struct Streaming {
    file: Arc<File>,
    offset: u64,
    remaining: u64,
    memory: Memory,
    /// The next chunk on its way from the disk; a file that once had to wait is read that way to
    /// its end.
    ahead: Option<JoinHandle<io::Result<Chunk>>>,
}

impl FileBody {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self { state: State::Whole(Some(bytes)) }
    }

    pub(super) fn streaming(file: File, offset: u64, length: u64) -> Self {
        let streaming = Streaming {
            file: Arc::new(file),
            offset,
            remaining: length,
            memory: Memory::new(CHUNK_BYTES),
            ahead: None,
        };
        Self { state: State::Streaming(streaming) }
    }

    /// The bytes, when they were all read before the answer, as small ones are.
    ///
    /// # Errors
    ///
    /// The body itself, when it is to be streamed.
    pub fn into_whole(self) -> Result<Bytes, Self> {
        match self.state {
            State::Whole(bytes) => Ok(bytes.unwrap_or_default()),
            state => Err(Self { state }),
        }
    }
}

impl Stream for FileBody {
    type Item = io::Result<Bytes>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        let polled = match &mut self.state {
            State::Ended => None,
            State::Whole(bytes) => bytes.take().filter(|bytes| !bytes.is_empty()).map(Ok),
            State::Streaming(streaming) => ready!(streaming.poll_chunk(cx)),
        };
        if !matches!(polled, Some(Ok(_))) {
            self.state = State::Ended;
        }
        Poll::Ready(polled)
    }
}

impl Streaming {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        let chunk = match &mut self.ahead {
            Some(reading) => {
                let read = ready!(Pin::new(reading).poll(cx));
                read.unwrap_or_else(|gone| Err(io::Error::other(gone)))
            }
            None => match self.read_cached() {
                Ok(Some(chunk)) => Ok(chunk),
                Ok(None) => {
                    self.ahead = Some(self.read_ahead());
                    return self.poll_chunk(cx);
                }
                Err(error) => Err(error),
            },
        };
        let waited = self.ahead.take().is_some();
        let chunk = chunk.and_then(ended_early);
        if let Ok(chunk) = &chunk {
            self.offset += chunk.len() as u64;
            self.remaining -= chunk.len() as u64;
            if waited && self.remaining > 0 {
                self.ahead = Some(self.read_ahead());
            }
        }
        Poll::Ready(Some(chunk.map(Bytes::from_owner)))
    }

    fn wanted(&self) -> usize {
        usize::try_from(self.remaining).map_or(CHUNK_BYTES, |rest| rest.min(CHUNK_BYTES))
    }

    /// Reads what is in the page cache; `None` if nothing is.
    fn read_cached(&self) -> io::Result<Option<Chunk>> {
        let mut chunk = self.memory.chunk(self.wanted());
        let read = sys::read_cached(self.file.as_fd(), chunk.bytes_mut(), self.offset)?;
        Ok(read.map(|count| chunk.shortened(count)))
    }

    /// Reads the next chunk on the blocking pool, while the last one is on its way to the client.
    fn read_ahead(&self) -> JoinHandle<io::Result<Chunk>> {
        let (file, offset) = (Arc::clone(&self.file), self.offset);
        let mut chunk = self.memory.chunk(self.wanted());
        tokio::task::spawn_blocking(move || {
            loop {
                match file.read_at(chunk.bytes_mut(), offset) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => return Ok(chunk.shortened(read?)),
                }
            }
        })
    }
}

fn ended_early(chunk: Chunk) -> io::Result<Chunk> {
    if chunk.len() == 0 {
        let text = "the file became shorter while it was read";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
    }
    Ok(chunk)
}
