//! Lines of bytes and their parts: ending, lead, body, trail; not the search for them.

use memchr::{memchr, memchr_iter};

/// How a line ends; a line without ending has none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Lf,
    CrLf,
}

impl Ending {
    pub(super) fn bytes(self) -> &'static [u8] {
        match self {
            Self::Lf => b"\n",
            Self::CrLf => b"\r\n",
        }
    }
}

/// What a lead consists of, with its length in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Indent {
    Empty,
    Tabs(usize),
    Spaces(usize),
    Mixed(usize),
}

impl Indent {
    fn of(text: &[u8]) -> Self {
        let length = text.iter().take_while(|byte| is_blank_byte(**byte)).count();
        let lead = &text[..length];
        match lead.first() {
            None => Self::Empty,
            Some(first) if lead.iter().any(|byte| byte != first) => Self::Mixed(length),
            Some(b'\t') => Self::Tabs(length),
            Some(_) => Self::Spaces(length),
        }
    }

    fn len(self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Tabs(length) | Self::Spaces(length) | Self::Mixed(length) => length,
        }
    }
}

/// One line: its bytes without the ending, and the ending.
///
/// The lead is measured once, because one line may guide very many others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) text: &'a [u8],
    pub(super) indent: Indent,
    pub(super) ending: Option<Ending>,
}

impl<'a> Line<'a> {
    /// Takes a piece that holds at most one LF, at its end.
    fn from_piece(piece: &'a [u8]) -> Self {
        let (text, ending) = match piece {
            [text @ .., b'\r', b'\n'] => (text, Some(Ending::CrLf)),
            [text @ .., b'\n'] => (text, Some(Ending::Lf)),
            text => (text, None),
        };
        Self { text, indent: Indent::of(text), ending }
    }

    /// Leading spaces and tabs; the whole text of a blank line.
    pub(super) fn lead(&self) -> &'a [u8] {
        &self.text[..self.indent.len()]
    }

    /// What follows the lead.
    fn rest(&self) -> &'a [u8] {
        &self.text[self.indent.len()..]
    }

    /// The middle, without spaces and tabs at either end.
    pub(super) fn body(&self) -> &'a [u8] {
        trim_blanks_end(self.rest())
    }

    /// Trailing spaces and tabs; none in a blank line.
    pub(super) fn trail(&self) -> &'a [u8] {
        &self.rest()[self.body().len()..]
    }

    pub(super) fn is_blank(&self) -> bool {
        self.rest().is_empty()
    }

    /// The text without white space at either end.
    pub(super) fn trimmed(&self) -> &'a [u8] {
        trim(self.text)
    }
}

/// The lines of a text, in order.
#[derive(Clone, Debug)]
pub(super) struct Lines<'a> {
    rest: Option<&'a [u8]>,
    keeps_empty_last: bool,
}

/// The lines of `old_text` or `new_text`: nothing follows a final LF, an empty text has no line.
pub(super) fn lines(text: &str) -> Lines<'_> {
    let text = text.as_bytes();
    Lines { rest: (!text.is_empty()).then_some(text), keeps_empty_last: false }
}

/// The lines of a file: the last one has no ending and may be empty.
pub(super) fn file_lines(content: &[u8]) -> Lines<'_> {
    Lines { rest: Some(content), keeps_empty_last: true }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let rest = self.rest?;
        let end = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (piece, tail) = rest.split_at(end);
        let more = piece.ends_with(b"\n") && (self.keeps_empty_last || !tail.is_empty());
        self.rest = more.then_some(tail);
        Some(Line::from_piece(piece))
    }
}

/// The ending shared by all lines of a text of two or more, an unterminated last one aside.
pub(super) fn internal_ending(text: &str) -> Option<Ending> {
    let mut shared = None;
    let mut count = 0;
    for line in lines(text) {
        count += 1;
        match (shared, line.ending) {
            (None, ending) => shared = ending,
            (Some(_), None) => {}
            (Some(one), Some(other)) if one == other => {}
            (Some(_), Some(_)) => return None,
        }
    }
    if count < 2 { None } else { shared }
}

/// CRLF when strictly more lines of the file end in it than in LF, else LF.
pub(super) fn dominant_ending(content: &[u8]) -> Ending {
    let (mut lf, mut crlf) = (0_usize, 0_usize);
    for at in memchr_iter(b'\n', content) {
        let counter = if content[..at].ends_with(b"\r") { &mut crlf } else { &mut lf };
        *counter += 1;
    }
    if crlf > lf { Ending::CrLf } else { Ending::Lf }
}

/// Whether a text has nothing but Unicode `White_Space`; an empty one has nothing at all.
pub(super) fn is_white_space(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

fn is_blank_byte(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Without trailing spaces and tabs.
pub(super) fn trim_blanks_end(text: &[u8]) -> &[u8] {
    let trail = text.iter().rev().take_while(|byte| is_blank_byte(**byte)).count();
    &text[..text.len() - trail]
}

/// Without Unicode `White_Space` at either end; invalid UTF-8 is never white space.
pub(super) fn trim(mut text: &[u8]) -> &[u8] {
    while let Some(space) = (1..=LONGEST_SPACE).find(|n| text.get(..*n).is_some_and(is_space)) {
        text = &text[space..];
    }
    while let Some(space) = (1..=LONGEST_SPACE).find(|n| ends_in_space(text, *n)) {
        text = &text[..text.len() - space];
    }
    text
}

/// Longest UTF-8 form of a `White_Space` character, in bytes (U+2000 to U+200A, U+3000 and others).
const LONGEST_SPACE: usize = 3;

/// A white space character begins at its first byte only, so looking backwards cannot misread one.
fn ends_in_space(text: &[u8], length: usize) -> bool {
    text.len().checked_sub(length).is_some_and(|start| is_space(&text[start..]))
}

/// Whether the bytes are exactly one white space character.
fn is_space(bytes: &[u8]) -> bool {
    match bytes {
        [byte] => char::from(*byte).is_whitespace() && byte.is_ascii(),
        [first, ..] if first.is_ascii() => false,
        _ => str::from_utf8(bytes).is_ok_and(|text| {
            let mut chars = text.chars();
            chars.next().is_some_and(char::is_whitespace) && chars.next().is_none()
        }),
    }
}
