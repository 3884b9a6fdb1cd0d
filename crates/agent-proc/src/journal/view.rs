//! The whole of a stream as one bounded text; a pure function over its first and last bytes.

use std::{borrow::Cow, ops::Range, str};

use agent_api::Truncation;

use super::{
    Bounds, Journal, Read,
    stream::{HEAD, TAIL},
};

/// Longest line in bytes, without its LF.
const MAX_LINE: usize = 2048;
/// Bytes that are kept of a longer one.
const CUT_LINE: usize = 2032;
/// What replaces the rest of it.
const CUT_MARK: &[u8] = b" ... [truncated]";
/// Bytes beside an excerpt that tell whether its edge splits a character.
const BESIDE: u64 = 3;

/// A stream as one text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// All of it, or head, marker and tail; long lines are cut.
    pub(crate) text: String,
    /// Whether bytes that are not UTF-8 were replaced.
    pub(crate) is_lossy: bool,
    /// What is missing between head and tail.
    pub(crate) truncated: Option<Truncation>,
    /// Lines that were cut.
    pub(crate) cut_lines: u64,
}

/// What a view is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// Bytes of the stream.
    pub(super) end: u64,
    /// The bytes before the first gap: at least the first `HEAD + BESIDE` of them, or all; of a
    /// stream that fits into a text, all.
    pub(super) front: Vec<u8>,
    /// The bytes behind the last gap: at least the last `TAIL + BESIDE` of them, or all.
    pub(super) back: Vec<u8>,
}

impl Journal {
    /// The first `end` bytes of the stream as a text of at most 100 KiB.
    pub(crate) async fn view(&self, end: u64) -> View {
        let front_to = if end <= HEAD + TAIL { end } else { HEAD + BESIDE };
        let mut front = self.read_until_gap(0..front_to).await;
        let mut back = if front.len() as u64 == end {
            front.clone()
        } else {
            self.read_behind_gaps(end.saturating_sub(TAIL + BESIDE)..end).await
        };
        // What was forgotten meanwhile may have been read as zeros. Gaps only grow, so what is
        // outside of the present ones was read right.
        let (front_end, back_start) = self.edges(end);
        front.truncate(front_end as usize);
        let excess = (back.len() as u64).saturating_sub(end - back_start);
        back.drain(..excess as usize);
        view(&Excerpt { end, front, back })
    }

    /// Whether some of the last bytes of an earlier moment were forgotten since, so that a view of
    /// that moment may lack them.
    pub(crate) fn is_overtaken(&self, then: &Bounds) -> bool {
        let start = self.bounds().start;
        start > then.start && start > then.end.saturating_sub(TAIL)
    }

    /// The bytes of a range up to the first gap.
    async fn read_until_gap(&self, range: Range<u64>) -> Vec<u8> {
        let mut cursor = self.cursor(range.start);
        let mut bytes = Vec::new();
        while let Read::Bytes { bytes: more, .. } = cursor.next(range.end).await {
            bytes.extend_from_slice(&more);
        }
        bytes
    }

    /// The bytes of a range behind the last gap.
    async fn read_behind_gaps(&self, range: Range<u64>) -> Vec<u8> {
        let mut cursor = self.cursor(range.start);
        let mut bytes = Vec::new();
        loop {
            match cursor.next(range.end).await {
                Read::Bytes { bytes: more, .. } => bytes.extend_from_slice(&more),
                Read::Gap(_) => bytes.clear(),
                Read::Pending | Read::End | Read::Removed => return bytes,
            }
        }
    }

    /// The first gap of the first `end` bytes, and the offset behind the last one.
    fn edges(&self, end: u64) -> (u64, u64) {
        self.group.look(|state| {
            let stream = &state.streams[self.index];
            let gaps = || stream.gaps().filter(|gap| gap.from < end);
            let first = gaps().next().map_or(end, |gap| gap.from);
            (first, gaps().last().map_or(0, |gap| gap.to.min(end)))
        })
    }
}

/// The text of a stream.
pub(super) fn view(excerpt: &Excerpt) -> View {
    let mut view = View::default();
    if excerpt.end <= HEAD + TAIL && excerpt.front.len() as u64 == excerpt.end {
        view.push(&excerpt.front);
        return view;
    }
    let head = &excerpt.front[..boundary_before(&excerpt.front, HEAD as usize)];
    let beside = excerpt.back.len().saturating_sub(TAIL as usize);
    let tail = &excerpt.back[boundary_behind(&excerpt.back, beside)..];
    let retained = (head.len() + tail.len()) as u64;
    let omitted = excerpt.end - retained;
    view.push(head);
    view.text.push_str(&format!("\n\n... [omitted {omitted} bytes] ...\n\n"));
    view.push(tail);
    view.truncated = Some(Truncation {
        original_bytes: excerpt.end,
        retained_bytes: retained,
        omitted_bytes: omitted,
        strategy: "head_tail".into(),
    });
    view
}

impl View {
    /// Appends bytes as text, with their long lines cut.
    fn push(&mut self, bytes: &[u8]) {
        let mut cut = Cow::Borrowed(&bytes[..0]);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let content = line.strip_suffix(b"\n").unwrap_or(line);
            if content.len() > MAX_LINE {
                let kept = &content[..boundary_before(content, CUT_LINE)];
                cut.to_mut().extend_from_slice(kept);
                cut.to_mut().extend_from_slice(CUT_MARK);
                cut.to_mut().extend_from_slice(&line[content.len()..]);
                self.cut_lines += 1;
            } else {
                cut.to_mut().extend_from_slice(line);
            }
        }
        let text = String::from_utf8_lossy(&cut);
        self.is_lossy |= matches!(text, Cow::Owned(_));
        self.text.push_str(&text);
    }
}

/// The largest boundary of characters at or before `at` and the end of `bytes`, at most three
/// bytes before: a different one only if a character begins before `at` and ends behind.
///
/// A character that the end of `bytes` cuts counts as one.
fn boundary_before(bytes: &[u8], at: usize) -> usize {
    let at = at.min(bytes.len());
    let begins =
        (1..=at.min(3)).map(|back| at - back).find(|&begin| !is_continuation(bytes[begin]));
    match begins {
        Some(begin) if begin + width(bytes[begin]) > at && is_character(&bytes[begin..]) => begin,
        _ => at,
    }
}

/// The smallest boundary of characters at or behind `at`, at most three bytes behind.
///
/// A character whose first byte is before the beginning of `bytes` counts as one.
fn boundary_behind(bytes: &[u8], at: usize) -> usize {
    let begins =
        (1..=at.min(3)).map(|back| at - back).find(|&begin| !is_continuation(bytes[begin]));
    match begins {
        Some(begin) if is_character(&bytes[begin..]) => {
            at.max(begin + width(bytes[begin])).min(bytes.len())
        }
        Some(_) => at,
        None => {
            let most = 3 - at.min(3);
            let rest = bytes[at..].iter().take(most).take_while(|byte| is_continuation(**byte));
            at + rest.count()
        }
    }
}

/// Whether bytes begin with a character, or with all that there is of one.
fn is_character(bytes: &[u8]) -> bool {
    let bytes = &bytes[..bytes.len().min(width(bytes[0]))];
    match str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => error.valid_up_to() == 0 && error.error_len().is_none(),
    }
}

/// Bytes of the character that begins with this one; 1 if none does.
fn width(first: u8) -> usize {
    match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}
