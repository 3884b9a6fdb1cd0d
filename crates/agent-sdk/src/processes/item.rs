//! The items of a process's stream and what makes them a sequence; not how they travel.

use agent_api::{OutputGap, ProcessExited, StreamStart};
use bytes::Bytes;

/// What a process prints and how it ends, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProcessStreamItem {
    /// Bytes it printed; at least one.
    Output {
        /// Offset of the first byte.
        offset: u64,
        /// The bytes.
        bytes: Bytes,
    },
    /// Bytes that will not come.
    Gap(OutputGap),
    /// The leader exited; every byte it wrote came before. Others may still print.
    Exited(ProcessExited),
    /// Nothing follows: everybody closed the output.
    Closed {
        /// Bytes ever produced.
        end_bytes: u64,
    },
}

impl ProcessStreamItem {
    /// The offset at which the stream goes on behind this item; `None` for an exit, which has no
    /// place in the offsets.
    pub fn end(&self) -> Option<u64> {
        match self {
            Self::Output { offset, bytes } => {
                Some(offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX)))
            }
            Self::Gap(gap) => Some(gap.to),
            Self::Exited(_) => None,
            Self::Closed { end_bytes } => Some(*end_bytes),
        }
    }
}

/// Where a stream stands, and whether the next item belongs there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sequence {
    /// `None` until the first item of a stream that began at the end.
    next: Option<u64>,
}

impl Sequence {
    pub(crate) fn new(from: StreamStart) -> Self {
        let next = match from {
            StreamStart::Offset(offset) => Some(offset),
            StreamStart::End => None,
        };
        Self { next }
    }

    /// Where a connection that takes over must begin.
    pub(crate) fn next(&self) -> StreamStart {
        self.next.map_or(StreamStart::End, StreamStart::Offset)
    }

    /// Goes behind an item.
    ///
    /// # Errors
    ///
    /// What does not join.
    pub(crate) fn advance(&mut self, item: &ProcessStreamItem) -> Result<(), String> {
        let Some(end) = item.end() else { return Ok(()) };
        let begin = match item {
            ProcessStreamItem::Output { offset, .. } => *offset,
            ProcessStreamItem::Gap(gap) if gap.to <= gap.from => {
                return Err(format!("a gap from {} to {} is none", gap.from, gap.to));
            }
            ProcessStreamItem::Gap(gap) => gap.from,
            ProcessStreamItem::Exited(_) | ProcessStreamItem::Closed { .. } => end,
        };
        let expected = self.next.unwrap_or(begin);
        if begin != expected {
            return Err(format!("the stream goes on at {begin} instead of {expected}"));
        }
        self.next = Some(end);
        Ok(())
    }
}
