//! The keys that leave a terminal: how they are written, and how they are found in what is typed;
//! not what leaving means. Pure.

use std::fmt;

/// Most keys of a sequence; nobody types more to leave.
const MAX_KEYS: usize = 16;

/// Keys that leave a terminal when they are typed one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DetachKeys(Vec<u8>);

impl DetachKeys {
    /// Reads keys with commas between them: a character, or `ctrl-` and a letter or one of `@[\]^_`;
    /// `none` for no keys at all.
    ///
    /// # Errors
    ///
    /// A sentence.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(Vec::new()));
        }
        let keys = text.split(',').map(key).collect::<Option<Vec<_>>>();
        keys.filter(|keys| keys.len() <= MAX_KEYS)
            .map(Self)
            .ok_or_else(|| "not keys such as `ctrl-p,ctrl-q` or `~,.`, nor `none`".to_owned())
    }
}

fn key(text: &str) -> Option<u8> {
    let single = |text: &str| match text.as_bytes() {
        [byte] if byte.is_ascii_graphic() || *byte == b' ' => Some(*byte),
        _ => None,
    };
    match text.strip_prefix("ctrl-") {
        Some(key) => {
            let key = single(key)?.to_ascii_uppercase();
            (b'@'..=b'_').contains(&key).then_some(key & 0x1f)
        }
        None => single(text),
    }
}

impl fmt::Display for DetachKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |key: &u8| match *key {
            key @ 0..0x20 => format!("ctrl-{}", char::from(key | 0x40).to_ascii_lowercase()),
            key => char::from(key).to_string(),
        };
        f.write_str(&self.0.iter().map(show).collect::<Vec<_>>().join(","))
    }
}

/// Finds the keys in what is typed, piece by piece.
#[derive(Debug)]
pub(super) struct KeyScanner {
    keys: Vec<u8>,
    /// What was typed and may be the beginning of the keys.
    held: usize,
}

impl KeyScanner {
    pub(super) fn new(keys: &DetachKeys) -> Self {
        Self { keys: keys.0.clone(), held: 0 }
    }

    /// Adds what is to be sent of a piece; true when the keys were typed, and the rest is dropped.
    ///
    /// A beginning of the keys is sent when something else follows it.
    pub(super) fn scan(&mut self, typed: &[u8], send: &mut Vec<u8>) -> bool {
        if self.keys.is_empty() {
            send.extend_from_slice(typed);
            return false;
        }
        for &byte in typed {
            let mut seen = self.keys[..self.held].to_vec();
            seen.push(byte);
            let skipped = (0..=seen.len()).find(|&at| self.keys.starts_with(&seen[at..]));
            let skipped = skipped.expect("nothing at all begins the keys");
            send.extend_from_slice(&seen[..skipped]);
            self.held = seen.len() - skipped;
            if self.held == self.keys.len() {
                return true;
            }
        }
        false
    }
}

/// Makes text of bytes that come piece by piece: a character that is cut waits for its rest, and
/// what is none becomes U+FFFD.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// The beginning of a character, at most three bytes.
    rest: Vec<u8>,
}

impl Decoder {
    pub(super) fn decode(&mut self, bytes: &[u8], text: &mut String) {
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(bytes);
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let invalid = chunk.invalid();
            if chunks.peek().is_none() && is_incomplete(invalid) {
                self.rest = invalid.to_vec();
            } else if !invalid.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }
}

fn is_incomplete(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_written_as_the_field_writes_them() {
        for (text, keys) in [
            ("ctrl-p,ctrl-q", &[16, 17][..]),
            ("ctrl-P", &[16]),
            ("~,.", b"~."),
            ("ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", &[0, 27, 28, 29, 30, 31]),
            ("a", b"a"),
            ("none", b""),
        ] {
            let parsed = DetachKeys::parse(text).unwrap();
            assert_eq!(parsed.0, keys, "{text}");
            assert!(keys.is_empty() || DetachKeys::parse(&parsed.to_string()) == Ok(parsed));
        }
        for text in ["", ",", "a,", "ctrl-", "ctrl-1", "ctrl-ab", "ab", "é", "\t", "ctrl-p ctrl-q"]
        {
            assert!(DetachKeys::parse(text).is_err(), "{text:?}");
        }
        assert!(DetachKeys::parse(&["a"; 17].join(",")).is_err());
    }

    /// What is sent of these pieces, and whether the keys were typed.
    fn scan(keys: &str, pieces: &[&[u8]]) -> (Vec<u8>, bool) {
        let mut scanner = KeyScanner::new(&DetachKeys::parse(keys).unwrap());
        let mut sent = Vec::new();
        let found = pieces.iter().any(|piece| scanner.scan(piece, &mut sent));
        (sent, found)
    }

    #[test]
    fn keys_are_found_wherever_pieces_end() {
        for (keys, pieces, sent, found) in [
            ("ctrl-p,ctrl-q", &[&b"ab\x10\x11cd"[..]][..], &b"ab"[..], true),
            ("ctrl-p,ctrl-q", &[b"a\x10", b"\x11"], b"a", true),
            ("ctrl-p,ctrl-q", &[b"a\x10", b"b"], b"a\x10b", false),
            ("ctrl-p,ctrl-q", &[b"\x10\x10\x11"], b"\x10", true),
            ("ctrl-p,ctrl-q", &[b"\x10"], b"", false),
            ("a,a,b", &[b"aa", b"ab"], b"a", true),
            ("a,b,a,c", &[b"abab", b"ac"], b"ab", true),
            ("none", &[b"\x10\x11"], b"\x10\x11", false),
        ] {
            assert_eq!(scan(keys, pieces), (sent.to_vec(), found), "{keys} {pieces:?}");
        }
    }

    #[test]
    fn characters_that_are_cut_are_put_together() {
        let mut decoder = Decoder::default();
        let mut text = String::new();
        for piece in [&b"a\xc3"[..], b"\xa9\xf0\x9f", b"\x98", b"\x80\xff", b"\xe2\x82", b"x"] {
            decoder.decode(piece, &mut text);
        }
        assert_eq!(text, "aé😀\u{fffd}\u{fffd}x");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_changed_without_the_keys(
            pieces in proptest::collection::vec("[ab\u{e9}]{0,5}", 0..6),
            cut in 0_usize..20,
        ) {
            let typed = pieces.concat().into_bytes();
            let (first, second) = typed.split_at(cut.min(typed.len()));
            let (mut sent, found) = scan("a,b,c", &[first, second, b"!"]);
            prop_assert!(!found);
            prop_assert_eq!(sent.pop(), Some(b'!'));
            prop_assert_eq!(&sent, &typed);
            let (mut decoder, mut text) = (Decoder::default(), String::new());
            decoder.decode(first, &mut text);
            decoder.decode(second, &mut text);
            prop_assert_eq!(text.into_bytes(), typed);
        }
    }
}
