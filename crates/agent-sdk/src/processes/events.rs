//! An event stream as items of a process's stream, incremental and within a bound; not their order.
//! Pure, so that it can be fuzzed alone.

use std::collections::VecDeque;

use agent_api::{OutputChunk, OutputGap, ProcessExited, ProcessStreamMessage};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{ProcessStreamItem, frame};

/// An item of an event; `None` for one of a newer agent.
pub(super) fn item(event: &Event) -> Result<Option<ProcessStreamItem>, String> {
    Ok(Some(match event.name.as_slice() {
        b"output" => output(parse(event)?)?,
        b"gap" => ProcessStreamItem::Gap(parse::<OutputGap>(event)?),
        b"exited" => ProcessStreamItem::Exited(parse::<ProcessExited>(event)?),
        b"closed" => match parse(event)? {
            ProcessStreamMessage::Closed { end_bytes } => ProcessStreamItem::Closed { end_bytes },
            other => return Err(format!("the event `closed` is {other:?}")),
        },
        _ => return Ok(None),
    }))
}

fn parse<T: DeserializeOwned>(event: &Event) -> Result<T, String> {
    serde_json::from_slice(&event.data).map_err(|error| error.to_string())
}

fn output(chunk: OutputChunk) -> Result<ProcessStreamItem, String> {
    let bytes = match (chunk.text, chunk.base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(text)) => BASE64_STANDARD.decode(text).map_err(|error| error.to_string())?,
        _ => return Err("output is either `text` or `base64`".to_owned()),
    };
    let item = frame::output(chunk.from, Bytes::from(bytes))?;
    let is_sound = item.end() == Some(chunk.to) && chunk.to > chunk.from;
    is_sound.then_some(item).ok_or_else(|| {
        format!("output from {} to {} has another number of bytes", chunk.from, chunk.to)
    })
}

/// One event: its type and its data, lines joined by a line feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) name: Vec<u8>,
    pub(super) data: Vec<u8>,
}

/// The event does not fit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Cuts an event stream into events, wherever its chunks are cut (HTML Living Standard, section
/// 9.2.6).
///
/// Fields other than `event` and `data` mean nothing here: the data itself says where it belongs.
#[derive(Debug)]
pub(super) struct Parser {
    /// Bytes of one event, with names and the line that is read, beyond which it is refused.
    limit: usize,
    line: Vec<u8>,
    event: Event,
    /// Whether a field `data` came, empty or not.
    has_data: bool,
    /// Whether the last byte was a carriage return, which a line feed completes.
    after_return: bool,
    is_first_line: bool,
}

impl Parser {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            event: Event::default(),
            has_data: false,
            after_return: false,
            is_first_line: true,
        }
    }

    /// Takes a chunk and appends the events that it completes.
    pub(super) fn push(
        &mut self,
        mut chunk: &[u8],
        events: &mut VecDeque<Event>,
    ) -> Result<(), TooLong> {
        while let Some(&first) = chunk.first() {
            if std::mem::take(&mut self.after_return) && first == b'\n' {
                chunk = &chunk[1..];
                continue;
            }
            let end = chunk.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let part = &chunk[..end.unwrap_or(chunk.len())];
            if self.held() + part.len() > self.limit {
                return Err(TooLong);
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else { return Ok(()) };
            self.after_return = chunk[end] == b'\r';
            chunk = &chunk[end + 1..];
            let line = std::mem::take(&mut self.line);
            self.end_of_line(&line, events);
            // The buffer is as large as the longest line before; no need to grow it anew.
            self.line = line;
            self.line.clear();
        }
        Ok(())
    }

    fn held(&self) -> usize {
        self.line.len() + self.event.name.len() + self.event.data.len()
    }

    fn end_of_line(&mut self, line: &[u8], events: &mut VecDeque<Event>) {
        let line = match line.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) if self.is_first_line => rest,
            _ => line,
        };
        self.is_first_line = false;
        if line.is_empty() {
            let mut event = std::mem::take(&mut self.event);
            if std::mem::take(&mut self.has_data) {
                // Each line of data added a line feed, and the last one counts for nothing.
                event.data.pop();
                events.push_back(event);
            }
            return;
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = match colon {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"event" => self.event.name = value.to_vec(),
            b"data" => {
                self.has_data = true;
                self.event.data.extend_from_slice(value);
                self.event.data.push(b'\n');
            }
            _ => {}
        }
    }
}
