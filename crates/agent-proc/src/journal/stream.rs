//! What is kept of one stream, and what is forgotten next: offsets and decisions, no files.
//!
//! ```text
//! 0         HEAD        start                       file_end      end
//! |--head---|xx forgotten |---- file, with holes ----|-- memory ---|
//! ```

use std::{collections::VecDeque, ops::Range};

use agent_api::{GapReason, OutputGap};
use serde::{Deserialize, Serialize};

/// Bytes from the beginning of a stream that no quota forgets.
pub(crate) const HEAD: u64 = 16 * 1024;
/// Bytes at the end of a stream that survive a closed process's loss of everything else, and that
/// memory keeps while the disk refuses them.
pub(crate) const TAIL: u64 = 16 * 1024;
/// A quota forgets up to the next multiple of this.
pub(super) const STEP: u64 = 64 * 1024;
/// Most holes that are told apart; beyond it the nearest two become one.
pub(super) const MAX_HOLES: usize = 64;

/// The part of a stream's state that survives the agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredStream {
    /// Bytes ever produced, as far as it was written down; the file may say more.
    #[serde(default)]
    pub(crate) end: u64,
    /// Everything from [`HEAD`] to here is forgotten; 0 if nothing is.
    #[serde(default)]
    pub(crate) start: u64,
    /// Ranges that were never stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) holes: Vec<(u64, u64)>,
}

/// The offsets of one stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    end: u64,
    /// 0, or above [`HEAD`].
    start: u64,
    /// Never stored: in order, apart from each other, none inside `[HEAD, start)`.
    holes: Vec<Range<u64>>,
    /// The newest bytes, while the disk refuses them; without allocation otherwise.
    memory: VecDeque<u8>,
    /// Bytes that became gaps since [`Stream::take_losses`].
    losses: Losses,
}

/// Bytes that became unreadable, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Losses {
    pub(super) quota: u64,
    pub(super) disk: u64,
}

/// Where the next bytes of a reader are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    Gap(OutputGap),
    Memory { offset: u64, bytes: Vec<u8> },
    File(Range<u64>),
    End,
}

impl Stream {
    /// The stream as it was written down, with a file of `size` bytes.
    ///
    /// What was in memory when the agent died is behind the file's end, and a hole now.
    pub(super) fn restore(stored: &StoredStream, size: u64) -> Self {
        let end = stored.end.max(size);
        let mut stream = Self { end, ..Self::default() };
        for &(from, to) in &stored.holes {
            stream.add_hole(from..to.min(end));
        }
        stream.add_hole(size..end);
        if stored.start > HEAD {
            stream.forget_to(stored.start.min(end));
        }
        stream.losses = Losses::default();
        stream
    }

    pub(super) fn stored(&self) -> StoredStream {
        let holes = self.holes.iter().map(|hole| (hole.start, hole.end)).collect();
        StoredStream { end: self.end, start: self.start, holes }
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Where the file must be written next.
    pub(super) fn file_end(&self) -> u64 {
        self.end - self.memory.len() as u64
    }

    /// The newest bytes, which are not in the file yet.
    pub(super) fn memory(&self) -> &VecDeque<u8> {
        &self.memory
    }

    /// Bytes were appended to the file.
    pub(super) fn wrote(&mut self, bytes: u64) {
        debug_assert!(self.memory.is_empty(), "the bytes in memory come first");
        self.end += bytes;
    }

    /// The first `bytes` of those in memory are in the file now.
    pub(super) fn wrote_memory(&mut self, bytes: usize) {
        self.memory.drain(..bytes);
        if self.memory.is_empty() {
            self.memory = VecDeque::new();
        }
    }

    /// Appends bytes that the disk refused; those that memory cannot hold become a hole.
    pub(super) fn push_memory(&mut self, bytes: &[u8]) {
        let from = self.file_end();
        self.end += bytes.len() as u64;
        let kept = &bytes[bytes.len().saturating_sub(TAIL as usize)..];
        let excess = (self.memory.len() + kept.len()).saturating_sub(TAIL as usize);
        self.memory.drain(..excess);
        self.memory.reserve_exact(kept.len());
        self.memory.extend(kept);
        self.add_hole(from..self.file_end());
    }

    /// Notes a range that was never stored.
    pub(super) fn add_hole(&mut self, hole: Range<u64>) {
        let before: u64 = self.holes.iter().map(length).sum();
        let parts = match self.start {
            0 => [hole, 0..0],
            start => [hole.start..hole.end.min(HEAD), hole.start.max(start)..hole.end],
        };
        self.holes.extend(parts.into_iter().filter(|part| part.start < part.end));
        self.holes.sort_by_key(|hole| hole.start);
        self.holes.dedup_by(|next, hole| {
            let joins = next.start <= hole.end;
            if joins {
                hole.end = hole.end.max(next.end);
            }
            joins
        });
        while self.holes.len() > MAX_HOLES && self.join_nearest_holes() {}
        self.losses.disk += self.holes.iter().map(length).sum::<u64>() - before;
    }

    fn join_nearest_holes(&mut self) -> bool {
        let apart = |pair: &[Range<u64>]| {
            let is_across = self.start > 0 && pair[0].end <= HEAD && pair[1].start >= self.start;
            if is_across { u64::MAX } else { pair[1].start - pair[0].end }
        };
        let nearest = (0..self.holes.len().saturating_sub(1))
            .min_by_key(|&index| apart(&self.holes[index..index + 2]));
        if let Some(index) = nearest {
            let next = self.holes.remove(index + 1);
            self.holes[index].end = next.end;
        }
        nearest.is_some()
    }

    /// Everything that nobody can read, in order; gaps of different reasons may touch.
    pub(super) fn gaps(&self) -> impl Iterator<Item = OutputGap> {
        let quota = (self.start > 0).then_some((HEAD, self.start, GapReason::Quota));
        let below = self.holes.partition_point(|hole| self.start > 0 && hole.start < HEAD);
        let (below, above) = self.holes.split_at(below);
        let disk = |hole: &Range<u64>| (hole.start, hole.end, GapReason::Disk);
        let all = below.iter().map(disk).chain(quota).chain(above.iter().map(disk));
        all.map(|(from, to, reason)| OutputGap { from, to, reason })
    }

    /// Bytes that can be read.
    pub(super) fn retained(&self) -> u64 {
        self.end - self.gaps().map(|gap| gap.to - gap.from).sum::<u64>()
    }

    /// Bytes from offset 0 without a gap.
    pub(super) fn head(&self) -> u64 {
        self.gaps().next().map_or(self.end, |gap| gap.from)
    }

    /// The first offset from which there is no gap.
    pub(super) fn whole_from(&self) -> u64 {
        self.gaps().last().map_or(0, |gap| gap.to)
    }

    /// The first offset at or behind `from` that can be read, or the end.
    pub(super) fn readable_from(&self, from: u64) -> u64 {
        let skip = |at, gap: OutputGap| if gap.from <= at && at < gap.to { gap.to } else { at };
        self.gaps().fold(from, skip).min(self.end)
    }

    /// The first gap at or behind `from`, or the end.
    pub(super) fn readable_to(&self, from: u64) -> u64 {
        let gap = self.gaps().find(|gap| gap.to > from);
        gap.map_or(self.end, |gap| gap.from.max(from))
    }

    /// Where at most `max` bytes of `[from, until)` are.
    pub(super) fn place(&self, from: u64, until: u64, max: u64) -> Place {
        let until = until.min(self.end);
        if from >= until {
            return Place::End;
        }
        if let Some(gap) = self.gaps().find(|gap| gap.from <= from && from < gap.to) {
            return Place::Gap(OutputGap { from, to: gap.to.min(until), reason: gap.reason });
        }
        let to = self.readable_to(from).min(until).min(from.saturating_add(max));
        let file_end = self.file_end();
        if from < file_end {
            return Place::File(from..to.min(file_end));
        }
        let memory = self.memory.range((from - file_end) as usize..(to - file_end) as usize);
        Place::Memory { offset: from, bytes: memory.copied().collect() }
    }

    /// Whether [`Stream::forget_step`] would forget anything.
    pub(super) fn can_forget(&self) -> bool {
        self.readable_from(HEAD) < self.end && self.end > HEAD
    }

    /// Forgets the oldest bytes behind the head, up to the next multiple of [`STEP`].
    pub(super) fn forget_step(&mut self) -> bool {
        let can = self.can_forget();
        if can {
            let to = (self.readable_from(HEAD) / STEP + 1) * STEP;
            self.forget_to(to.min(self.end));
        }
        can
    }

    /// Forgets everything but the head and the last [`TAIL`] bytes.
    pub(super) fn forget_all_but_head_and_tail(&mut self) {
        let to = self.end.saturating_sub(TAIL);
        if to > HEAD.max(self.start) {
            self.forget_to(to);
        }
    }

    /// Forgets `[HEAD, to)`.
    pub(super) fn forget_to(&mut self, to: u64) {
        let before = self.retained();
        self.start = to;
        for hole in std::mem::take(&mut self.holes) {
            let parts = [hole.start..hole.end.min(HEAD), hole.start.max(to)..hole.end];
            self.holes.extend(parts.into_iter().filter(|part| part.start < part.end));
        }
        let in_memory = (self.end - to.min(self.end)) as usize;
        let excess = self.memory.len().saturating_sub(in_memory);
        self.memory.drain(..excess);
        self.losses.quota += before - self.retained();
    }

    /// The bytes that became gaps since the last call.
    pub(super) fn take_losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }
}

fn length(range: &Range<u64>) -> u64 {
    range.end - range.start
}

/// Bytes of all streams that can be read.
pub(super) fn retained(streams: &[Stream]) -> u64 {
    streams.iter().map(Stream::retained).sum()
}

/// Forgets the oldest bytes behind the heads, step by step and each time from the stream that
/// retains most, until at most `most` bytes are retained or nothing is left to forget.
pub(super) fn trim(streams: &mut [Stream], most: u64) {
    while retained(streams) > most {
        let candidates = streams.iter_mut().filter(|stream| stream.can_forget());
        // The last of equals is chosen by `max_by_key`, and the first stream is to come first.
        let Some(largest) = candidates.rev().max_by_key(|stream| stream.retained()) else { return };
        largest.forget_step();
    }
}
