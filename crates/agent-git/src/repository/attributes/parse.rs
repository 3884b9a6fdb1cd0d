//! The lines of one file of attributes.

use crate::convert::Attribute;
use crate::repository::wildmatch::{self, Case};

/// Git ignores longer lines.
const MAX_LINE: usize = 2048;

/// Whether a file may define macros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Macros {
    Allowed,
    Ignored,
}

/// One file, its lines in order.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) rules: Vec<Rule>,
    pub(super) macros: Vec<Rule>,
}

/// One line.
#[derive(Debug)]
pub(super) struct Rule {
    /// Without a slash at its beginning; the name of a macro.
    pub(super) pattern: Vec<u8>,
    /// Whether the pattern is about the last component alone.
    is_name: bool,
    pub(super) states: Vec<(Vec<u8>, Attribute)>,
}

impl File {
    /// Reads a file; lines that are no rule are passed over.
    pub(super) fn parse(contents: &[u8], macros: Macros) -> Self {
        let contents = contents.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(contents);
        let mut file = Self::default();
        for line in contents.split(|byte| *byte == b'\n').filter(|line| line.len() < MAX_LINE) {
            let line = line.trim_ascii_start();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let (pattern, rest) = first_word(line);
            let states = rest.split(is_blank).filter(|word| !word.is_empty()).map(state).collect();
            let Some(states) = states else { continue };
            match pattern.strip_prefix(b"[attr]") {
                Some(name) if macros == Macros::Allowed && is_attribute(name) => {
                    let pattern = name.to_vec();
                    file.macros.push(Rule { pattern, is_name: false, states });
                }
                Some(_) => {}
                None => file.rules.extend(Rule::new(&pattern, states)),
            }
        }
        file
    }
}

impl Rule {
    fn new(pattern: &[u8], states: Vec<(Vec<u8>, Attribute)>) -> Option<Self> {
        // Git forbids negation, and no file's path ends with a slash.
        if pattern.starts_with(b"!") || pattern.ends_with(b"/") {
            return None;
        }
        let is_name = !pattern.contains(&b'/');
        let pattern = pattern.strip_prefix(b"/").unwrap_or(pattern).to_vec();
        Some(Self { pattern, is_name, states })
    }

    /// Whether the rule, in a directory whose path has `len` bytes, is about a path below it.
    pub(super) fn matches(&self, path: &[u8], len: usize) -> bool {
        let below = &path[len..];
        let name = memchr::memrchr(b'/', below).map_or(below, |at| &below[at + 1..]);
        let text = if self.is_name { name } else { below };
        wildmatch::matches(&self.pattern, text, Case::Sensitive)
    }
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

/// The first word, which may be quoted as in C, and what follows it.
fn first_word(line: &[u8]) -> (Vec<u8>, &[u8]) {
    if let Some(quoted) = line.strip_prefix(b"\"").and_then(unquote) {
        return quoted;
    }
    let end = line.iter().position(is_blank).unwrap_or(line.len());
    (line[..end].to_vec(), &line[end..])
}

/// Reads on after a quote, to the closing one.
fn unquote(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'"' => return Some((word, rest)),
            b'\\' => {
                let (&escaped, after) = rest.split_first()?;
                rest = after;
                word.push(match escaped {
                    b'a' => 7,
                    b'b' => 8,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'v' => 11,
                    b'\\' | b'"' => escaped,
                    b'0'..=b'3' => {
                        let (digits, after) = rest.split_at_checked(2)?;
                        rest = after;
                        digits.iter().try_fold(escaped - b'0', |value, digit| {
                            matches!(digit, b'0'..=b'7').then(|| value << 3 | (digit - b'0'))
                        })?
                    }
                    _ => return None,
                });
            }
            _ => word.push(byte),
        }
    }
}

/// Reads `name`, `-name`, `!name` or `name=value`; `None` for an invalid name, which makes git
/// pass over the whole line.
fn state(word: &[u8]) -> Option<(Vec<u8>, Attribute)> {
    let (name, state) = match word {
        [b'-', name @ ..] => (name, Attribute::Unset),
        [b'!', name @ ..] => (name, Attribute::Unspecified),
        _ => match memchr::memchr(b'=', word) {
            Some(at) => (&word[..at], Attribute::Value(word[at + 1..].to_vec())),
            None => (word, Attribute::Set),
        },
    };
    let name = match state {
        Attribute::Unset | Attribute::Unspecified => name.split(|byte| *byte == b'=').next()?,
        _ => name,
    };
    is_attribute(name).then(|| (name.to_vec(), state))
}

fn is_attribute(name: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    !name.is_empty() && !name.starts_with(b"-") && name.iter().all(is_allowed)
}
