//! The format of `authorized_keys`: a key to a line, options before it, a comment after it.
//!
//! See sshd(8), "AUTHORIZED_KEYS FILE FORMAT". Parsing only; what a line means is decided elsewhere.

use agent_ssh_protocol::key::{KeyError, PublicKey};

use super::options::{KeyOptions, OptionError};

/// Longest line in bytes; a longer one is skipped.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// One line with a key.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: PublicKey,
    pub(super) options: KeyOptions,
}

/// Why a line is skipped. Its text never quotes the line.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("longer than 64 KiB")]
    TooLong,
    #[error("no key")]
    NoKey,
    #[error("quote that is never closed")]
    OpenQuote,
    #[error(transparent)]
    Key(KeyError),
    #[error(transparent)]
    Option(#[from] OptionError),
}

/// Reads all lines but blank ones and comments, in order, each with its number from 1.
pub(super) fn entries(text: &[u8]) -> impl Iterator<Item = (usize, Result<Entry, LineError>)> {
    numbered(text).map(|(number, line)| (number, entry(line)))
}

/// Reads the lines of a file that holds public keys without options.
pub(super) fn keys(text: &[u8]) -> impl Iterator<Item = (usize, Result<PublicKey, LineError>)> {
    numbered(text).map(|(number, line)| (number, checked(line).and_then(key)))
}

fn numbered(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    (1..).zip(text.split(|&byte| byte == b'\n')).filter_map(|(number, line)| {
        let line = skip_blanks(line.strip_suffix(b"\r").unwrap_or(line));
        (!line.is_empty() && !line.starts_with(b"#")).then_some((number, line))
    })
}

fn checked(line: &[u8]) -> Result<&[u8], LineError> {
    if line.len() > MAX_LINE_BYTES {
        return Err(LineError::TooLong);
    }
    Ok(line)
}

fn entry(line: &[u8]) -> Result<Entry, LineError> {
    let line = checked(line)?;
    if let Ok(key) = key(line) {
        return Ok(Entry { key, options: KeyOptions::default() });
    }
    let (options, rest) = split_options(line).ok_or(LineError::OpenQuote)?;
    let key = key(skip_blanks(rest))?;
    Ok(Entry { key, options: KeyOptions::parse(options)? })
}

fn key(text: &[u8]) -> Result<PublicKey, LineError> {
    let (name, rest) = word(text);
    let (blob, _comment) = word(skip_blanks(rest));
    let ascii = |text| std::str::from_utf8(text).map_err(|_| LineError::NoKey);
    let (name, blob) = (ascii(name)?, ascii(blob)?);
    if blob.is_empty() {
        return Err(LineError::NoKey);
    }
    PublicKey::from_openssh_line_parts(name, blob).map_err(LineError::Key)
}

/// Splits at the first blank outside of quotes; `None` when a quote stays open.
fn split_options(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut at, mut quoted) = (0, false);
    while let Some(&byte) = line.get(at) {
        match byte {
            b' ' | b'\t' if !quoted => break,
            b'\\' if line.get(at + 1) == Some(&b'"') => at += 1,
            b'"' => quoted = !quoted,
            _ => {}
        }
        at += 1;
    }
    (!quoted).then(|| line.split_at(at))
}

fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| b" \t".contains(byte)).unwrap_or(text.len());
    text.split_at(end)
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !b" \t".contains(byte)).unwrap_or(text.len());
    &text[start..]
}

#[cfg(test)]
mod tests;
