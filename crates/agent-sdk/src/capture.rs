//! The beginning and the end of an output in bounded memory; not where it comes from.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// What was kept of a stream: all of it, or its beginning and its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CapturedOutput {
    /// The first bytes.
    pub head: Bytes,
    /// Bytes between `head` and `tail` that were dropped, or that the agent could not give.
    pub omitted_bytes: u64,
    /// The last bytes; `head` and `tail` join when nothing was omitted.
    pub tail: Bytes,
}

impl CapturedOutput {
    /// Whether every byte is there.
    pub fn is_complete(&self) -> bool {
        self.omitted_bytes == 0
    }

    /// Bytes that the command printed.
    pub fn total_bytes(&self) -> u64 {
        let kept = self.head.len() + self.tail.len();
        self.omitted_bytes.saturating_add(u64::try_from(kept).unwrap_or(u64::MAX))
    }

    /// Head and tail in one piece, with nothing in the place of what was omitted.
    pub fn to_bytes(&self) -> Bytes {
        if self.tail.is_empty() {
            return self.head.clone();
        }
        let mut all = BytesMut::with_capacity(self.head.len() + self.tail.len());
        all.extend_from_slice(&self.head);
        all.extend_from_slice(&self.tail);
        all.freeze()
    }
}

/// Keeps at most a number of bytes: a half from the beginning, a half from the end.
///
/// Behind a gap nothing joins the head, so it ends before the first gap, and the tail begins behind
/// the last one.
#[derive(Debug)]
pub(crate) struct Capture {
    head: BytesMut,
    most_head: usize,
    /// Whether nothing joins the head any more.
    head_is_full: bool,
    omitted_bytes: u64,
    tail: VecDeque<u8>,
    most_tail: usize,
}

impl Capture {
    pub(crate) fn new(limit: usize) -> Self {
        let most_tail = limit / 2;
        Self {
            head: BytesMut::new(),
            most_head: limit - most_tail,
            head_is_full: false,
            omitted_bytes: 0,
            tail: VecDeque::new(),
            most_tail,
        }
    }

    pub(crate) fn push(&mut self, mut bytes: Bytes) {
        if !self.head_is_full {
            let room = self.most_head - self.head.len();
            let first = bytes.split_to(room.min(bytes.len()));
            self.head.extend_from_slice(&first);
            self.head_is_full = self.head.len() == self.most_head;
        }
        let last = bytes.split_off(bytes.len().saturating_sub(self.most_tail));
        let excess = (self.tail.len() + last.len()).saturating_sub(self.most_tail);
        self.tail.drain(..excess);
        self.omit(excess + bytes.len());
        self.tail.extend(&last[..]);
    }

    /// Leaves out bytes that cannot be had.
    pub(crate) fn skip(&mut self, bytes: u64) {
        self.head_is_full = true;
        self.omit(self.tail.len());
        self.tail.clear();
        self.omitted_bytes = self.omitted_bytes.saturating_add(bytes);
    }

    pub(crate) fn finish(self) -> CapturedOutput {
        CapturedOutput {
            head: self.head.freeze(),
            omitted_bytes: self.omitted_bytes,
            tail: Bytes::from(Vec::from(self.tail)),
        }
    }

    fn omit(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.omitted_bytes = self.omitted_bytes.saturating_add(bytes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(limit: usize, parts: &[&str], head: &str, omitted_bytes: u64, tail: &str) {
        let mut capture = Capture::new(limit);
        for part in parts {
            match part.strip_prefix("gap ") {
                Some(gap) => capture.skip(gap.parse().unwrap()),
                None => capture.push(Bytes::copy_from_slice(part.as_bytes())),
            }
        }
        let (head, tail) = (head.to_owned().into(), tail.to_owned().into());
        assert_eq!(capture.finish(), CapturedOutput { head, omitted_bytes, tail }, "{parts:?}");
    }

    #[test]
    fn head_and_tail_are_kept_and_the_rest_is_counted() {
        check(4, &[], "", 0, "");
        check(4, &["ab"], "ab", 0, "");
        check(4, &["abcd"], "ab", 0, "cd");
        check(4, &["abc", "de"], "ab", 1, "de");
        check(5, &["a", "bcdefgh"], "abc", 3, "gh");
        check(0, &["abc"], "", 3, "");
        check(1, &["abc", "d"], "a", 3, "");
    }

    #[test]
    fn behind_a_gap_nothing_joins_the_head() {
        check(8, &["ab", "gap 10", "cd"], "ab", 10, "cd");
        check(8, &["gap 10", "cd"], "", 10, "cd");
        check(8, &["ab", "gap 10", "cd", "gap 1", "e"], "ab", 13, "e");
        check(8, &["abcdef", "gap 1"], "abcd", 3, "");
    }

    proptest! {
        #[test]
        fn what_is_kept_is_the_beginning_and_the_end(
            limit in 0..64_usize,
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..48), 0..8),
        ) {
            let mut capture = Capture::new(limit);
            for part in &parts {
                capture.push(Bytes::from(part.clone()));
            }
            let all = parts.concat();
            let kept = capture.finish();
            prop_assert!(kept.head.len() + kept.tail.len() <= limit);
            prop_assert!(all.starts_with(&kept.head) && all.ends_with(&kept.tail));
            prop_assert_eq!(kept.total_bytes(), all.len() as u64);
            prop_assert_eq!(kept.is_complete(), all.len() <= limit);
        }
    }
}
