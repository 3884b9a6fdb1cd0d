//! The first file of a tar archive that arrives in pieces (pure).
//!
//! Source: POSIX.1-2017, pax, "ustar Interchange Format".

const BLOCK: usize = 512;

/// Takes the content of the first regular file out of an archive.
#[derive(Debug)]
pub(super) struct FirstFile {
    state: State,
    limit: usize,
    content: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Header(Vec<u8>),
    /// The content of something else, with what fills its last block.
    Skip(u64),
    Content(u64),
    Done,
}

impl FirstFile {
    /// Keeps at most the first `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { state: State::Header(Vec::with_capacity(BLOCK)), limit, content: Vec::new() }
    }

    /// Takes a piece; answers whether more is needed.
    pub(super) fn push(&mut self, mut piece: &[u8]) -> bool {
        while !piece.is_empty() && !matches!(self.state, State::Done) {
            match &mut self.state {
                State::Header(header) => {
                    let taken = piece.len().min(BLOCK - header.len());
                    header.extend_from_slice(&piece[..taken]);
                    piece = &piece[taken..];
                    if header.len() == BLOCK {
                        self.state = after(header);
                    }
                }
                State::Skip(left) => {
                    let taken = up_to(*left, piece.len());
                    piece = &piece[taken..];
                    *left -= taken as u64;
                    if *left == 0 {
                        self.state = State::Header(Vec::with_capacity(BLOCK));
                    }
                }
                State::Content(left) => {
                    let taken = up_to(*left, piece.len());
                    let kept = taken.min(self.limit - self.content.len());
                    self.content.extend_from_slice(&piece[..kept]);
                    piece = &piece[taken..];
                    *left -= taken as u64;
                    if *left == 0 || self.content.len() == self.limit {
                        self.state = State::Done;
                    }
                }
                State::Done => {}
            }
        }
        !matches!(self.state, State::Done)
    }

    /// What was found; `None` when there was no file.
    pub(super) fn finish(self) -> Option<Vec<u8>> {
        match self.state {
            State::Done | State::Content(_) => Some(self.content),
            State::Header(_) | State::Skip(_) => None,
        }
    }
}

fn up_to(left: u64, available: usize) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(available)
}

/// What follows a header.
fn after(header: &[u8]) -> State {
    let Some(size) = number(&header[124..136]) else { return State::Header(Vec::new()) };
    match (header[156], size) {
        (b'0' | b'\0' | b'7', 0) if header[0] != 0 => State::Done,
        (b'0' | b'\0' | b'7', size) if header[0] != 0 => State::Content(size),
        // Links, directories and devices have no content, whatever their size says.
        (b'1'..=b'6', _) | (_, 0) => State::Header(Vec::new()),
        (_, size) => State::Skip(size.div_ceil(BLOCK as u64).saturating_mul(BLOCK as u64)),
    }
}

/// An octal number between blanks, or the binary one of large sizes.
fn number(field: &[u8]) -> Option<u64> {
    if field.first().is_some_and(|byte| byte & 0x80 != 0) {
        let (head, tail) = field.split_at(field.len() - 8);
        let is_small = head.iter().skip(1).all(|byte| *byte == 0);
        return is_small.then(|| tail.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
    }
    let text = std::str::from_utf8(field).ok()?.trim_matches([' ', '\0']);
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(kind: u8, content: &[u8]) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        block[..6].copy_from_slice(b"passwd");
        block[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        block[156] = kind;
        block.extend_from_slice(content);
        block.resize(block.len().next_multiple_of(BLOCK), 0);
        block
    }

    fn read(archive: &[u8], piece: usize, limit: usize) -> Option<Vec<u8>> {
        let mut file = FirstFile::new(limit);
        for piece in archive.chunks(piece) {
            if !file.push(piece) {
                break;
            }
        }
        file.finish()
    }

    #[track_caller]
    fn check(archive: &[u8], expected: Option<&[u8]>) {
        for piece in [1, 511, 512, 513, 100_000] {
            assert_eq!(read(archive, piece, 1000).as_deref(), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn the_first_file_is_found_behind_what_is_no_file() {
        let end = vec![0; 2 * BLOCK];
        check(&[entry(b'0', b"root"), end.clone()].concat(), Some(b"root"));
        check(&[entry(b'x', &[b'1'; 513]), entry(b'0', b"a"), end.clone()].concat(), Some(b"a"));
        check(&[entry(b'5', b""), entry(0, b"a"), entry(b'0', b"b")].concat(), Some(b"a"));
        check(&[entry(b'0', b""), entry(b'0', b"b")].concat(), Some(b""));
        check(&[entry(b'2', b""), end.clone()].concat(), None);
        check(&end, None);
        check(b"", None);
    }

    #[test]
    fn a_file_is_cut_at_the_limit_and_at_the_end_of_the_archive() {
        check(&entry(b'0', &[7; 5000]), Some(&[7; 1000]));
        check(&entry(b'0', &[7; 600])[..BLOCK + 5], Some(&[7; 5]));
    }

    #[test]
    fn sizes_in_binary_are_read() {
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]), Some(258));
        assert_eq!(number(&[0xff; 12]), None);
        assert_eq!(number(b"00000000012\0"), Some(10));
        assert_eq!(number(b"       12 \0 "), Some(10));
        assert_eq!(number(b"0000009\0\0\0\0\0"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic_and_within_the_limit(
            bytes in proptest::collection::vec(any::<u8>(), 0..3000), piece in 1_usize..700
        ) {
            let found = read(&bytes, piece, 100);
            prop_assert!(found.is_none_or(|content| content.len() <= 100));
        }
    }
}
