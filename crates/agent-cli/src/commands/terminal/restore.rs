//! What a program leaves set in the terminal of this machine, and how that is undone; not its mode,
//! which is the kernel's.
//! <https://invisible-island.net/xterm/ctlseqs/ctlseqs.html>

/// Everything that changes what a shell shows or what keys send, back to what shells expect: first
/// the end of any text sequence that was cut.
const RESET: &str = "\x1b\\\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1005l\x1b[?1006l\
                     \x1b[?1015l\x1b[?2004l\x1b[?1l\x1b[?6l\x1b[?7h\x1b[?25h\x1b[4l\x1b>\x1b[0 q\
                     \x1b7\x1b[r\x1b8\x1b(B\x0f\x1b[0m";
/// Back from the other screen, which also moves the cursor and so is wrong on the first one.
const LEAVE_ALTERNATE: &str = "\x1b[?1049l";

/// Longest parameters that are kept; longer ones name nothing that is looked for.
const MAX_PARAMETERS: usize = 64;

/// Watches for the switch between the two screens of a terminal.
#[derive(Debug, Default)]
pub(in crate::commands) struct Screens {
    is_alternate: bool,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Text,
    Escape,
    /// Behind `ESC [`, with what came since.
    Control(Vec<u8>),
}

impl Screens {
    /// Sees bytes that are shown.
    pub(in crate::commands) fn see(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.state = match (std::mem::take(&mut self.state), byte) {
                (_, 0x1b) => State::Escape,
                (State::Escape, b'[') => State::Control(Vec::new()),
                (State::Escape, b'c') => {
                    self.is_alternate = false;
                    State::Text
                }
                (State::Control(mut seen), 0x20..=0x3f) => {
                    if seen.len() < MAX_PARAMETERS {
                        seen.push(byte);
                    }
                    State::Control(seen)
                }
                (State::Control(seen), b'h' | b'l') => {
                    if switches(&seen) {
                        self.is_alternate = byte == b'h';
                    }
                    State::Text
                }
                _ => State::Text,
            };
        }
    }

    /// What makes the terminal usable for whatever comes next.
    pub(in crate::commands) fn reset(&self) -> String {
        if self.is_alternate { format!("{RESET}{LEAVE_ALTERNATE}") } else { RESET.to_owned() }
    }
}

/// Whether parameters of a mode name one that is about the screens.
fn switches(parameters: &[u8]) -> bool {
    let modes = parameters.strip_prefix(b"?");
    modes.is_some_and(|modes| {
        modes.split(|byte| *byte == b';').any(|mode| matches!(mode, b"47" | b"1047" | b"1049"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_screen_is_left_only_from_there() {
        for (pieces, expected) in [
            (&["$ "][..], false),
            (&["\x1b[?1049h"], true),
            (&["\x1b", "[?10", "49h~"], true),
            (&["\x1b[?25;1049h"], true),
            (&["\x1b[?47h"], true),
            (&["\x1b[?1049h\x1b[?1049l"], false),
            (&["\x1b[?1049h\x1bc"], false),
            (&["\x1b[1049h\x1b[?10490h"], false),
            (&["\x1b[?1049h\x1b[?25l\x1b[4l"], true),
        ] {
            let mut screens = Screens::default();
            pieces.iter().for_each(|piece| screens.see(piece.as_bytes()));
            assert_eq!(screens.reset().ends_with(LEAVE_ALTERNATE), expected, "{pieces:?}");
        }
    }
}
