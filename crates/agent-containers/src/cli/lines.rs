//! Output as lines of bounded length, whatever pieces it comes in.

/// What is kept of the buffer of a long line.
const KEPT_CAPACITY: usize = 64 * 1024;

/// A line without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Its bytes, at most the longest line.
    pub(super) bytes: &'a [u8],
    /// How many more it had.
    pub(super) left_out: u64,
}

/// Splits a stream of bytes into lines. A last line without end counts too.
#[derive(Debug)]
pub(super) struct Lines {
    longest: usize,
    /// The line that is not complete.
    line: Vec<u8>,
    left_out: u64,
}

impl Lines {
    /// Cuts lines at `longest` bytes; what is beyond that is counted and left out.
    pub(super) fn new(longest: usize) -> Self {
        Self { longest, line: Vec::new(), left_out: 0 }
    }

    /// Takes the next piece; `each` gets every line that it completes.
    pub(super) fn push(&mut self, mut piece: &[u8], mut each: impl FnMut(Line<'_>)) {
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            if self.line.is_empty() && end <= self.longest {
                each(Line { bytes: &piece[..end], left_out: 0 });
            } else {
                self.add(&piece[..end]);
                self.finish(&mut each);
            }
            piece = &piece[end + 1..];
        }
        self.add(piece);
    }

    /// Ends the stream.
    pub(super) fn finish(&mut self, mut each: impl FnMut(Line<'_>)) {
        if self.line.is_empty() {
            return;
        }
        each(Line { bytes: &self.line, left_out: self.left_out });
        self.line.clear();
        self.line.shrink_to(KEPT_CAPACITY);
        self.left_out = 0;
    }

    fn add(&mut self, bytes: &[u8]) {
        let fits = bytes.len().min(self.longest - self.line.len());
        self.line.extend_from_slice(&bytes[..fits]);
        self.left_out += (bytes.len() - fits) as u64;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cli::MAX_LINE_BYTES;

    /// The lines of pieces, each as its bytes and how many more there were.
    fn lines(longest: usize, pieces: &[&[u8]]) -> Vec<(Vec<u8>, u64)> {
        let (mut splitter, mut found) = (Lines::new(longest), Vec::new());
        let mut each = |line: Line<'_>| found.push((line.bytes.to_vec(), line.left_out));
        for piece in pieces {
            splitter.push(piece, &mut each);
        }
        splitter.finish(&mut each);
        found
    }

    #[test]
    fn a_long_line_is_cut_and_its_rest_counted() {
        let expected = [(b"abc".to_vec(), 4), (b"de".to_vec(), 0)];
        assert_eq!(lines(3, &[b"abcdefg\nde"]), expected);
        assert_eq!(lines(3, &[b"ab", b"cdef", b"g", b"\nd", b"e\n"]), expected);
    }

    #[test]
    fn the_buffer_of_a_long_line_is_given_back() {
        let mut splitter = Lines::new(MAX_LINE_BYTES);
        for _ in 0..300 {
            splitter.push(&[b'x'; 64 * 1024], |_| panic!("it has no end"));
        }
        assert!(splitter.line.capacity() <= 2 * MAX_LINE_BYTES);
        let mut found = None;
        splitter.push(b"\n", |line| found = Some((line.bytes.len(), line.left_out)));
        assert_eq!(found, Some((MAX_LINE_BYTES, 300 * 64 * 1024 - MAX_LINE_BYTES as u64)));
        assert!(splitter.line.capacity() <= KEPT_CAPACITY);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), Just(b'{')], 0..60),
            cuts in prop::collection::vec(0usize..60, 0..8),
            longest in 1usize..20,
        ) {
            let mut ends: Vec<_> = cuts.into_iter().filter(|cut| *cut < bytes.len()).collect();
            ends.sort_unstable();
            ends.push(bytes.len());
            let mut start = 0;
            let pieces: Vec<_> = ends
                .into_iter()
                .map(|end| &bytes[std::mem::replace(&mut start, end)..end])
                .collect();
            let expected: Vec<_> = bytes
                .strip_suffix(b"\n")
                .unwrap_or(&bytes)
                .split(|byte| *byte == b'\n')
                .map(|line| {
                    let kept = line.len().min(longest);
                    (line[..kept].to_vec(), (line.len() - kept) as u64)
                })
                .collect();
            let expected = if bytes.is_empty() { Vec::new() } else { expected };
            prop_assert_eq!(lines(longest, &pieces), expected);
        }
    }
}
