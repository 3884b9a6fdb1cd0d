//! Pieces of lines for answers, as bytes of the line become text; pure.

/// A line, or a piece of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The text, invalid UTF-8 replaced by U+FFFD.
    pub(super) text: String,
    /// Byte of the line at which it begins.
    pub(super) start: usize,
    /// Whether it is not the whole line.
    pub(super) cut: bool,
}

/// Takes the piece of at most `most` bytes around the byte `first` of a line.
///
/// A longer line loses its beginning up to a quarter of `most` before `first`, and its end. Both
/// cuts move back to where a character begins.
pub(super) fn around(line: &[u8], first: usize, most: usize) -> Piece {
    if line.len() <= most {
        return Piece { text: lossy(line), start: 0, cut: false };
    }
    let start = boundary(line, first.saturating_sub(most / 4));
    let end = boundary(line, (start + most).min(line.len()));
    Piece { text: lossy(&line[start..end]), start, cut: true }
}

/// Takes the first bytes of a line, at most `most`.
pub(super) fn head(line: &[u8], most: usize) -> String {
    lossy(&line[..boundary(line, most.min(line.len()))])
}

/// The line without its LF or CRLF.
pub(super) fn without_ending(line: &[u8]) -> &[u8] {
    match line.strip_suffix(b"\n") {
        Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
        None => line,
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The last place at or before `at` that splits no character.
///
/// Bytes that are no UTF-8 can be split anywhere.
fn boundary(line: &[u8], at: usize) -> usize {
    let is_continuation = |at: usize| line.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
    if !is_continuation(at) {
        return at;
    }
    let start = (at.saturating_sub(3)..at).rev().find(|start| !is_continuation(*start));
    let Some(start) = start else { return at };
    let end = (start + 4).min(line.len());
    let whole = line[start..end].utf8_chunks().next();
    match whole.and_then(|chunk| chunk.valid().chars().next()) {
        Some(character) if start + character.len_utf8() > at => start,
        _ => at,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(line: &[u8], first: usize, most: usize, text: &str, start: usize) {
        let piece = around(line, first, most);
        let expected = Piece { text: text.to_owned(), start, cut: line.len() > most };
        assert_eq!(piece, expected);
    }

    #[test]
    fn a_long_line_is_cut_around_its_first_match() {
        check(b"0123456789", 5, 10, "0123456789", 0);
        check(b"0123456789", 5, 8, "3456789", 3);
        check(b"0123456789", 1, 8, "01234567", 0);
        check(b"0123456789", 9, 4, "89", 8);
        check(b"0123456789", 0, 1, "0", 0);
    }

    #[test]
    fn no_character_is_split() {
        check("aéé".as_bytes(), 4, 4, "é", 3);
        check("aéé".as_bytes(), 2, 4, "éé", 1);
        check("éééé".as_bytes(), 7, 4, "é", 6);
        check("ééé".as_bytes(), 0, 3, "é", 0);
        check("😀😀".as_bytes(), 0, 3, "", 0);
        check("a😀".as_bytes(), 4, 2, "", 1);
    }

    #[test]
    fn bytes_that_are_no_utf8_are_replaced() {
        check(b"a\xFFb", 0, 3, "a\u{FFFD}b", 0);
        check(b"\x80\x80\x80\x80\x80", 4, 4, "\u{FFFD}\u{FFFD}", 3);
        assert_eq!(head(b"\xE2\x82", 1), "\u{FFFD}");
        assert_eq!(head("ab€".as_bytes(), 4), "ab");
    }

    #[test]
    fn an_ending_is_lf_or_crlf() {
        let cases = [("a\n", "a"), ("a\r\n", "a"), ("a\r", "a\r"), ("a\r\r\n", "a\r"), ("", "")];
        for (line, expected) in cases {
            assert_eq!(without_ending(line.as_bytes()), expected.as_bytes(), "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn a_piece_of_text_is_the_text(line in "[aé€😀]{1,30}", first in 0usize..100, most in 1usize..40) {
            let bytes = line.as_bytes();
            let piece = around(bytes, first.min(bytes.len()), most);
            prop_assert!(piece.text.len() <= most.max(bytes.len().min(most)));
            prop_assert_eq!(&line[piece.start..piece.start + piece.text.len()], &piece.text);
            // Less is lost than a character at either side.
            let whole = bytes.len() <= most || piece.start + piece.text.len() == bytes.len();
            prop_assert!(whole || piece.text.len() + 4 > most);
        }
    }
}
