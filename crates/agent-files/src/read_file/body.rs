//! The bytes of an open file as a stream of chunks: from the page cache where they lie there, from
//! the blocking pool else; flat memory, exact length.

use std::{
    fs::File,
    io,
    os::{fd::AsFd, unix::fs::FileExt},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use tokio::task::JoinHandle;

use crate::sys;

/// Bytes in one chunk, unless the part ends earlier. Larger ones fall out of the processor's
/// cache between the copy from the page cache and the copy into the socket.
const CHUNK_BYTES: usize = 256 * 1024;

/// The bytes of a file, or of a part of it, in chunks.
///
/// Gives exactly the promised number of bytes or ends with an error: `UnexpectedEof` when the file
/// has shrunk. Holds one chunk at a time.
#[derive(Debug)]
pub struct FileBody {
    state: State,
}

#[derive(Debug)]
enum State {
    /// Everything was read before.
    Whole(Option<Bytes>),
    Streaming {
        file: Arc<File>,
        offset: u64,
        remaining: u64,
        /// The memory of the last chunk, taken back once its reader has let go of it.
        memory: BytesMut,
        /// A chunk on its way from the disk.
        waiting: Option<JoinHandle<io::Result<BytesMut>>>,
    },
    Ended,
}

impl FileBody {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self { state: State::Whole(Some(bytes)) }
    }

    pub(super) fn streaming(file: File, offset: u64, length: u64) -> Self {
        let state = State::Streaming {
            file: Arc::new(file),
            offset,
            remaining: length,
            memory: BytesMut::new(),
            waiting: None,
        };
        Self { state }
    }

    /// The bytes, when they were all read before the answer, as small ones are.
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
            State::Streaming { remaining: 0, .. } => None,
            State::Streaming { file, offset, remaining, memory, waiting } => {
                let wanted = chunk_size(*remaining);
                let chunk = match waiting {
                    Some(reading) => ready!(Pin::new(reading).poll(cx))
                        .unwrap_or_else(|gone| Err(io::Error::other(gone))),
                    None => match read_cached(file, *offset, wanted, memory) {
                        Ok(Some(chunk)) => Ok(chunk),
                        Ok(None) => {
                            let reading = read_later(Arc::clone(file), *offset, wanted);
                            *waiting = Some(reading);
                            return self.poll_next(cx);
                        }
                        Err(error) => Err(error),
                    },
                };
                *waiting = None;
                let chunk = chunk.and_then(ended_early);
                if let Ok(chunk) = &chunk {
                    *offset += chunk.len() as u64;
                    *remaining -= chunk.len() as u64;
                }
                Some(chunk.map(BytesMut::freeze))
            }
        };
        if !matches!(polled, Some(Ok(_))) {
            self.state = State::Ended;
        }
        Poll::Ready(polled)
    }
}

fn chunk_size(remaining: u64) -> usize {
    usize::try_from(remaining).map_or(CHUNK_BYTES, |rest| rest.min(CHUNK_BYTES))
}

/// Reads what is in the page cache; `None` if nothing is.
fn read_cached(
    file: &File,
    offset: u64,
    wanted: usize,
    memory: &mut BytesMut,
) -> io::Result<Option<BytesMut>> {
    // Takes the memory of the last chunk back if its reader is done with it.
    memory.reserve(CHUNK_BYTES);
    memory.resize(wanted, 0);
    match sys::read_cached(file.as_fd(), memory, offset)? {
        None => {
            memory.clear();
            Ok(None)
        }
        Some(count) => Ok(Some(memory.split_to(count))),
    }
}

fn read_later(file: Arc<File>, offset: u64, wanted: usize) -> JoinHandle<io::Result<BytesMut>> {
    tokio::task::spawn_blocking(move || {
        let mut chunk = BytesMut::zeroed(wanted);
        let count = loop {
            match file.read_at(&mut chunk, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        chunk.truncate(count);
        Ok(chunk)
    })
}

fn ended_early(chunk: BytesMut) -> io::Result<BytesMut> {
    if chunk.is_empty() {
        let text = "the file became shorter while it was read";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
    }
    Ok(chunk)
}
