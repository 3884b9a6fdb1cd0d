//! Frames and events of any bytes: none panics, what is read joins or is refused, and an event
//! stream is read alike wherever it is cut.
#![no_main]
#![expect(dead_code, reason = "the modules are those of another crate")]

use std::collections::VecDeque;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

// The modules are private to their crate and need nothing else of it.
#[path = "../../src/processes/events.rs"]
mod events;
#[path = "../../src/processes/frame.rs"]
mod frame;
#[path = "../../src/processes/item.rs"]
mod item;

pub use item::ProcessStreamItem;

/// Far less than an agent's largest message, so that inputs of the fuzzer reach it.
const LIMIT: usize = 256;

fuzz_target!(|input: (u64, usize, Vec<u8>)| {
    let (from, at, bytes) = input;
    let whole = parse([&bytes[..]]);
    let (first, second) = bytes.split_at(at % (bytes.len() + 1));
    assert_eq!(whole, parse([first, second]));
    assert_eq!(whole, parse(bytes.chunks(1)));

    let mut sequence = item::Sequence::new(agent_api::StreamStart::Offset(from));
    let events = whole.into_iter().flatten();
    let items = events.filter_map(|event| events::item(&event).ok().flatten());
    let frames = [
        frame::decode_frame(Bytes::from(bytes.clone())).ok(),
        frame::decode_text(&bytes).ok().flatten(),
    ];
    for item in items.chain(frames.into_iter().flatten()) {
        let before = sequence.next();
        match (sequence.advance(&item), item.end()) {
            (Ok(()), Some(end)) => {
                assert_eq!(sequence.next(), agent_api::StreamStart::Offset(end));
            }
            (Ok(()), None) | (Err(_), _) => assert_eq!(sequence.next(), before),
        }
    }
});

fn parse<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<events::Event>> {
    let mut parser = events::Parser::new(LIMIT);
    let mut events = VecDeque::new();
    for chunk in chunks {
        parser.push(chunk, &mut events).ok()?;
    }
    Some(events.into())
}
