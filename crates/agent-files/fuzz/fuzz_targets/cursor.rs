//! Cursors of any text: none panics, and one that is read is the one that was written.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../src/walk/position.rs"]
mod position;

/// The words that a cursor is made of, where the codec looks for them.
mod walk {
    pub(crate) use super::position::{Position, Resume};
}

// The codec is private to its crate and needs nothing else of it.
#[path = "../../src/search/cursor.rs"]
mod cursor;

fuzz_target!(|input: (&[u8], &str)| {
    let (request, text) = input;
    let identity = cursor::Identity::of([request]);
    read_and_write_again(identity, text);
    // The digest keeps almost every input out, so it is put on for the fuzzer.
    read_and_write_again(identity, &cursor::signed(identity, text));
});

fn read_and_write_again(identity: cursor::Identity, text: &str) {
    if let Some(position) = cursor::read(identity, text) {
        let written = cursor::write(identity, &position);
        assert_eq!(cursor::read(identity, &written), Some(position));
    }
}
