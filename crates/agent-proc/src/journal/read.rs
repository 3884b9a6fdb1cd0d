//! Reading a journal: anywhere, at any time, without disturbing anybody.

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt, sync::Arc};

use agent_api::{GapReason, OutputGap};
use bytes::Bytes;
use tokio::sync::watch;
use tracing::warn;

use super::{Bounds, Journal, Progress, medium, stream::Place};

/// Most bytes of one [`Cursor::next`]: those of a message on the wire.
const CHUNK: usize = agent_api::MAX_CHUNK_BYTES;

/// What is at an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// At least one byte.
    Bytes {
        /// Offset of the first one.
        offset: u64,
        /// The bytes.
        bytes: Bytes,
    },
    /// Bytes that nobody can read; it begins at the offset asked for.
    Gap(OutputGap),
    /// Nothing yet.
    Pending,
    /// Nothing, ever.
    End,
    /// The output was deleted.
    Removed,
}

/// What a range of a stream holds at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Located {
    /// The offsets of the stream.
    pub(crate) bounds: Bounds,
    /// What is in the range.
    pub(crate) answer: Answer,
}

/// What a range holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The first bytes in it that can be read, up to the next gap or the end of the range or the
    /// stream.
    Readable {
        /// Offset of the first byte.
        start: u64,
        /// Offset behind the last byte.
        end: u64,
    },
    /// It begins at the end of the stream, or is empty.
    AtEnd,
    /// None of it can be read.
    Forgotten {
        /// First offset behind it that can be read, or the end.
        next: u64,
    },
    /// It begins behind the end of the stream.
    Beyond,
}

/// Reads a stream from an offset on; every byte and every gap comes once, in order.
#[derive(Debug)]
pub(crate) struct Cursor {
    journal: Journal,
    offset: u64,
    progress: watch::Receiver<Progress>,
    /// Kept, because the journal closes its own at the end.
    file: Option<Arc<File>>,
}

impl Journal {
    /// What `[from, from + limit)` holds now.
    pub(crate) fn locate(&self, from: u64, limit: u64) -> Located {
        self.group.look(|state| {
            let stream = &state.streams[self.index];
            let bounds = state.bounds(self.index);
            let until = from.saturating_add(limit).min(bounds.end);
            let start = stream.readable_from(from);
            let answer = if from > bounds.end {
                Answer::Beyond
            } else if from >= until {
                Answer::AtEnd
            } else if start >= until {
                Answer::Forgotten { next: start }
            } else {
                Answer::Readable { start, end: stream.readable_to(start).min(until) }
            };
            Located { bounds, answer }
        })
    }

    /// A reader that begins at an offset, which is not behind the end.
    pub(crate) fn cursor(&self, from: u64) -> Cursor {
        Cursor { journal: self.clone(), offset: from, progress: self.watch(), file: None }
    }

    /// Reads at most `max` bytes of `[from, until)`; `file` keeps the file for the next call.
    pub(super) async fn read_with(
        &self,
        file: &mut Option<Arc<File>>,
        from: u64,
        until: u64,
        max: usize,
    ) -> Read {
        loop {
            let (place, is_closed, is_removed) = self.group.look(|state| {
                let place = state.streams[self.index].place(from, until, max as u64);
                (place, state.is_closed, state.is_removed)
            });
            let range = match place {
                _ if is_removed => return Read::Removed,
                Place::Gap(gap) => return Read::Gap(gap),
                Place::Memory { offset, bytes } => {
                    return Read::Bytes { offset, bytes: bytes.into() };
                }
                Place::End if is_closed => return Read::End,
                Place::End => return Read::Pending,
                Place::File(range) => range,
            };
            match self.read_file(file, range).await {
                // Forgotten or removed while it was read: look again.
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Read::Bytes { offset: from, bytes: bytes.into() },
                Err((_, error))
                    if error.kind() == io::ErrorKind::NotFound && self.bounds().is_removed =>
                {
                    return Read::Removed;
                }
                // A stream with a gap is worth more than none.
                Err((range, error)) => {
                    warn!(%error, "cannot read a part of an output");
                    let Range { start: from, end: to } = range;
                    return Read::Gap(OutputGap { from, to, reason: GapReason::Disk });
                }
            }
        }
    }

    /// Reads a range of the file that was readable a moment ago; answers what of it, from its
    /// beginning, is readable still.
    async fn read_file(
        &self,
        file: &mut Option<Arc<File>>,
        range: Range<u64>,
    ) -> Result<Vec<u8>, (Range<u64>, io::Error)> {
        let at = |error| (range.clone(), error);
        let open = match file {
            Some(file) => Arc::clone(file),
            None => self.open().await.map_err(at)?,
        };
        *file = Some(Arc::clone(&open));
        let read = read_at(open, range.start, (range.end - range.start) as usize).await;
        let still = self.group.look(|state| {
            let to = state.streams[self.index].readable_to(range.start);
            if state.is_removed { 0 } else { to.min(range.end) - range.start }
        });
        if still == 0 {
            return Ok(Vec::new());
        }
        let mut bytes = read.map_err(at)?;
        bytes.truncate(still as usize);
        Ok(bytes)
    }

    async fn open(&self) -> io::Result<Arc<File>> {
        if let Some(file) = self.lane().file() {
            return Ok(file);
        }
        let journal = self.clone();
        blocking(move || journal.group.file(journal.index)).await
    }
}

impl Cursor {
    /// Offset of the next byte.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes on to the next bytes or gap below `until`; [`Read::Pending`] if there is none yet.
    ///
    /// At most 32 KiB. Does not wait for output, only for the disk.
    ///
    /// # Cancellation
    ///
    /// Safe: the offset moves when the answer is there.
    pub(crate) async fn next(&mut self, until: u64) -> Read {
        let read = self.journal.read_with(&mut self.file, self.offset, until, CHUNK).await;
        match &read {
            Read::Bytes { offset, bytes } => self.offset = offset + bytes.len() as u64,
            Read::Gap(gap) => self.offset = gap.to,
            Read::Pending | Read::End | Read::Removed => {}
        }
        read
    }

    /// Waits until there is a byte or a gap at the offset, or an end.
    ///
    /// # Cancellation
    ///
    /// Safe.
    pub(crate) async fn changed(&mut self) {
        let offset = self.offset;
        let has_more = |now: &Progress| now.end > offset || now.is_closed || now.is_removed;
        // The sender lives in the journal that this holds.
        let _ = self.progress.wait_for(has_more).await;
    }
}

/// Reads a range of a file: at once if it is cached, else where blocking is allowed.
async fn read_at(file: Arc<File>, at: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; length];
    if let Some(read) = medium::read_cached(&file, &mut buffer, at) {
        buffer.truncate(read);
        return Ok(buffer);
    }
    blocking(move || {
        loop {
            match file.read_at(&mut buffer, at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    buffer.truncate(read);
                    return Ok(buffer);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
