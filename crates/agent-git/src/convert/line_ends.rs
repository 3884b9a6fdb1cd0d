//! Line ends: the attributes `text`, `crlf` and `eol`, and `core.autocrlf`.

use memchr::memchr;

use super::{Attribute, Attributes, AutoCrlf};

/// What is done to line ends before contents are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum LineEnds {
    /// Nothing.
    #[default]
    Keep,
    /// Each CR LF becomes LF.
    Text,
    /// The same, if it looks like text and was not stored with CR LF.
    Auto,
}

impl LineEnds {
    /// Decides from attributes; what they leave open, `core.autocrlf` decides.
    pub(super) fn new(attributes: &Attributes, auto_crlf: AutoCrlf) -> Self {
        let said = said_by(&attributes.text).or_else(|| said_by(&attributes.crlf));
        let has_eol = matches!(&attributes.eol,
            Attribute::Value(value) if value == b"lf" || value == b"crlf");
        match said {
            Some(said) => said,
            None if has_eol => Self::Text,
            None if auto_crlf == AutoCrlf::False => Self::Keep,
            None => Self::Auto,
        }
    }

    /// Converts contents; `indexed` is what the index has of the path.
    pub(super) fn to_git(
        self,
        contents: Vec<u8>,
        indexed: impl FnOnce() -> Option<Vec<u8>>,
    ) -> Vec<u8> {
        if self == Self::Keep || memchr(b'\r', &contents).is_none() {
            return contents;
        }
        if self == Self::Auto {
            let counts = Counts::of(&contents);
            if counts.crlf == 0 || counts.is_binary() || indexed().is_some_and(|it| has_crlf(&it)) {
                return contents;
            }
        }
        without_cr(contents)
    }
}

/// What `text`, or `crlf` in its place, says; `None` leaves the question open.
fn said_by(attribute: &Attribute) -> Option<LineEnds> {
    match attribute {
        Attribute::Set => Some(LineEnds::Text),
        Attribute::Unset => Some(LineEnds::Keep),
        Attribute::Value(value) if value == b"input" => Some(LineEnds::Text),
        Attribute::Value(value) if value == b"auto" => Some(LineEnds::Auto),
        Attribute::Value(_) | Attribute::Unspecified => None,
    }
}

/// Whether git would say of stored contents that they are text with CR LF.
fn has_crlf(stored: &[u8]) -> bool {
    if memchr(b'\r', stored).is_none() {
        return false;
    }
    let counts = Counts::of(stored);
    counts.crlf > 0 && !counts.is_binary()
}

fn without_cr(mut contents: Vec<u8>) -> Vec<u8> {
    let mut to = 0;
    for from in 0..contents.len() {
        if contents[from] == b'\r' && contents.get(from + 1) == Some(&b'\n') {
            continue;
        }
        contents[to] = contents[from];
        to += 1;
    }
    contents.truncate(to);
    contents
}

/// What contents are made of.
#[derive(Default)]
struct Counts {
    crlf: usize,
    lone_cr: usize,
    nul: usize,
    printable: usize,
    other: usize,
}

impl Counts {
    fn of(contents: &[u8]) -> Self {
        let mut counts = Self::default();
        let mut previous = 0;
        for (index, &byte) in contents.iter().enumerate() {
            match byte {
                b'\r' if contents.get(index + 1) == Some(&b'\n') => counts.crlf += 1,
                b'\r' => counts.lone_cr += 1,
                b'\n' => {}
                0 => {
                    counts.nul += 1;
                    counts.other += 1;
                }
                // Backspace, tab, form feed and escape are found in texts.
                8 | 9 | 12 | 27 | 32..=126 | 128.. => counts.printable += 1,
                _ => counts.other += 1,
            }
            previous = byte;
        }
        // The end-of-file character of DOS does not count.
        if previous == 26 {
            counts.other -= 1;
        }
        counts
    }

    /// Whether git takes contents for binary where it guesses: any NUL or lone CR, or more than
    /// one unprintable character per 128 printable ones.
    fn is_binary(&self) -> bool {
        self.lone_cr > 0 || self.nul > 0 || self.printable / 128 < self.other
    }
}
