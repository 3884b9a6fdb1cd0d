//! Takes the program's bytes apart into characters, controls and sequences, at any cut. It knows no screen.
//!
//! ```text
//!            ESC              [              digit ; : < = > ?       20-2f
//!   Ground ------> Escape -------> CsiEntry ------------> CsiParam -------> CsiIntermediate
//!     ^              |  \            |  40-7e                |  40-7e           |  40-7e
//!     |  30-7e       |   \ 20-2f     v                       v                  v
//!     +--------------+    EscapeIntermediate      (dispatch, back to Ground)
//!     |              | ]                 P: Dcs* -> DcsString     X ^ _: Ignored
//!     +-- ST, BEL -- Osc <-+
//! ```
//!
//! The diagram of DEC's VT500 as <https://vt100.net/emu/dec_ansi_parser> draws it, with the differences of
//! xterm.js: controls from 80 to 9f are characters of UTF-8, and strings end at ESC.

use super::params::Params;

/// The most bytes of an unfinished sequence that are kept. Real sequences are shorter, but for clipboards and images.
pub(crate) const MAX_PENDING: usize = 8 * 1024;

/// What the parser finds.
pub(crate) trait Actions {
    /// Printable ASCII, at least one byte.
    fn print_ascii(&mut self, text: &[u8]);
    /// Characters of which none is a control.
    fn print(&mut self, text: &str);
    /// A control character: C0, or C1 from 80 to 9f.
    fn control(&mut self, code: u8);
    /// An escape sequence: intermediates, final byte.
    fn escape(&mut self, intermediates: &[u8], last: u8);
    /// A control sequence: its private prefix and intermediates, parameters, final byte.
    fn sequence(&mut self, collected: &[u8], params: &Params, last: u8);
    /// An operating system command without its introducer; `is_whole` is false when its end was too far.
    fn command(&mut self, text: &[u8], is_whole: bool);
    /// A device control string.
    fn device(&mut self, collected: &[u8], last: u8, text: &[u8]);
    /// Something came between characters, so that the next one joins nothing.
    fn separate(&mut self);
    /// What was found so far has made more work than should be done at once.
    fn is_tired(&self) -> bool;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Ground,
    Escape,
    EscapeIntermediate,
    CsiEntry,
    CsiParam,
    CsiIntermediate,
    CsiIgnore,
    /// SOS, PM and APC.
    Ignored,
    Osc,
    DcsEntry,
    DcsParam,
    DcsIntermediate,
    DcsIgnore,
    DcsString,
}

/// The parser with what it remembers between two pieces.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    state: State,
    /// The bytes of the sequence so far, without the controls that were obeyed inside of it.
    pending: Vec<u8>,
    /// `pending` is full and bytes were left out.
    is_cut: bool,
    /// Where the text of a string begins in `pending`.
    text: usize,
    /// The final byte before a device control string.
    hook: u8,
    params: Params,
    collected: [u8; 3],
    collected_length: usize,
    /// The first bytes of a character of UTF-8.
    partial: [u8; 4],
    partial_length: usize,
}

impl Parser {
    /// Returns the bytes that bring another terminal to the middle of what is unfinished here.
    ///
    /// They are the program's own, but for a string that has grown beyond [`MAX_PENDING`]: its text is as
    /// good as lost, so one of the same kind stands for it that nothing understands. A title is kept.
    pub(crate) fn pending(&self) -> Vec<u8> {
        let mut bytes = if !self.is_cut || self.is_title() {
            self.pending.clone()
        } else {
            match self.state {
                State::Osc => b"\x1b]7777;".to_vec(),
                State::DcsString | State::DcsIgnore => b"\x1bP~".to_vec(),
                State::Ignored => b"\x1bX".to_vec(),
                _ => self.pending.clone(),
            }
        };
        bytes.extend_from_slice(&self.partial[..self.partial_length]);
        bytes
    }

    #[cfg(test)]
    fn memory_bytes(&self) -> usize {
        self.pending.capacity()
    }

    fn is_title(&self) -> bool {
        let text = self.pending.get(self.text..).unwrap_or_default();
        self.state == State::Osc && (text.starts_with(b"0;") || text.starts_with(b"2;"))
    }

    /// Takes the next bytes until they have made too much work, at least one. Returns what is left.
    pub(crate) fn feed<'a>(&mut self, mut bytes: &'a [u8], to: &mut impl Actions) -> &'a [u8] {
        while let Some(&byte) = bytes.first() {
            if self.partial_length > 0 {
                bytes = self.complete(bytes, to);
            } else if byte >= 0x80 {
                bytes = self.decode(bytes, to);
            } else if self.state == State::Ground {
                let length = bytes.iter().position(|byte| !matches!(byte, 0x20..=0x7e));
                let (text, rest) = bytes.split_at(length.unwrap_or(bytes.len()));
                if text.is_empty() {
                    self.ascii(byte, to);
                    bytes = &bytes[1..];
                } else {
                    to.print_ascii(text);
                    bytes = rest;
                }
            } else {
                self.ascii(byte, to);
                bytes = &bytes[1..];
            }
            if to.is_tired() {
                break;
            }
        }
        bytes
    }

    /// Adds one byte to the first bytes of a character, and returns what is left.
    fn complete<'a>(&mut self, bytes: &'a [u8], to: &mut impl Actions) -> &'a [u8] {
        self.partial[self.partial_length] = bytes[0];
        self.partial_length += 1;
        let partial = self.partial;
        let length = self.partial_length;
        match std::str::from_utf8(&partial[..length]) {
            Ok(text) => {
                self.partial_length = 0;
                self.text(text, to);
                &bytes[1..]
            }
            Err(error) if error.error_len().is_none() => &bytes[1..],
            Err(_) => {
                // The byte does not continue the character: it is looked at again, on its own.
                self.partial_length = 0;
                self.invalid(to);
                bytes
            }
        }
    }

    /// Takes characters from a byte that is not ASCII on, and returns what is left.
    fn decode<'a>(&mut self, bytes: &'a [u8], to: &mut impl Actions) -> &'a [u8] {
        let length = bytes.iter().position(|byte| *byte < 0x80).unwrap_or(bytes.len());
        let (run, rest) = bytes.split_at(length);
        let (valid, error) = match std::str::from_utf8(run) {
            Ok(text) => (text, None),
            Err(error) => {
                let valid = std::str::from_utf8(&run[..error.valid_up_to()]).unwrap_or_default();
                (valid, Some(error))
            }
        };
        self.text(valid, to);
        let Some(error) = error else { return rest };
        let after = &bytes[valid.len()..];
        match error.error_len() {
            Some(length) => {
                self.invalid(to);
                &after[length..]
            }
            None if rest.is_empty() => {
                let first = &run[valid.len()..];
                self.partial[..first.len()].copy_from_slice(first);
                self.partial_length = first.len();
                rest
            }
            None => {
                self.invalid(to);
                rest
            }
        }
    }

    /// Invalid UTF-8 shows as one character where characters are shown, and does not disturb a sequence.
    fn invalid(&mut self, to: &mut impl Actions) {
        if matches!(self.state, State::Ground | State::Osc) {
            self.text("\u{fffd}", to);
        }
    }

    /// Takes characters beyond ASCII.
    fn text(&mut self, mut text: &str, to: &mut impl Actions) {
        while let Some(character) = text.chars().next() {
            let length = match self.state {
                State::Ground => text.find(is_no_text).unwrap_or(text.len()),
                _ => 0,
            };
            let (plain, rest) = text.split_at(length);
            if plain.is_empty() {
                self.character(character, to);
                text = &text[character.len_utf8()..];
            } else {
                to.print(plain);
                text = rest;
            }
        }
    }

    /// Takes a character beyond ASCII that is not simply printed.
    fn character(&mut self, character: char, to: &mut impl Actions) {
        match character {
            '\u{80}'..='\u{9f}' => return self.c1(character as u8, to),
            '\u{feff}' => return,
            _ => {}
        }
        match self.state {
            State::Ground => {}
            State::Osc | State::DcsString => {
                let mut buffer = [0; 4];
                self.keep(character.encode_utf8(&mut buffer).as_bytes());
            }
            State::CsiIgnore | State::DcsIgnore => {}
            _ => self.leave(),
        }
    }

    /// Takes a control from 80 to 9f, which ends whatever it comes in.
    fn c1(&mut self, code: u8, to: &mut impl Actions) {
        match code {
            0x9c if self.state == State::Osc => self.finish_osc(true, to),
            0x9c if self.state == State::DcsString => self.finish_dcs(true, to),
            0x9c => self.leave(),
            0x90 => self.enter(State::DcsEntry, &[0xc2, code]),
            0x98 | 0x9e | 0x9f => self.enter(State::Ignored, &[0xc2, code]),
            0x9b => self.enter(State::CsiEntry, &[0xc2, code]),
            0x9d => self.enter(State::Osc, &[0xc2, code]),
            _ => {
                self.leave();
                to.control(code);
            }
        }
    }

    /// Takes a byte of ASCII outside of plain text.
    fn ascii(&mut self, byte: u8, to: &mut impl Actions) {
        match byte {
            0x1b => {
                match self.state {
                    State::Osc => self.finish_osc(true, to),
                    State::DcsString => self.finish_dcs(true, to),
                    _ => {}
                }
                return self.enter(State::Escape, &[byte]);
            }
            0x18 | 0x1a => {
                match self.state {
                    State::Osc => self.finish_osc(false, to),
                    State::DcsString => self.finish_dcs(false, to),
                    _ => {
                        self.leave();
                        to.control(byte);
                    }
                }
                return;
            }
            _ => {}
        }
        match self.state {
            State::Ground if byte == 0x7f => {}
            State::Ground => to.control(byte),
            State::Osc => self.osc(byte, to),
            State::Ignored => self.keep(&[byte]),
            State::DcsEntry | State::DcsParam | State::DcsIntermediate | State::DcsIgnore => {
                self.dcs(byte)
            }
            State::DcsString if byte == 0x7f => {}
            State::DcsString => self.keep(&[byte]),
            _ if byte < 0x20 => to.control(byte),
            _ if byte == 0x7f => {}
            State::Escape | State::EscapeIntermediate => self.escape(byte, to),
            _ => self.csi(byte, to),
        }
    }

    fn escape(&mut self, byte: u8, to: &mut impl Actions) {
        self.keep(&[byte]);
        let is_first = self.state == State::Escape;
        match byte {
            0x20..=0x2f => {
                self.collect(byte);
                self.state = State::EscapeIntermediate;
            }
            b'[' if is_first => self.begin(State::CsiEntry),
            b']' if is_first => self.begin(State::Osc),
            b'P' if is_first => self.begin(State::DcsEntry),
            b'X' | b'^' | b'_' if is_first => self.begin(State::Ignored),
            _ => {
                let (collected, length) = (self.collected, self.collected_length);
                self.leave();
                to.separate();
                if let Some(intermediates) = collected.get(..length) {
                    to.escape(intermediates, byte);
                }
            }
        }
    }

    fn csi(&mut self, byte: u8, to: &mut impl Actions) {
        self.keep(&[byte]);
        match (byte, self.state) {
            (0x40..=0x7e, State::CsiIgnore) => self.leave(),
            (0x40..=0x7e, _) => {
                self.leave();
                to.separate();
                if let Some(collected) = self.collected.get(..self.collected_length) {
                    to.sequence(collected, &self.params, byte);
                }
            }
            (_, State::CsiIgnore) => {}
            (0x20..=0x2f, _) => {
                self.collect(byte);
                self.state = State::CsiIntermediate;
            }
            (0x30..=0x3b, State::CsiEntry | State::CsiParam) => {
                self.params.push(byte);
                self.state = State::CsiParam;
            }
            (0x3c..=0x3f, State::CsiEntry) => {
                self.collect(byte);
                self.state = State::CsiParam;
            }
            _ => self.state = State::CsiIgnore,
        }
    }

    fn osc(&mut self, byte: u8, to: &mut impl Actions) {
        match byte {
            0x07 => self.finish_osc(true, to),
            0x20..=0x7f => self.keep(&[byte]),
            _ => {}
        }
    }

    fn dcs(&mut self, byte: u8) {
        if byte < 0x20 || byte == 0x7f {
            return;
        }
        self.keep(&[byte]);
        match (byte, self.state) {
            (_, State::DcsIgnore) => {}
            (0x40..=0x7e, _) => {
                self.begin(State::DcsString);
                self.hook = byte;
            }
            (0x20..=0x2f, _) => {
                self.collect(byte);
                self.state = State::DcsIntermediate;
            }
            (0x30..=0x3b, State::DcsEntry | State::DcsParam) => {
                self.params.push(byte);
                self.state = State::DcsParam;
            }
            (0x3c..=0x3f, State::DcsEntry) => {
                self.collect(byte);
                self.state = State::DcsParam;
            }
            _ => self.state = State::DcsIgnore,
        }
    }

    fn finish_osc(&mut self, is_good: bool, to: &mut impl Actions) {
        let (pending, start, is_whole) =
            (std::mem::take(&mut self.pending), self.text, !self.is_cut);
        self.leave();
        to.separate();
        if is_good {
            to.command(&pending[start..], is_whole);
        }
        self.reuse(pending);
    }

    fn finish_dcs(&mut self, is_good: bool, to: &mut impl Actions) {
        let (pending, start, is_whole) =
            (std::mem::take(&mut self.pending), self.text, !self.is_cut);
        self.leave();
        to.separate();
        if let (true, true, Some(collected)) =
            (is_good, is_whole, self.collected.get(..self.collected_length))
        {
            to.device(collected, self.hook, &pending[start..]);
        }
        self.reuse(pending);
    }

    /// Begins a sequence anew with the bytes that introduce it.
    fn enter(&mut self, state: State, introducer: &[u8]) {
        self.pending.clear();
        self.pending.extend_from_slice(introducer);
        self.is_cut = false;
        self.begin(state);
    }

    fn begin(&mut self, state: State) {
        self.state = state;
        self.text = self.pending.len();
        if state != State::DcsString {
            self.params.clear();
            self.collected_length = 0;
        }
    }

    fn leave(&mut self) {
        self.state = State::Ground;
        self.pending.clear();
        self.is_cut = false;
    }

    fn reuse(&mut self, mut pending: Vec<u8>) {
        pending.clear();
        self.pending = pending;
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.pending.len() + bytes.len() <= MAX_PENDING && !self.is_cut {
            self.pending.extend_from_slice(bytes);
        } else {
            self.is_cut = true;
        }
    }

    /// Remembers a prefix or an intermediate. With too many the sequence is one that nobody knows.
    fn collect(&mut self, byte: u8) {
        if let Some(slot) = self.collected.get_mut(self.collected_length) {
            *slot = byte;
        }
        self.collected_length = (self.collected_length + 1).min(self.collected.len() + 1);
    }
}

/// Tells the characters beyond ASCII that are controls, and the byte order mark.
fn is_no_text(character: char) -> bool {
    matches!(character, '\u{80}'..='\u{9f}' | '\u{feff}')
}

#[cfg(test)]
mod tests;
