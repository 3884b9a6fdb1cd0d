//! Any bytes as what clients of terminals send: no panic, the same objects from a frame and from a
//! stream in any pieces, and openings of the raw framing that survive being written again.
#![no_main]

use agent_api::TerminalInit;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

// It is private to its crate and needs nothing else of it.
#[path = "../../src/messages.rs"]
mod messages;

use messages::{Objects, Stream};

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, bytes) = input;
    let framed: Vec<_> =
        Objects::of(Bytes::copy_from_slice(bytes)).map_while(Result::ok).collect();
    let mut stream = Stream::default();
    let mut streamed = Vec::new();
    'pieces: for piece in bytes.chunks(usize::from(piece).max(1)) {
        stream.push(piece);
        loop {
            match stream.next() {
                Ok(Some(message)) => streamed.push(message),
                Ok(None) => break,
                Err(_) => break 'pieces,
            }
        }
    }
    assert_eq!(streamed, framed);
    if let Ok(init) = serde_json::from_slice::<TerminalInit>(bytes) {
        let written = serde_json::to_string(&init).unwrap();
        assert_eq!(serde_json::from_str::<TerminalInit>(&written).unwrap(), init);
    }
});
