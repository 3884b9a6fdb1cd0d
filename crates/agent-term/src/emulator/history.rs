//! The scrollback of the main screen: lines at rest, oldest first, bounded by count and by memory.

use std::collections::VecDeque;

use super::extras::Used;
use super::line::Line;

/// Lines that have left the screen at its top.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) lines: VecDeque<Line>,
    /// Bytes behind the lines.
    bytes: usize,
    limit: usize,
}

impl History {
    /// Makes one that keeps at most `limit` lines.
    pub(crate) fn new(limit: usize) -> Self {
        Self { lines: VecDeque::new(), bytes: 0, limit }
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Tells whether a new line makes the oldest go.
    pub(crate) fn is_full(&self) -> bool {
        self.lines.len() >= self.limit
    }

    /// Adds a line; beyond the limit the oldest goes.
    pub(crate) fn push(&mut self, line: Line) {
        if self.limit == 0 {
            return;
        }
        if self.is_full() {
            self.pop_oldest();
        }
        self.bytes += line.memory_bytes();
        self.lines.push_back(line);
    }

    /// Drops the oldest line.
    pub(crate) fn pop_oldest(&mut self) {
        if let Some(line) = self.lines.pop_front() {
            self.bytes -= line.memory_bytes();
        }
    }

    /// Takes all lines out.
    pub(crate) fn take(&mut self) -> VecDeque<Line> {
        self.bytes = 0;
        std::mem::take(&mut self.lines)
    }

    /// Puts lines in, oldest first; those beyond the limit are dropped.
    pub(crate) fn restore(&mut self, mut lines: VecDeque<Line>) {
        lines.drain(..lines.len().saturating_sub(self.limit));
        self.bytes = lines.iter().map(Line::memory_bytes).sum();
        self.lines = lines;
    }

    /// Bytes of memory behind this.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes + self.lines.capacity() * size_of::<Line>()
    }

    /// Gives back what dropped lines have left.
    pub(crate) fn shrink(&mut self) {
        self.lines.shrink_to(2 * self.lines.len());
    }

    pub(crate) fn note_used(&self, used: &mut Used) {
        self.lines.iter().for_each(|line| line.note_used(used));
    }
}
