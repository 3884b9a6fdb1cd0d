//! The lines of a file of configuration, one after the other.

use super::Entry;

/// Reads the entries of a file; an `Err` has the number of a line that git would refuse, and is
/// the last item.
pub(super) struct Lines<'a> {
    rest: &'a [u8],
    line: usize,
    /// `section.` or `section.subsection.`
    section: Vec<u8>,
    failed: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(contents: &'a [u8]) -> Self {
        let rest = contents.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(contents);
        Self { rest, line: 1, section: Vec::new(), failed: false }
    }

    /// Takes one byte; CR LF is LF.
    fn next_byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        if byte == b'\r' && rest.first() == Some(&b'\n') {
            return self.next_byte();
        }
        self.line += usize::from(byte == b'\n');
        Some(byte)
    }

    fn skip_line(&mut self) {
        while !matches!(self.next_byte(), None | Some(b'\n')) {}
    }

    /// Reads a section after its `[`.
    fn section(&mut self) -> Option<()> {
        self.section.clear();
        loop {
            match self.next_byte()? {
                b']' => break,
                byte if is_name(byte) || byte == b'.' => {
                    self.section.push(byte.to_ascii_lowercase());
                }
                b' ' | b'\t' => return self.subsection(),
                _ => return None,
            }
        }
        self.section.push(b'.');
        Some(())
    }

    fn subsection(&mut self) -> Option<()> {
        self.section.push(b'.');
        loop {
            match self.next_byte()? {
                b' ' | b'\t' => {}
                b'"' => break,
                _ => return None,
            }
        }
        loop {
            match self.next_byte()? {
                b'\n' => return None,
                b'"' => break,
                b'\\' => match self.next_byte()? {
                    b'\n' => return None,
                    byte => self.section.push(byte),
                },
                byte => self.section.push(byte),
            }
        }
        self.section.push(b'.');
        (self.next_byte()? == b']').then_some(())
    }

    /// Reads a name and its value.
    fn entry(&mut self, first: u8) -> Option<Entry> {
        let mut name = self.section.clone();
        name.push(first.to_ascii_lowercase());
        let mut byte = self.next_byte();
        while let Some(more) = byte.filter(|byte| is_name(*byte)) {
            name.push(more.to_ascii_lowercase());
            byte = self.next_byte();
        }
        while matches!(byte, Some(b' ' | b'\t')) {
            byte = self.next_byte();
        }
        let value = match byte {
            None | Some(b'\n') => None,
            Some(b'=') => Some(self.value()?),
            _ => return None,
        };
        Some(Entry { name, value })
    }

    fn value(&mut self) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        let (mut quoted, mut kept) = (false, 0);
        loop {
            let byte = match self.next_byte() {
                None | Some(b'\n') if quoted => return None,
                None | Some(b'\n') => break,
                Some(byte) => byte,
            };
            match byte {
                b' ' | b'\t' | 0x0b | 0x0c | b'\r' if !quoted => {
                    if !value.is_empty() {
                        value.push(byte);
                    }
                    continue;
                }
                b'#' | b';' if !quoted => {
                    self.skip_line();
                    break;
                }
                b'"' => quoted = !quoted,
                b'\\' => match self.next_byte()? {
                    b'\n' => continue,
                    b't' => value.push(b'\t'),
                    b'b' => value.push(8),
                    b'n' => value.push(b'\n'),
                    byte @ (b'\\' | b'"') => value.push(byte),
                    _ => return None,
                },
                _ => value.push(byte),
            }
            kept = value.len();
        }
        value.truncate(kept);
        Some(value)
    }
}

impl Iterator for Lines<'_> {
    type Item = Result<Entry, usize>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            let line = self.line;
            let read = match self.next_byte()? {
                b'#' | b';' => {
                    self.skip_line();
                    continue;
                }
                byte if byte.is_ascii_whitespace() || byte == 0x0b => continue,
                b'[' => self.section().map(|()| None),
                byte if byte.is_ascii_alphabetic() && !self.section.is_empty() => {
                    self.entry(byte).map(Some)
                }
                _ => None,
            };
            match read {
                Some(Some(entry)) => return Some(Ok(entry)),
                Some(None) => {}
                None => {
                    self.failed = true;
                    return Some(Err(line));
                }
            }
        }
        None
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}
