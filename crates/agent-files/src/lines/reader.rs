//! Turns the bytes of a text, fed in chunks of any size, into numbered lines within budgets; reads
//! nothing itself and knows no time.
//!
//! ```text
//!            first line             last line wanted,
//!              begins               or a budget hit
//! Skipping ------------> Taking ------------------------> Settled
//!    |                     |                                 | counts lines until the end
//!    | end: offset is      | budget hit without              v
//!    v beyond the end      v `partial`                     Lines
//!  error                 error
//! ```

use std::{borrow::Cow, fmt::Write as _};

use memchr::{memchr, memchr_iter};

use super::{budget::Budget, error::LinesError};

/// Stands behind the kept start of a line that was cut.
const CUT_MARK: &str = "... [truncated]";
/// Bytes behind the cut that may belong to the character across it.
const LOOKAHEAD: usize = 3;

/// The lines that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lines {
    /// `<number><TAB><text>` for each line, joined by LF.
    pub(super) content: String,
    /// Lines in `content`.
    pub(super) lines_read: u64,
    /// Lines of the whole text; `None` when its end was not seen.
    pub(super) total_lines: Option<u64>,
    /// First line that is not in `content`; `None` at the end.
    pub(super) next_offset: Option<u64>,
    /// Whether a budget ended the answer before the end and before the limit.
    pub(super) is_truncated: bool,
    /// Whether invalid UTF-8 was replaced.
    pub(super) is_lossy: bool,
}

/// Whether more bytes can change the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Reading,
    /// Further bytes only add to the number of all lines.
    Settled,
}

/// Why there are no more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The text is complete.
    Complete,
    /// The answer was settled, and nobody asks for the number of all lines.
    Unneeded,
    /// The text goes on, but no more of it can be had.
    Cut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Skipping,
    Taking,
    Settled,
}

/// The state between two chunks.
///
/// Holds the content, within its budget, and the start of one line; never the text itself.
#[derive(Debug)]
pub(super) struct LineReader {
    budget: Budget,
    phase: Phase,
    /// Number of the line that the next byte belongs to.
    number: u64,
    /// The start of that line, while it is taken: as much as deciding on it needs.
    line: Vec<u8>,
    /// Whether the line is in `lines` already because the rest of it is cut.
    is_decided: bool,
    has_bytes: bool,
    lines: Lines,
}

impl LineReader {
    pub(super) fn new(budget: Budget) -> Self {
        Self {
            budget,
            phase: if budget.offset == 1 { Phase::Taking } else { Phase::Skipping },
            number: 1,
            line: Vec::new(),
            is_decided: false,
            has_bytes: false,
            lines: Lines::default(),
        }
    }

    /// Takes the next bytes. The result does not depend on how the text is split into chunks.
    ///
    /// # Errors
    ///
    /// A budget is exceeded and the request is not partial; nothing more may be fed then.
    pub(super) fn feed(&mut self, chunk: &[u8]) -> Result<Progress, LinesError> {
        self.has_bytes |= !chunk.is_empty();
        let mut rest = chunk;
        while !rest.is_empty() {
            rest = match self.phase {
                Phase::Skipping => self.skip(rest),
                Phase::Taking => self.take(rest)?,
                Phase::Settled => {
                    self.number += line_ends(rest);
                    &[]
                }
            };
        }
        Ok(match self.phase {
            Phase::Skipping | Phase::Taking => Progress::Reading,
            Phase::Settled => Progress::Settled,
        })
    }

    /// Answers what was taken.
    ///
    /// # Errors
    ///
    /// The first line wanted is beyond the end, or the last line exceeds a budget.
    pub(super) fn finish(mut self, end: End) -> Result<Lines, LinesError> {
        if !self.has_bytes {
            return Ok(Lines::default());
        }
        if self.phase == Phase::Taking && !self.is_decided {
            self.decide()?;
        }
        match self.phase {
            Phase::Skipping => {
                let (offset, lines) = (self.budget.offset, self.number);
                return Err(LinesError::OffsetBeyondEnd { offset, lines });
            }
            // What is missing of the text could have been in the answer.
            Phase::Taking => self.lines.is_truncated = end == End::Cut,
            Phase::Settled => {}
        }
        self.lines.total_lines = (end == End::Complete).then_some(self.number);
        Ok(self.lines)
    }

    /// Passes over lines before the first one; returns what belongs to that one.
    fn skip<'a>(&mut self, chunk: &'a [u8]) -> &'a [u8] {
        let missing = self.budget.offset - self.number;
        let ends = line_ends(chunk);
        if ends < missing {
            self.number += ends;
            return &[];
        }
        let nth = usize::try_from(missing - 1).expect("no more than the line ends of a chunk");
        let last = memchr_iter(b'\n', chunk).nth(nth).expect("the line ends were counted");
        self.number = self.budget.offset;
        self.phase = Phase::Taking;
        &chunk[last + 1..]
    }

    /// Takes up to the end of one line; returns what is behind it.
    fn take<'a>(&mut self, chunk: &'a [u8]) -> Result<&'a [u8], LinesError> {
        let end = memchr(b'\n', chunk);
        let piece = &chunk[..end.unwrap_or(chunk.len())];
        if !self.is_decided {
            let most = self.budget.max_line_bytes + LOOKAHEAD;
            let room = most - self.line.len();
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if end.is_some() || self.line.len() == most {
                self.decide()?;
            }
        }
        let rest = &chunk[piece.len()..];
        if self.phase == Phase::Taking && !rest.is_empty() {
            self.begin_next_line();
            return Ok(&rest[1..]);
        }
        Ok(rest)
    }

    /// Adds the line to the content unless a budget forbids it.
    fn decide(&mut self) -> Result<(), LinesError> {
        self.is_decided = true;
        let max_line_bytes = self.budget.max_line_bytes;
        let (kept, mark) = if self.line.len() > max_line_bytes {
            (cut_at(&self.line, max_line_bytes), CUT_MARK)
        } else {
            (self.line.len(), "")
        };
        let text = String::from_utf8_lossy(&self.line[..kept]);
        let joint = if self.lines.lines_read == 0 { "" } else { "\n" };
        let added = joint.len() + decimal_digits(self.number) + 1 + text.len() + mark.len();
        match self.exceeded(added) {
            Some(error) if !self.budget.is_partial => return Err(error),
            Some(_) if self.lines.lines_read > 0 => {
                self.lines.is_truncated = true;
                self.settle();
                return Ok(());
            }
            // A partial answer has one line whatever it costs.
            Some(_) | None => {}
        }
        // A valid line is borrowed, a repaired one owned.
        self.lines.is_lossy |= matches!(text, Cow::Owned(_));
        write!(self.lines.content, "{joint}{}\t{text}{mark}", self.number)
            .expect("a string takes all");
        self.lines.lines_read += 1;
        Ok(())
    }

    /// Which budgets one more line of so many bytes would exceed.
    fn exceeded(&self, added: usize) -> Option<LinesError> {
        let line = self.number;
        let (max_bytes, max_lines) =
            (self.budget.max_response_bytes, self.budget.max_response_lines);
        let too_many_bytes = self.lines.content.len() + added > max_bytes;
        let too_many_lines = self.lines.lines_read >= max_lines;
        match (too_many_bytes, too_many_lines) {
            (false, false) => None,
            (true, false) => Some(LinesError::TooManyBytes { line, max: max_bytes }),
            (false, true) => Some(LinesError::TooManyLines { line, max: max_lines }),
            (true, true) => Some(LinesError::TooMuch { line, max_bytes, max_lines }),
        }
    }

    fn begin_next_line(&mut self) {
        self.number += 1;
        self.line.clear();
        self.is_decided = false;
        if self.lines.lines_read >= self.budget.wanted_lines() {
            self.lines.is_truncated = self.budget.limit.is_none();
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.phase = Phase::Settled;
        self.lines.next_offset = Some(self.number);
        self.line = Vec::new();
    }
}

fn line_ends(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}

fn decimal_digits(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// Where to cut a line longer than `max`: there, or before the character that lies across.
///
/// Bytes that are no character are cut at `max`: they show as U+FFFD either way.
fn cut_at(line: &[u8], max: usize) -> usize {
    let is_character =
        |bytes: &[u8]| str::from_utf8(bytes).is_ok_and(|text| text.chars().count() == 1);
    let lies_across = |start: usize| {
        (max + 1..=start + 4).any(|end| line.get(start..end).is_some_and(is_character))
    };
    (max.saturating_sub(LOOKAHEAD)..max).find(|start| lies_across(*start)).unwrap_or(max)
}

#[cfg(test)]
mod tests;
