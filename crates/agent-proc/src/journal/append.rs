//! Writing a journal: from a pipe by splicing, else through a buffer.

use std::{io, os::fd::BorrowedFd};

use tracing::{debug, info, warn};

use super::{
    Journal,
    group::{Lag, Writer},
};

/// Most bytes that one call takes from a pipe, whatever it was asked for.
const MAX_APPEND: usize = 1024 * 1024;
/// Bytes that go through memory at once.
const BUFFER: usize = 64 * 1024;

/// What [`Journal::append_from_pipe`] took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appended {
    /// Bytes that left the pipe, stored or not.
    pub(crate) bytes: usize,
    /// What is left in the pipe.
    pub(crate) rest: Rest,
}

/// Why [`Journal::append_from_pipe`] stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// There may be more; it took as much as it may.
    More,
    /// The pipe is empty and somebody may still write.
    Empty,
    /// The pipe is empty and nobody can write any more.
    End,
}

impl Journal {
    /// Appends bytes; blocks, never fails.
    ///
    /// What the disk refuses is kept in memory as far as it goes, and is a gap beyond. After the
    /// close or the removal the bytes are dropped.
    pub(crate) fn append(&self, bytes: &[u8]) {
        let mut writer = self.lane().writer.lock();
        for piece in bytes.chunks(MAX_APPEND) {
            self.store(&mut writer, piece);
        }
        drop(writer);
        self.group.settle(Lag::Some);
    }

    /// Appends at most `most` bytes of a pipe, and at most 1 MiB; blocks on the disk only.
    ///
    /// # Errors
    ///
    /// The pipe cannot be read; a disk's refusal is no error, as in [`Journal::append`]. The
    /// descriptor must be non-blocking.
    pub(crate) fn append_from_pipe(
        &self,
        pipe: BorrowedFd<'_>,
        most: usize,
    ) -> io::Result<Appended> {
        let mut writer = self.lane().writer.lock();
        let most = most.min(MAX_APPEND);
        let mut buffer = Vec::new();
        let mut bytes = 0;
        let outcome = loop {
            if bytes >= most {
                break Ok(Rest::More);
            }
            match self.move_some(&mut writer, pipe, most - bytes, &mut buffer) {
                Ok(0) => break Ok(Rest::End),
                Ok(moved) => bytes += moved,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(Rest::Empty),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What was moved must not be lost on the caller; the next call fails again.
                Err(_) if bytes > 0 => break Ok(Rest::More),
                Err(error) => break Err(error),
            }
        };
        drop(writer);
        self.group.settle(Lag::Some);
        outcome.map(|rest| Appended { bytes, rest })
    }

    fn move_some(
        &self,
        writer: &mut Writer,
        pipe: BorrowedFd<'_>,
        most: usize,
        buffer: &mut Vec<u8>,
    ) -> io::Result<usize> {
        if let Some(spliced) = self.splice(writer, pipe, most) {
            return spliced;
        }
        buffer.resize(BUFFER, 0);
        let read = rustix::io::read(pipe, &mut buffer[..most.min(BUFFER)])?;
        if read > 0 {
            self.store(writer, &buffer[..read]);
        }
        Ok(read)
    }

    /// Moves bytes without copying them to memory; `None` where they must be read.
    fn splice(
        &self,
        writer: &mut Writer,
        pipe: BorrowedFd<'_>,
        most: usize,
    ) -> Option<io::Result<usize>> {
        let is_direct = self.group.look(|state| {
            let is_open = !state.is_closed && !state.is_removed;
            is_open && state.streams[self.index].memory().is_empty()
        });
        // Whether there is anything to make a file for is known when it has been read.
        if writer.cannot_splice || !is_direct || !self.lane().is_made() {
            return None;
        }
        let file = self.group.file_to_write(self.index).ok()?;
        let at = self.group.look(|state| state.streams[self.index].end());
        match self.group.medium.splice(pipe, &file, at, most) {
            Ok(0) => Some(Ok(0)),
            Ok(bytes) => {
                writer.took();
                self.group.append(self.index, |stream| stream.wrote(bytes as u64));
                Some(Ok(bytes))
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Some(Err(error)),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => {
                    debug!(%error, "output is copied through memory: the file takes no splice");
                    writer.cannot_splice = true;
                    None
                }
                // Reading tells a refusal of the disk from one of the pipe.
                _ => None,
            },
        }
    }

    /// Appends bytes to the file, behind those in memory; what it refuses goes to memory.
    fn store(&self, writer: &mut Writer, bytes: &[u8]) {
        if self.group.look(|state| state.is_closed || state.is_removed) {
            return;
        }
        let (written, outcome) = match self.write_memory(writer) {
            Ok(()) => self.write(writer, bytes),
            Err(error) => (0, Err(error)),
        };
        let Err(error) = outcome else { return };
        if !writer.was_refused {
            warn!(%error, "the disk refuses output, which becomes a gap until it takes more");
            writer.was_refused = true;
        }
        self.group.append(self.index, |stream| stream.push_memory(&bytes[written..]));
        if let Err(error) = self.group.keep() {
            debug!(%error, "cannot write down a gap of an output");
        }
    }

    /// Tries again what the disk has refused.
    fn write_memory(&self, writer: &mut Writer) -> io::Result<()> {
        let (at, memory) = self.group.look(|state| {
            let stream = &state.streams[self.index];
            (stream.file_end(), stream.memory().iter().copied().collect::<Vec<u8>>())
        });
        if memory.is_empty() {
            return Ok(());
        }
        let (written, outcome) = self.write_at(&memory, at);
        if written > 0 {
            self.group.append(self.index, |stream| {
                // A quota may have forgotten some of them meanwhile.
                let file_end = at + written as u64;
                let rest = file_end.saturating_sub(stream.file_end());
                stream.wrote_memory((rest as usize).min(stream.memory().len()));
            });
        }
        outcome.inspect(|()| writer.took())
    }

    /// Appends to the file what it takes.
    fn write(&self, writer: &mut Writer, bytes: &[u8]) -> (usize, io::Result<()>) {
        let at = self.group.look(|state| state.streams[self.index].end());
        let (written, outcome) = self.write_at(bytes, at);
        if written > 0 {
            self.group.append(self.index, |stream| stream.wrote(written as u64));
        }
        if outcome.is_ok() {
            writer.took();
        }
        (written, outcome)
    }

    /// Writes all it can; says how much that is, and why not all.
    fn write_at(&self, bytes: &[u8], at: u64) -> (usize, io::Result<()>) {
        let file = match self.group.file_to_write(self.index) {
            Ok(file) => file,
            Err(error) => return (0, Err(error)),
        };
        let mut written = 0;
        while written < bytes.len() {
            match self.group.medium.write(&file, &bytes[written..], at + written as u64) {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (written, Err(error)),
            }
        }
        (written, Ok(()))
    }

    /// Tries a last time to store what the disk has refused; blocks.
    pub(super) fn write_rest(&self) {
        let mut writer = self.lane().writer.lock();
        if let Err(error) = self.write_memory(&mut writer) {
            debug!(%error, "the end of an output stays in memory");
        }
    }
}

impl Writer {
    fn took(&mut self) {
        if std::mem::take(&mut self.was_refused) {
            info!("the disk takes output again");
        }
    }
}
