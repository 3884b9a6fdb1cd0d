//! The streams of one process together: they share a quota and a moment.

use std::{
    fs::File,
    io,
    ops::Range,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::warn;

use super::{
    Bounds, Keeper, Progress,
    medium::Medium,
    stream::{self, HEAD, STEP, StoredStream, Stream},
    totals::Totals,
};

/// Most bytes that are forgotten and still on the disk while a process runs.
const MAX_LAG: u64 = 1024 * 1024;

/// How much of what is forgotten may still be on the disk afterwards.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lag {
    /// Nothing.
    None,
    /// A sixty-fourth of what is retained, at least [`STEP`] and at most [`MAX_LAG`]; so that
    /// giving space back costs little beside the copying.
    Some,
}

/// What the handles of a process's journals share.
#[derive(Debug)]
pub(super) struct Group {
    /// Never held across a system call.
    state: Mutex<State>,
    pub(super) lanes: Vec<Lane>,
    quota: u64,
    /// What `state` retains, to be read without its lock.
    retained: AtomicU64,
    totals: Totals,
    keeper: Arc<dyn Keeper>,
    pub(super) medium: Arc<dyn Medium>,
    /// Held across system calls, so that the disk never follows an older decision last.
    settling: Mutex<()>,
    cannot_punch: AtomicBool,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) streams: Vec<Stream>,
    /// By stream: everything from the head to here was given back to the disk.
    punched: Vec<u64>,
    pub(super) is_closed: bool,
    pub(super) is_removed: bool,
}

/// What belongs to one stream besides its offsets.
#[derive(Debug)]
pub(super) struct Lane {
    path: PathBuf,
    /// Whether there is a file, or may be one; without it the stream has no byte on the disk.
    is_made: AtomicBool,
    /// Open from the first byte until the close.
    file: Mutex<Option<Arc<File>>>,
    progress: watch::Sender<Progress>,
    /// Held by the writer while it appends; says whether splicing to the file was refused.
    pub(super) writer: Mutex<Writer>,
}

#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) cannot_splice: bool,
    pub(super) was_refused: bool,
}

/// What a group is made of.
pub(super) struct Parts {
    /// With the path of the file of each, and whether there may be one.
    pub(super) streams: Vec<(PathBuf, Stream, bool)>,
    pub(super) quota: u64,
    pub(super) totals: Totals,
    pub(super) keeper: Arc<dyn Keeper>,
    pub(super) medium: Arc<dyn Medium>,
}

impl Group {
    pub(super) fn new(parts: Parts) -> Arc<Self> {
        let (mut lanes, mut streams) = (Vec::new(), Vec::new());
        for (path, stream, is_made) in parts.streams {
            lanes.push(Lane {
                path,
                is_made: AtomicBool::new(is_made),
                file: Mutex::default(),
                progress: watch::Sender::new(Progress { end: stream.end(), ..Progress::default() }),
                writer: Mutex::default(),
            });
            streams.push(stream);
        }
        let punched = vec![0; streams.len()];
        let group = Arc::new(Self {
            state: Mutex::new(State { streams, punched, is_closed: false, is_removed: false }),
            lanes,
            quota: parts.quota,
            retained: AtomicU64::new(0),
            totals: parts.totals,
            keeper: parts.keeper,
            medium: parts.medium,
            settling: Mutex::default(),
            cannot_punch: AtomicBool::new(false),
        });
        group.totals.join(&group);
        group.change(|state| stream::trim(&mut state.streams, group.quota));
        group
    }

    pub(super) fn retained(&self) -> u64 {
        self.retained.load(Relaxed)
    }

    /// Looks at one moment.
    pub(super) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock())
    }

    /// Changes the streams; what they retain and have lost is counted.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        let ends: u64 = state.streams.iter().map(Stream::end).sum();
        let answer = change(&mut state);
        let produced = state.streams.iter().map(Stream::end).sum::<u64>() - ends;
        let retained = if state.is_removed { 0 } else { stream::retained(&state.streams) };
        self.totals.count_retained(self.retained.swap(retained, Relaxed), retained);
        for losses in state.streams.iter_mut().map(Stream::take_losses) {
            self.totals.count(0, losses);
        }
        self.totals.count(produced, stream::Losses::default());
        answer
    }

    /// Changes one stream by an append, and lets the quotas and the readers know.
    pub(super) fn append(&self, index: usize, append: impl FnOnce(&mut Stream)) {
        let progress = self.change(|state| {
            if !state.is_closed && !state.is_removed {
                append(&mut state.streams[index]);
                stream::trim(&mut state.streams, self.quota);
            }
            state.progress(index)
        });
        self.lanes[index].progress.send_replace(progress);
        self.totals.hold();
    }

    pub(super) fn forget_to_hold(&self, most: u64) {
        self.change(|state| {
            let most = most.min(stream::retained(&state.streams).saturating_sub(1));
            stream::trim(&mut state.streams, most);
        });
    }

    pub(super) fn forget_all_but_head_and_tail(&self) {
        self.change(|state| {
            state.streams.iter_mut().for_each(Stream::forget_all_but_head_and_tail);
        });
    }

    /// What must survive the agent.
    pub(super) fn stored(&self) -> Vec<StoredStream> {
        self.look(|state| state.streams.iter().map(Stream::stored).collect())
    }

    /// Writes down what must survive the agent.
    pub(super) fn keep(&self) -> io::Result<()> {
        self.keeper.keep(&|| self.stored())
    }

    /// Gives the space of forgotten bytes back; blocks.
    ///
    /// What is forgotten is written down first, so that no restart takes the zeros of a punched
    /// range for output. While that fails, the space is kept.
    pub(super) fn settle(&self, lag: Lag) {
        if self.look(|state| state.unpunched(lag)).is_empty() {
            return;
        }
        let _one = self.settling.lock();
        let ranges = self.look(|state| state.unpunched(lag));
        if ranges.is_empty() {
            return;
        }
        if let Err(error) = self.keep() {
            warn!(%error, "cannot write down what was forgotten of an output, so it stays on the disk");
            return;
        }
        for (index, range) in ranges {
            match self.punch(index, range.clone()) {
                Ok(()) => self.state.lock().punched[index] = range.end,
                Err(error) => warn!(%error, "cannot give back the space of forgotten output"),
            }
        }
    }

    fn punch(&self, index: usize, range: Range<u64>) -> io::Result<()> {
        if self.cannot_punch.load(Relaxed) {
            return Ok(());
        }
        let punched = self.file(index).and_then(|file| self.medium.punch(&file, range));
        match punched.as_ref().map_err(io::Error::kind) {
            Err(io::ErrorKind::Unsupported) => self.cannot_punch.store(true, Relaxed),
            // It could never be made, so it takes no space.
            Err(io::ErrorKind::NotFound) => {}
            _ => return punched,
        }
        Ok(())
    }

    /// The file of a stream; blocks if it must be opened again.
    pub(super) fn file(&self, index: usize) -> io::Result<Arc<File>> {
        let lane = &self.lanes[index];
        if let Some(file) = lane.file() {
            return Ok(file);
        }
        if self.look(|state| state.is_removed) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Arc::new(self.medium.open(&lane.path)?))
    }

    /// The file of a stream, made for its first byte; blocks.
    pub(super) fn file_to_write(&self, index: usize) -> io::Result<Arc<File>> {
        let lane = &self.lanes[index];
        if let Some(file) = lane.file() {
            return Ok(file);
        }
        let file = match lane.is_made() {
            true => self.medium.open(&lane.path)?,
            false => self.medium.create(&lane.path)?,
        };
        lane.is_made.store(true, Relaxed);
        let file = Arc::new(file);
        *lane.file.lock() = Some(Arc::clone(&file));
        Ok(file)
    }

    /// Nothing will follow; answers whether that is new and has to be written down. Blocks.
    pub(super) fn close(self: &Arc<Self>) -> bool {
        let is_first = self.change(|state| {
            let is_first = !state.is_closed && !state.is_removed;
            state.is_closed = true;
            is_first
        });
        if is_first {
            self.totals.close(self);
            self.totals.hold();
            self.settle(Lag::None);
        }
        for (index, lane) in self.lanes.iter().enumerate() {
            *lane.file.lock() = None;
            lane.progress.send_replace(self.look(|state| state.progress(index)));
        }
        is_first
    }

    /// The output is gone; blocks.
    pub(super) fn remove(self: &Arc<Self>) {
        self.totals.leave(self);
        self.change(|state| state.is_removed = true);
        for (index, lane) in self.lanes.iter().enumerate() {
            lane.progress.send_replace(self.look(|state| state.progress(index)));
            // After the writer, so that it does not make the file again.
            let _writer = lane.writer.lock();
            let file = lane.file.lock().take();
            let file = file.or_else(|| self.medium.open(&lane.path).ok().map(Into::into));
            if let Err(error) = std::fs::remove_file(&lane.path)
                && error.kind() != io::ErrorKind::NotFound
            {
                warn!(%error, path = %lane.path.display(), "cannot remove an output");
            }
            // A reader may hold the file open for long; its space is free at once.
            if let Some(file) = file {
                let _ = file.set_len(0);
            }
        }
    }
}

impl State {
    pub(super) fn bounds(&self, index: usize) -> Bounds {
        let stream = &self.streams[index];
        Bounds {
            head: stream.head(),
            start: stream.whole_from(),
            end: stream.end(),
            retained: stream.retained(),
            is_closed: self.is_closed,
            is_removed: self.is_removed,
        }
    }

    fn progress(&self, index: usize) -> Progress {
        Progress {
            end: self.streams[index].end(),
            is_closed: self.is_closed,
            is_removed: self.is_removed,
        }
    }

    /// By stream, what is forgotten and may still be on the disk.
    fn unpunched(&self, lag: Lag) -> Vec<(usize, Range<u64>)> {
        if self.is_removed {
            return Vec::new();
        }
        let least = match lag {
            Lag::None => 1,
            Lag::Some => (stream::retained(&self.streams) / 64).clamp(STEP, MAX_LAG),
        };
        let ranges = self.streams.iter().zip(&self.punched).map(|(stream, punched)| {
            // A step that begins in the head's last block is shorter than `STEP`.
            (*punched).max(HEAD)..stream.start()
        });
        let is_due =
            |range: &Range<u64>| range.end > range.start && range.end - range.start + HEAD >= least;
        ranges.enumerate().filter(|(_, range)| is_due(range)).collect()
    }
}

impl Lane {
    pub(super) fn is_made(&self) -> bool {
        self.is_made.load(Relaxed)
    }

    pub(super) fn file(&self) -> Option<Arc<File>> {
        self.file.lock().clone()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.totals.count_retained(*self.retained.get_mut(), 0);
    }
}
