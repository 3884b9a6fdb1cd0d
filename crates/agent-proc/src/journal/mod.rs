//! What processes print, kept in one sparse file a stream: offset in the file = offset in the
//! stream. Knows nothing of processes, records or the wire.
//!
//! A stream has one writer and any number of readers, none of which waits for another. Bytes are
//! appended first and published afterwards; forgotten bytes are taken from the readers first,
//! written down second and given back to the disk last. So a reader that looks whether a range
//! was still readable *after* it has read it never takes the zeros of a punched range for output.
//!
//! Locks, outermost first: a stream's writer, the settling of a group, the members of the totals,
//! the state of a group. The last two are never held across a system call.

mod append;
mod group;
mod medium;
mod read;
mod stream;
#[cfg(test)]
mod tests;
mod totals;
mod view;

use std::{fmt, io, path::PathBuf, sync::Arc};

use tokio::sync::watch;

use self::{
    group::{Group, Lane, Parts},
    stream::Stream,
};

pub(crate) use self::{
    append::Rest,
    medium::{Disk, Medium},
    read::{Answer, Cursor, Located, Read},
    stream::StoredStream,
    totals::Totals,
    view::View,
};

/// Writes down what must survive the agent.
pub(crate) trait Keeper: Send + Sync + fmt::Debug {
    /// Writes down what `streams` returns; it must be called after any earlier write, so that an
    /// older state never follows a newer one. Blocks.
    ///
    /// # Errors
    ///
    /// It could not be written.
    fn keep(&self, streams: &dyn Fn() -> Vec<StoredStream>) -> io::Result<()>;
}

/// What journals need of their surroundings.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// The file of each stream: one, or two with a separate stderr.
    pub(crate) files: Vec<PathBuf>,
    /// Most bytes retained of the streams together.
    pub(crate) quota: u64,
    /// Where they are counted.
    pub(crate) totals: Totals,
    /// Where their states are written down.
    pub(crate) keeper: Arc<dyn Keeper>,
    /// How files are written.
    pub(crate) medium: Arc<dyn Medium>,
}

/// The journals of one process; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Journals {
    output: Journal,
    stderr: Option<Journal>,
}

/// The journal of one stream: one writer, any readers; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    group: Arc<Group>,
    index: usize,
}

/// The offsets of a stream at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Bytes from offset 0 that are retained without a gap.
    pub(crate) head: u64,
    /// First offset from which everything up to the end is retained.
    pub(crate) start: u64,
    /// Bytes ever produced.
    pub(crate) end: u64,
    /// Bytes that can be read.
    pub(crate) retained: u64,
    /// Whether nothing will follow.
    pub(crate) is_closed: bool,
    /// Whether everything is gone.
    pub(crate) is_removed: bool,
}

/// How far a stream is, for those that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Bytes ever produced.
    pub(crate) end: u64,
    /// Whether nothing will follow.
    pub(crate) is_closed: bool,
    /// Whether everything is gone.
    pub(crate) is_removed: bool,
}

impl Journals {
    /// Makes empty journals; a file is made with the first byte of its stream.
    pub(crate) fn create(surroundings: Surroundings) -> Self {
        Self::new(surroundings, |_| (Stream::default(), false))
    }

    /// Opens the journals of an earlier agent; blocks, never fails.
    ///
    /// A stream without a readable file is one long gap, with an end. `stored` has a state for
    /// each stream; without one, the file alone speaks.
    pub(crate) fn open(surroundings: Surroundings, stored: &[StoredStream]) -> Self {
        let medium = Arc::clone(&surroundings.medium);
        let (all, mut stored) = (stored, stored.iter());
        let journals = Self::new(surroundings, |path| {
            let stored = stored.next().cloned().unwrap_or_default();
            let file = medium.open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
            match file {
                Ok((size, file)) => (restore(&stored, &file, size), true),
                Err(error) => {
                    let is_missing = error.kind() == io::ErrorKind::NotFound;
                    // A process that printed nothing has none.
                    if !is_missing || stored.end > 0 {
                        tracing::warn!(%error, path = %path.display(), "the output of a process is lost");
                    }
                    (Stream::restore(&stored, 0), !is_missing)
                }
            }
        });
        // What was in memory at the death of the agent is a hole from now on, also after more
        // output.
        if journals.stored() != all
            && let Err(error) = journals.output.group.keep()
        {
            tracing::warn!(%error, "cannot write down what is lost of an output");
        }
        journals.output.group.settle(group::Lag::None);
        journals
    }

    fn new(surroundings: Surroundings, mut stream: impl FnMut(&PathBuf) -> (Stream, bool)) -> Self {
        let Surroundings { files, quota, totals, keeper, medium } = surroundings;
        let streams = files.into_iter().map(|path| {
            let (stream, is_made) = stream(&path);
            (path, stream, is_made)
        });
        let streams: Vec<_> = streams.collect();
        let count = streams.len();
        let group = Group::new(Parts { streams, quota, totals, keeper, medium });
        let journal = |index| Journal { group: Arc::clone(&group), index };
        Self { output: journal(0), stderr: (count > 1).then(|| journal(1)) }
    }

    /// The stream of stdout, or of stdout and stderr together.
    pub(crate) fn output(&self) -> &Journal {
        &self.output
    }

    /// The stream of stderr, where it is separate.
    pub(crate) fn stderr(&self) -> Option<&Journal> {
        self.stderr.as_ref()
    }

    /// What must survive the agent.
    pub(crate) fn stored(&self) -> Vec<StoredStream> {
        self.output.group.stored()
    }

    /// Nothing will follow in either stream; blocks.
    pub(crate) fn close(&self) {
        if self.end()
            && let Err(error) = self.output.group.keep()
        {
            tracing::warn!(%error, "cannot write down the end of an output");
        }
    }

    /// As [`Journals::close`], for one who writes down what survives the agent right afterwards;
    /// answers whether that is necessary. Blocks.
    pub(crate) fn end(&self) -> bool {
        self.output.write_rest();
        self.stderr.iter().for_each(Journal::write_rest);
        self.output.group.close()
    }

    /// Deletes both; readers learn of it, and what is still appended is dropped. Blocks.
    pub(crate) fn remove(&self) {
        self.output.group.remove();
    }
}

impl Journal {
    /// The offsets now.
    pub(crate) fn bounds(&self) -> Bounds {
        self.group.look(|state| state.bounds(self.index))
    }

    /// Follows how far the stream is.
    pub(crate) fn watch(&self) -> watch::Receiver<Progress> {
        self.lane().watch()
    }

    fn lane(&self) -> &Lane {
        &self.group.lanes[self.index]
    }
}

/// The state of a stream that was written down, corrected by what its file says.
fn restore(stored: &StoredStream, file: &std::fs::File, size: u64) -> Stream {
    let mut stream = Stream::restore(stored, size);
    for hole in medium::unstored(file, size.min(stream.end())) {
        if stream.readable_from(hole.start) >= hole.end {
            continue;
        }
        // A hole that begins where forgetting stopped was punched before that was written down.
        if (stream::HEAD..=stream.start().max(stream::HEAD)).contains(&hole.start)
            && hole.end > stream.start()
        {
            stream.forget_to(hole.end);
        } else {
            stream.add_hole(hole);
        }
    }
    stream.take_losses();
    stream
}
