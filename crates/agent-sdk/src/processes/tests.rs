//! Tests of the pure parts: forms of lines, chunks cut anywhere, bounds, any bytes.

use std::collections::VecDeque;

use agent_api::OutputChunk;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use proptest::prelude::*;

use super::{
    ProcessStreamItem,
    events::{self, Event, Parser, TooLong},
    frame,
};

/// Parses chunks; an event is shown as `NAME=DATA`.
fn parse_all<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    limit: usize,
) -> Result<Vec<String>, TooLong> {
    let mut parser = Parser::new(limit);
    let mut events = VecDeque::new();
    for chunk in chunks {
        parser.push(chunk, &mut events)?;
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let show = |event: &Event| format!("{}={}", text(&event.name), text(&event.data));
    Ok(events.iter().map(show).collect())
}

fn check(stream: &str, expected: &[&str]) {
    assert_eq!(parse_all([stream.as_bytes()], 1024).unwrap(), expected, "{stream:?}");
    for at in 0..=stream.len() {
        let (first, second) = stream.as_bytes().split_at(at);
        assert_eq!(parse_all([first, second], 1024).unwrap(), expected, "{stream:?} at {at}");
    }
    let bytes = stream.as_bytes().chunks(1);
    assert_eq!(parse_all(bytes, 1024).unwrap(), expected, "{stream:?} byte by byte");
}

#[test]
fn events_are_what_the_standard_makes_of_them() {
    check("", &[]);
    check("event: a\ndata: 1\n\n", &["a=1"]);
    check("event:a\ndata:1\n\ndata: 2\n\n", &["a=1", "=2"]);
    for end in ["\n", "\r", "\r\n"] {
        check(&"event: a|data: 1||data: 2||".replace('|', end), &["a=1", "=2"]);
    }
    check("data: 1\r\n\ndata: 2\r\r", &["=1", "=2"]);
    check("data: a\ndata\ndata:  b\n\n", &["=a\n\n b"]);
    check("data\n\n", &["="]);
    check(": comment\n\n:\nevent: a\n\n", &[]);
    check("event: a\nevent: b\nid: 7\nretry: 1\nDATA: x\nda ta: x\ndata: 1\n\n", &["b=1"]);
    check("data: unfinished\n", &[]);
    check("\u{feff}data: 1\n\n\u{feff}data: 2\n\n", &["=1"]);
    check("data: a:b: c\n\n", &["=a:b: c"]);
}

#[test]
fn what_one_event_holds_is_bounded() {
    let long = "data: 0123456789\n".repeat(4) + "\n";
    for chunks in [long.as_bytes().chunks(long.len()), long.as_bytes().chunks(1)] {
        assert_eq!(parse_all(chunks.clone(), 40), Err(TooLong));
        assert_eq!(parse_all(chunks, 60).unwrap().len(), 1);
    }
    assert_eq!(parse_all([&b"x".repeat(41)[..]], 40), Err(TooLong));
    assert_eq!(parse_all([&b":x\n".repeat(1000)[..]], 40), Ok(Vec::new()));
    assert_eq!(parse_all([&b"data: x\n\n".repeat(1000)[..]], 40).unwrap().len(), 1000);
}

fn chunk_of(item: &ProcessStreamItem, is_text: bool) -> Event {
    let ProcessStreamItem::Output { offset, bytes } = item else { unreachable!("only output") };
    let text = String::from_utf8(bytes.to_vec()).ok().filter(|_| is_text);
    let base64 = text.is_none().then(|| BASE64_STANDARD.encode(bytes));
    let chunk = OutputChunk { from: *offset, to: item.end().unwrap(), text, base64 };
    Event { name: b"output".to_vec(), data: serde_json::to_vec(&chunk).unwrap() }
}

proptest! {
    #[test]
    fn chunks_are_read_alike_wherever_they_are_cut(
        stream in "([a-z:\\r\\n ]|data: ?|event:|\\n\\n|\u{feff}){0,40}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let chunks = cuts.windows(2).map(|cut| &stream.as_bytes()[cut[0]..cut[1]]);
        prop_assert_eq!(parse_all(chunks, 1024), parse_all([stream.as_bytes()], 1024));
    }

    #[test]
    fn output_survives_an_event_and_a_frame(
        offset in 0..=1_u64 << 53,
        bytes in prop::collection::vec(any::<u8>(), 1..64),
        is_text in any::<bool>(),
    ) {
        let frame = [&offset.to_be_bytes()[..], &bytes].concat();
        let item = ProcessStreamItem::Output { offset, bytes: bytes.into() };
        prop_assert_eq!(frame::decode_frame(Bytes::from(frame)), Ok(item.clone()));
        let event = chunk_of(&item, is_text);
        prop_assert_eq!(events::item(&event), Ok(Some(item)));
    }

    #[test]
    fn no_bytes_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let frame = Bytes::from(bytes.clone());
        if let Ok(item) = frame::decode_frame(frame) {
            prop_assert!(item.end().is_some());
        }
        let _ = frame::decode_text(&bytes);
        for name in ["output", "gap", "exited", "closed", ""] {
            let _ = events::item(&Event { name: name.into(), data: bytes.clone() });
        }
    }
}
