//! Items of a process's stream as lines of JSON, in the words of the protocol; not where they go.

use agent_sdk::{
    ProcessStreamItem,
    api::{OutputChunk, OutputStreamName},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde::Serialize;

use crate::Error;

/// One line.
#[derive(Serialize)]
struct Line<'a, T> {
    #[serde(rename = "type")]
    kind: &'static str,
    stream: OutputStreamName,
    #[serde(flatten)]
    body: &'a T,
}

/// Body of the line that ends a stream.
#[derive(Serialize)]
struct Closed {
    end_bytes: u64,
}

/// Writes the items of one stream as lines. The first bytes of a character wait for the others.
#[derive(Debug)]
pub(super) struct Lines {
    stream: OutputStreamName,
    /// Offset of what is held.
    offset: u64,
    held: Vec<u8>,
}

impl Lines {
    pub(super) fn new(stream: OutputStreamName) -> Self {
        Self { stream, offset: 0, held: Vec::new() }
    }

    /// The lines of an item, each with its line ending; none when all of it is held.
    pub(super) fn write(&mut self, item: &ProcessStreamItem) -> Result<String, Error> {
        let ProcessStreamItem::Output { offset, bytes } = item else {
            let held = self.take_held()?;
            return Ok(held + &self.event(item)?);
        };
        if self.held.is_empty() {
            self.offset = *offset;
        }
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        self.held = all.split_off(whole(&all));
        let line = self.chunk(&all)?;
        self.offset += all.len() as u64;
        Ok(line)
    }

    /// The line of what is held, for a stream that ends without a close.
    pub(super) fn take_held(&mut self) -> Result<String, Error> {
        let held = std::mem::take(&mut self.held);
        self.chunk(&held)
    }

    fn chunk(&self, bytes: &[u8]) -> Result<String, Error> {
        if bytes.is_empty() {
            return Ok(String::new());
        }
        let text = std::str::from_utf8(bytes).ok().map(str::to_owned);
        let base64 = text.is_none().then(|| BASE64_STANDARD.encode(bytes));
        let to = self.offset + bytes.len() as u64;
        self.line("output", &OutputChunk { from: self.offset, to, text, base64 })
    }

    fn event(&self, item: &ProcessStreamItem) -> Result<String, Error> {
        match item {
            ProcessStreamItem::Gap(gap) => self.line("gap", gap),
            ProcessStreamItem::Exited(exited) => self.line("exited", exited),
            ProcessStreamItem::Closed { end_bytes } => {
                self.line("closed", &Closed { end_bytes: *end_bytes })
            }
            // An item of a newer library; this program does not know its name.
            _ => Ok(String::new()),
        }
    }

    fn line<T: Serialize>(&self, kind: &'static str, body: &T) -> Result<String, Error> {
        let json = serde_json::to_string(&Line { kind, stream: self.stream, body });
        Ok(json.map_err(|e| Error::Stdout(std::io::Error::other(e)))? + "\n")
    }
}

/// How many of the bytes end with a whole character, or all when they are not UTF-8 anyway.
fn whole(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    }
}

/// The bytes of an output item.
pub(super) fn output(item: &ProcessStreamItem) -> Option<&Bytes> {
    match item {
        ProcessStreamItem::Output { bytes, .. } => Some(bytes),
        _ => None,
    }
}

/// A stream in a sentence.
pub(super) fn label(stream: OutputStreamName) -> &'static str {
    if stream == OutputStreamName::Stderr { "stderr" } else { "output" }
}

/// Of a gap, how many bytes will not come, and a sentence that says so.
pub(super) fn gap(item: &ProcessStreamItem, stream: OutputStreamName) -> Option<(u64, String)> {
    use agent_sdk::api::GapReason;
    let ProcessStreamItem::Gap(gap) = item else { return None };
    let why = match gap.reason {
        GapReason::Quota => "were forgotten to keep a quota",
        GapReason::Disk => "could not be stored",
        _ => "cannot be read any more",
    };
    let of = label(stream);
    let sentence = format!("{of}: the bytes from {} to {} {why}", gap.from, gap.to);
    Some((gap.to.saturating_sub(gap.from), sentence))
}

#[cfg(test)]
mod tests {
    use agent_sdk::api::{GapReason, OutputGap};

    use super::*;

    fn output_at(offset: u64, bytes: &'static [u8]) -> ProcessStreamItem {
        ProcessStreamItem::Output { offset, bytes: Bytes::from_static(bytes) }
    }

    fn check(items: &[ProcessStreamItem], expected: &[&str]) {
        let mut lines = Lines::new(OutputStreamName::Output);
        let written: String = items.iter().map(|item| lines.write(item).unwrap()).collect();
        let begin = |line: &str| {
            format!("{{\"type\":\"{line}\n").replacen(',', ",\"stream\":\"output\",", 1)
        };
        let expected: String = expected.iter().map(|line| begin(line)).collect();
        assert_eq!(written, expected);
    }

    #[test]
    fn each_item_is_a_line() {
        let gap = OutputGap { from: 3, to: 5, reason: GapReason::Disk };
        check(
            &[
                output_at(0, b"hi\n"),
                ProcessStreamItem::Gap(gap),
                output_at(5, b"\xff"),
                ProcessStreamItem::Closed { end_bytes: 6 },
            ],
            &[
                r#"output","from":0,"to":3,"text":"hi\n"}"#,
                r#"gap","from":3,"to":5,"reason":"disk"}"#,
                r#"output","from":5,"to":6,"base64":"/w=="}"#,
                r#"closed","end_bytes":6}"#,
            ],
        );
    }

    #[test]
    fn a_character_waits_for_its_rest_or_the_end() {
        let close = ProcessStreamItem::Closed { end_bytes: 5 };
        check(
            &[output_at(0, b"a\xc3"), output_at(2, b"\xa4b"), output_at(4, b"\xc3"), close],
            &[
                r#"output","from":0,"to":1,"text":"a"}"#,
                r#"output","from":1,"to":4,"text":"äb"}"#,
                r#"output","from":4,"to":5,"base64":"ww=="}"#,
                r#"closed","end_bytes":5}"#,
            ],
        );
    }
}
