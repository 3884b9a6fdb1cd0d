//! Bytes of a keyboard as what they ask for; not what is done about it.

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// To scroll.
    Scroll(Motion),
    /// To look at the next repository, or with `false` at the one before.
    Turn(bool),
    /// To scan everything again.
    Refresh,
    /// To draw everything again.
    Redraw,
    /// To end.
    Quit,
    /// Ctrl-C, which is no signal in raw mode.
    Interrupt,
    /// Ctrl-Z, likewise.
    Suspend,
}

/// How to scroll: `true` is towards the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Motion {
    /// By a line.
    Line(bool),
    /// By a screen.
    Page(bool),
    /// To the end, or to the beginning.
    End(bool),
}

/// Keys of several bytes behind an escape: those of a terminal in either of its modes.
const SEQUENCES: [(&str, Key); 15] = [
    ("[A", Key::Scroll(Motion::Line(false))),
    ("OA", Key::Scroll(Motion::Line(false))),
    ("[B", Key::Scroll(Motion::Line(true))),
    ("OB", Key::Scroll(Motion::Line(true))),
    ("[5~", Key::Scroll(Motion::Page(false))),
    ("[6~", Key::Scroll(Motion::Page(true))),
    ("[H", Key::Scroll(Motion::End(false))),
    ("OH", Key::Scroll(Motion::End(false))),
    ("[1~", Key::Scroll(Motion::End(false))),
    ("[7~", Key::Scroll(Motion::End(false))),
    ("[F", Key::Scroll(Motion::End(true))),
    ("OF", Key::Scroll(Motion::End(true))),
    ("[4~", Key::Scroll(Motion::End(true))),
    ("[8~", Key::Scroll(Motion::End(true))),
    ("[Z", Key::Turn(false)),
];

/// Bytes after which a sequence is given up: longer than any of a keyboard.
const LONGEST: usize = 32;

/// Reads keys from bytes that come in any pieces.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The bytes behind an escape so far; `None` outside a sequence.
    sequence: Option<String>,
}

impl Keys {
    /// The key that is complete with this byte, if it is one of the view's.
    pub(super) fn push(&mut self, byte: u8) -> Option<Key> {
        let Some(sequence) = &mut self.sequence else {
            if byte == 0x1b {
                self.sequence = Some(String::new());
                return None;
            }
            return single(byte);
        };
        match (sequence.len(), byte) {
            // An escape alone, and then another key.
            (0, 0x1b) => return None,
            (0, b'[' | b'O') => {}
            (0, _) | (_, 0x1b) => {
                self.sequence = (byte == 0x1b).then(String::new);
                return if byte == 0x1b { None } else { single(byte) };
            }
            _ => {}
        }
        sequence.push(char::from(byte));
        let is_complete = sequence.len() > 1 && matches!(byte, 0x40..=0x7e);
        if !is_complete && sequence.len() < LONGEST {
            return None;
        }
        let sequence = self.sequence.take()?;
        SEQUENCES.iter().find(|(known, _)| *known == sequence).map(|(_, key)| *key)
    }
}

fn single(byte: u8) -> Option<Key> {
    Some(match byte {
        b'j' | b'\r' | b'\n' => Key::Scroll(Motion::Line(true)),
        b'k' => Key::Scroll(Motion::Line(false)),
        b' ' => Key::Scroll(Motion::Page(true)),
        b'b' => Key::Scroll(Motion::Page(false)),
        b'g' => Key::Scroll(Motion::End(false)),
        b'G' => Key::Scroll(Motion::End(true)),
        b'\t' => Key::Turn(true),
        b'r' => Key::Refresh,
        b'q' => Key::Quit,
        0x03 => Key::Interrupt,
        0x0c => Key::Redraw,
        0x1a => Key::Suspend,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<Key> {
        let mut keys = Keys::default();
        bytes.iter().filter_map(|byte| keys.push(*byte)).collect()
    }

    #[test]
    fn bytes_are_keys() {
        let (line, page) = (Motion::Line, Motion::Page);
        let cases: [(&[u8], &[Key]); 12] = [
            (b"jk", &[Key::Scroll(line(true)), Key::Scroll(line(false))]),
            (b"\x1b[B\x1bOA", &[Key::Scroll(line(true)), Key::Scroll(line(false))]),
            (b"\x1b[6~\x1b[5~", &[Key::Scroll(page(true)), Key::Scroll(page(false))]),
            (b"gG", &[Key::Scroll(Motion::End(false)), Key::Scroll(Motion::End(true))]),
            (b"\x1b[H\x1b[F", &[Key::Scroll(Motion::End(false)), Key::Scroll(Motion::End(true))]),
            (b"\t\x1b[Z", &[Key::Turn(true), Key::Turn(false)]),
            (
                b"r\x03\x0c\x1aq",
                &[Key::Refresh, Key::Interrupt, Key::Redraw, Key::Suspend, Key::Quit],
            ),
            // An escape that is no sequence, one within a sequence, and unknown ones.
            (b"\x1bq", &[Key::Quit]),
            (b"\x1b\x1b[A", &[Key::Scroll(line(false))]),
            (b"\x1b[1;5\x1b[A", &[Key::Scroll(line(false))]),
            (b"\x1b[1;5Cq\x1b[200~q", &[Key::Quit, Key::Quit]),
            (b"xyz\xc3\xa4", &[]),
        ];
        for (bytes, expected) in cases {
            assert_eq!(read(bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_sequence_without_an_end_is_given_up() {
        let bytes = [b"\x1b[".as_slice(), &[b'1'; 31], b"q"].concat();
        assert_eq!(read(&bytes), [Key::Quit]);
    }
}
