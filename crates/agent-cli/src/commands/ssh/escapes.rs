//! What is typed to this program and not to the one at the other end: `~` at the beginning of a
//! line and a key behind it, as OpenSSH's client has it; not what then happens. Pure.

/// The key that begins an escape.
const ESCAPE: u8 = b'~';

/// What `~?` shows.
pub(super) const HELP: &str = "Supported escape sequences:\r\n \
                               ~.   - ends the connection\r\n \
                               ~?   - this message\r\n \
                               ~~   - sends the escape character by typing it twice\r\n\
                               (Escapes are recognized at the beginning of a line only.)\r\n";

/// What was typed to this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    /// End the connection.
    End,
    /// Show what can be typed.
    Help,
}

/// Finds escapes in what is typed, piece by piece.
#[derive(Debug)]
pub(super) struct Escapes {
    /// Whether the next key is the first one of a line.
    begins_line: bool,
    /// Whether the key before was the one that begins an escape.
    is_pending: bool,
}

impl Escapes {
    pub(super) fn new() -> Self {
        Self { begins_line: true, is_pending: false }
    }

    /// Adds what is to be sent of a piece, and gives the escapes in it, in their order. What follows
    /// [`Escape::End`] is dropped.
    pub(super) fn scan(&mut self, typed: &[u8], send: &mut Vec<u8>) -> Vec<Escape> {
        let mut found = Vec::new();
        for &byte in typed {
            match (std::mem::take(&mut self.is_pending), byte) {
                (true, b'.') => {
                    found.push(Escape::End);
                    return found;
                }
                (true, b'?') => {
                    found.push(Escape::Help);
                    continue;
                }
                (true, ESCAPE) => {}
                // It was no escape after all.
                (true, _) => send.push(ESCAPE),
                (false, ESCAPE) if self.begins_line => {
                    self.is_pending = true;
                    continue;
                }
                (false, _) => {}
            }
            self.begins_line = matches!(byte, b'\r' | b'\n');
            send.push(byte);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_found_at_the_beginning_of_a_line() {
        use Escape::{End, Help};
        for (pieces, sent, found) in [
            (&["~."][..], "", &[End][..]),
            (&["~", ".", "x"], "", &[End]),
            (&["ls\r~.rm"], "ls\r", &[End]),
            (&["ls\n~."], "ls\n", &[End]),
            (&["ls ~."], "ls ~.", &[]),
            (&["~~"], "~", &[]),
            (&["~~."], "~.", &[]),
            (&["~~\r~."], "~\r", &[End]),
            (&["~?"], "", &[Help]),
            (&["~?~?~."], "", &[Help, Help, End]),
            (&["~x"], "~x", &[]),
            (&["~\r~."], "~\r", &[End]),
            (&["~"], "", &[]),
            (&["a~", "~"], "a~~", &[]),
        ] {
            let (mut escapes, mut all, mut send) = (Escapes::new(), Vec::new(), Vec::new());
            for piece in pieces {
                if all.last() != Some(&End) {
                    all.extend(escapes.scan(piece.as_bytes(), &mut send));
                }
            }
            assert_eq!((send.as_slice(), &*all), (sent.as_bytes(), found), "{pieces:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_else_is_changed(typed: Vec<u8>) {
            let typed: Vec<u8> = typed.into_iter().filter(|byte| *byte != ESCAPE).collect();
            let mut send = Vec::new();
            prop_assert!(Escapes::new().scan(&typed, &mut send).is_empty());
            prop_assert_eq!(send, typed);
        }
    }
}
