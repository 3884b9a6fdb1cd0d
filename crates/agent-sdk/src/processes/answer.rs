//! Answers of `read_process_output`; not how they are read from a response.

use bytes::Bytes;

/// Answer of [`read_process_output`](crate::AgentConn::read_process_output).
///
/// A reader that repeats the call from [`OutputBytes::end`], or from `to` after a gap, gets every
/// byte that can be read, once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadOutput {
    /// Bytes that can be read, at least a part of those asked for; none at the end of the stream.
    Bytes(OutputBytes),
    /// All that was asked for is forgotten or was never stored: `[from, to)` will not come.
    Gap {
        /// The offset asked for.
        from: u64,
        /// First offset at or after it that can be read, or the end of the stream.
        to: u64,
    },
}

/// Bytes of a stream of a process and where it stood when they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutputBytes {
    /// Offset of the first byte. Above the one asked for, what is between cannot be read any more.
    pub offset: u64,
    /// The bytes, at most 16 MiB; none at the end of the stream.
    pub bytes: Bytes,
    /// First offset from which everything up to the end is retained.
    pub journal_start: u64,
    /// Bytes ever produced.
    pub journal_end: u64,
    /// Whether the leader runs.
    pub running: bool,
    /// Whether nothing more can be printed.
    pub output_closed: bool,
}

impl OutputBytes {
    /// All output of a process that is closed, from `offset` on, for answers of a mock.
    pub fn new(offset: u64, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let mut output = Self {
            offset,
            bytes,
            journal_start: 0,
            journal_end: 0,
            running: false,
            output_closed: true,
        };
        output.journal_end = output.end();
        output
    }

    /// Offset behind the last byte, at which to go on.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(u64::try_from(self.bytes.len()).unwrap_or(u64::MAX))
    }

    /// Whether nothing follows: these bytes reach the end of a stream that is closed.
    pub fn is_last(&self) -> bool {
        self.output_closed && self.end() >= self.journal_end
    }
}

impl ReadOutput {
    /// The offset at which to go on.
    pub fn end(&self) -> u64 {
        match self {
            Self::Bytes(output) => output.end(),
            Self::Gap { to, .. } => *to,
        }
    }
}
