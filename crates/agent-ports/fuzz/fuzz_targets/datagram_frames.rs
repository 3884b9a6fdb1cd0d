//! Any bytes as a stream of datagrams, however it is cut: no panic, the same datagrams, and
//! written again they are the same stream.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

// This is private to its crate and needs nothing else of it.
#[path = "../../src/udp/frame.rs"]
mod frame;

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, bytes) = input;
    let mut whole = BytesMut::from(bytes);
    let mut datagrams = Vec::new();
    while let Ok(Some(datagram)) = frame::take(&mut whole) {
        datagrams.push(datagram);
    }
    let mut written = BytesMut::new();
    for datagram in &datagrams {
        frame::put(datagram, &mut written);
    }
    written.extend_from_slice(&whole);
    assert_eq!(written, bytes);

    let (mut buffer, mut again) = (BytesMut::new(), Vec::new());
    for part in bytes.chunks(usize::from(cut).max(1)) {
        buffer.extend_from_slice(part);
        while let Ok(Some(datagram)) = frame::take(&mut buffer) {
            again.push(datagram);
        }
    }
    assert_eq!(again, datagrams);
});
