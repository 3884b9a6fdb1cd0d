//! Output as an event stream: text where it is UTF-8, whole characters, and an id to go on at.

use std::collections::VecDeque;

use agent_api::{MAX_CHUNK_BYTES, OutputChunk, ProcessStreamMessage};
use agent_http::Event;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use serde::Serialize;

use crate::{OutputItem, OutputStream};

/// The events of a stream.
pub(super) fn events(output: OutputStream) -> impl Stream<Item = Event> + Send + 'static {
    let chunker = Chunker { offset: output.offset(), ..Chunker::default() };
    let state = (output, chunker, VecDeque::new());
    futures_util::stream::unfold(state, |(mut output, mut chunker, mut ready)| async move {
        loop {
            if let Some(event) = ready.pop_front() {
                return Some((event, (output, chunker, ready)));
            }
            if chunker.is_over {
                return None;
            }
            ready.extend(chunker.push(output.next().await));
        }
    })
}

/// Cuts a stream into events.
#[derive(Debug, Default)]
struct Chunker {
    /// The first bytes of a character whose rest has not come, at most three.
    kept: Bytes,
    /// Offset behind everything so far, also behind what is kept.
    offset: u64,
    is_over: bool,
}

impl Chunker {
    /// Takes the next item; answers the events that it makes ready, in order.
    fn push(&mut self, item: OutputItem) -> Vec<Event> {
        if let OutputItem::Bytes { offset, bytes } = item {
            return self.output(offset, bytes);
        }
        // Nothing that is here can be behind what comes now.
        let kept = self.flush();
        let event = match item {
            OutputItem::Gap(gap) => {
                self.offset = gap.to;
                Some(event("gap", gap.to, &ProcessStreamMessage::Gap(gap)))
            }
            OutputItem::Exited(exited) => {
                Some(event("exited", self.offset, &ProcessStreamMessage::Exited(exited)))
            }
            OutputItem::Closed { end_bytes } => {
                self.is_over = true;
                Some(event("closed", end_bytes, &ProcessStreamMessage::Closed { end_bytes }))
            }
            _ => {
                self.is_over = true;
                None
            }
        };
        kept.into_iter().chain(event).collect()
    }

    fn output(&mut self, offset: u64, bytes: Bytes) -> Vec<Event> {
        let mut from = offset - self.kept.len() as u64;
        self.offset = offset + bytes.len() as u64;
        let mut bytes = if self.kept.is_empty() {
            bytes
        } else {
            let mut joined = BytesMut::from(&self.kept[..]);
            joined.extend_from_slice(&bytes);
            joined.freeze()
        };
        self.kept = bytes.split_off(bytes.len() - incomplete(&bytes));
        let mut events = Vec::new();
        // With what was kept it can be longer than an event may be.
        while bytes.len() > MAX_CHUNK_BYTES {
            let first = bytes.split_to(MAX_CHUNK_BYTES - incomplete(&bytes[..MAX_CHUNK_BYTES]));
            events.extend(chunk(from, &first));
            from += first.len() as u64;
        }
        events.extend(chunk(from, &bytes));
        events
    }

    /// Gives up on the rest of a character.
    fn flush(&mut self) -> Option<Event> {
        let kept = std::mem::take(&mut self.kept);
        chunk(self.offset - kept.len() as u64, &kept)
    }
}

fn chunk(from: u64, bytes: &[u8]) -> Option<Event> {
    if bytes.is_empty() {
        return None;
    }
    let to = from + bytes.len() as u64;
    let (text, base64) = match str::from_utf8(bytes) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(STANDARD.encode(bytes))),
    };
    Some(event("output", to, &OutputChunk { from, to, text, base64 }))
}

fn event(name: &'static str, id: u64, data: &impl Serialize) -> Event {
    let data = serde_json::to_string(data).expect("a message is plain data");
    Event { event: name, id: Some(id), data }
}

/// Bytes at the end that begin a character and may go on.
fn incomplete(bytes: &[u8]) -> usize {
    let begins = |length: &usize| {
        let tail = &bytes[bytes.len() - length..];
        let rest = str::from_utf8(tail).err().filter(|error| error.valid_up_to() == 0);
        rest.is_some_and(|error| error.error_len().is_none())
    };
    (1..=bytes.len().min(3)).rev().find(begins).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use agent_api::{GapReason, OutputGap, ProcessExited, Timestamp};
    use proptest::prelude::*;

    use super::*;

    fn bytes(offset: u64, bytes: &[u8]) -> OutputItem {
        OutputItem::Bytes { offset, bytes: Bytes::copy_from_slice(bytes) }
    }

    #[track_caller]
    fn check(items: Vec<OutputItem>, expected: &[(&str, u64, &str)]) {
        let mut chunker = Chunker::default();
        let events: Vec<_> = items.into_iter().flat_map(|item| chunker.push(item)).collect();
        let shown: Vec<_> =
            events.iter().map(|e| (e.event, e.id.unwrap(), e.data.as_str())).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn output_is_text_or_base64_with_the_offset_to_go_on_at() {
        check(
            vec![bytes(0, b"hi\n"), bytes(3, b"\xff"), bytes(4, "ä".as_bytes())],
            &[
                ("output", 3, r#"{"from":0,"to":3,"text":"hi\n"}"#),
                ("output", 4, r#"{"from":3,"to":4,"base64":"/w=="}"#),
                ("output", 6, r#"{"from":4,"to":6,"text":"ä"}"#),
            ],
        );
    }

    #[test]
    fn an_incomplete_character_waits_for_its_rest_or_the_end() {
        let euro = "€".as_bytes();
        check(
            vec![bytes(5, &euro[..1]), bytes(6, &euro[1..2]), bytes(7, &euro[2..])],
            &[("output", 8, r#"{"from":5,"to":8,"text":"€"}"#)],
        );
        check(
            vec![bytes(0, &euro[..2]), OutputItem::Closed { end_bytes: 2 }],
            &[
                ("output", 2, r#"{"from":0,"to":2,"base64":"4oI="}"#),
                ("closed", 2, r#"{"type":"closed","end_bytes":2}"#),
            ],
        );
    }

    #[test]
    fn an_event_holds_no_more_than_a_frame_and_whole_characters() {
        let text = "€".repeat(2 * MAX_CHUNK_BYTES / 3 + 1);
        let mut chunker = Chunker::default();
        let frames = text.as_bytes().chunks(MAX_CHUNK_BYTES);
        let mut joined = String::new();
        let mut from = 0;
        for frame in frames {
            for event in chunker.push(bytes(from, frame)) {
                let chunk: OutputChunk = serde_json::from_str(&event.data).unwrap();
                assert_eq!(chunk.from, joined.len() as u64);
                assert!(chunk.to - chunk.from <= MAX_CHUNK_BYTES as u64);
                joined += &chunk.text.unwrap();
            }
            from += frame.len() as u64;
        }
        assert_eq!(joined, text);
    }

    #[test]
    fn what_is_not_output_comes_behind_all_output_before_it() {
        let gap = OutputGap { from: 2, to: 9, reason: GapReason::Quota };
        let exited = ProcessExited {
            exit_code: 0,
            exited_at: Timestamp::from_unix_ms(0),
            signal: None,
            timed_out: false,
            oom_killed: false,
        };
        let exit = r#"{"type":"exited","exit_code":0,"exited_at":"1970-01-01T00:00:00.000Z"}"#;
        check(
            vec![bytes(0, b"a\xc3"), OutputItem::Gap(gap), OutputItem::Exited(exited)],
            &[
                ("output", 1, r#"{"from":0,"to":1,"text":"a"}"#),
                ("output", 2, r#"{"from":1,"to":2,"base64":"ww=="}"#),
                ("gap", 9, r#"{"type":"gap","from":2,"to":9,"reason":"quota"}"#),
                ("exited", 9, exit),
            ],
        );
    }

    proptest! {
        #[test]
        fn the_bytes_of_all_chunks_are_the_stream(
            stream in proptest::collection::vec(
                prop_oneof![Just(b'a'), Just(0xe2), Just(0x82), Just(0xac), any::<u8>()],
                0..200,
            ),
            sizes in proptest::collection::vec(1..9_usize, 200),
        ) {
            let (mut chunker, mut rest, mut offset) = (Chunker::default(), &stream[..], 0);
            let mut events = Vec::new();
            for size in sizes {
                let (piece, left) = rest.split_at(size.min(rest.len()));
                if piece.is_empty() {
                    break;
                }
                events.extend(chunker.push(bytes(offset, piece)));
                (rest, offset) = (left, offset + piece.len() as u64);
            }
            events.extend(chunker.push(OutputItem::Closed { end_bytes: offset }));
            let closed = events.pop().unwrap();
            prop_assert_eq!((closed.event, closed.id), ("closed", Some(offset)));
            let mut joined = Vec::new();
            for event in events {
                let chunk: OutputChunk = serde_json::from_str(&event.data).unwrap();
                prop_assert_eq!((chunk.from, event.id), (joined.len() as u64, Some(chunk.to)));
                match (chunk.text, chunk.base64) {
                    (Some(text), None) => joined.extend_from_slice(text.as_bytes()),
                    (None, Some(base64)) => joined.extend(STANDARD.decode(base64).unwrap()),
                    both => prop_assert!(false, "{both:?}"),
                }
                prop_assert_eq!(chunk.to, joined.len() as u64);
            }
            prop_assert_eq!(joined, &stream[..stream.len() - rest.len()]);
        }

        #[test]
        fn a_text_is_never_base64_however_it_is_cut(
            text in "[aé€𐍈]{1,50}",
            sizes in proptest::collection::vec(1..5_usize, 250),
        ) {
            let (mut chunker, mut rest, mut offset) = (Chunker::default(), text.as_bytes(), 0);
            for size in sizes {
                let (piece, left) = rest.split_at(size.min(rest.len()));
                if piece.is_empty() {
                    break;
                }
                for event in chunker.push(bytes(offset, piece)) {
                    let chunk: OutputChunk = serde_json::from_str(&event.data).unwrap();
                    prop_assert!(chunk.text.is_some(), "{chunk:?}");
                }
                (rest, offset) = (left, offset + piece.len() as u64);
            }
            prop_assert!(!rest.is_empty() || chunker.kept.is_empty());
        }
    }
}
