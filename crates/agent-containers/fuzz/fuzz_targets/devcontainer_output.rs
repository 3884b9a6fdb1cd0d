//! Any bytes as output, however it is cut: the same lines, and nothing of them lost.
#![no_main]

use libfuzzer_sys::fuzz_target;

// This is private to its crate and needs nothing else of it.
#[path = "../../src/cli/lines.rs"]
mod lines;

fn split(longest: usize, pieces: &mut dyn Iterator<Item = &[u8]>) -> Vec<(Vec<u8>, u64)> {
    let (mut splitter, mut found) = (lines::Lines::new(longest), Vec::new());
    let mut each = |line: lines::Line<'_>| found.push((line.bytes.to_vec(), line.left_out));
    for piece in pieces {
        splitter.push(piece, &mut each);
    }
    splitter.finish(&mut each);
    found
}

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (cut, longest, bytes) = input;
    let longest = usize::from(longest).max(1);
    let whole = split(longest, &mut std::iter::once(bytes));
    assert_eq!(split(longest, &mut bytes.chunks(usize::from(cut).max(1))), whole);
    let ends = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    let length: u64 = whole.iter().map(|(kept, left_out)| kept.len() as u64 + left_out).sum();
    assert_eq!(length + ends, bytes.len() as u64);
    assert!(whole.iter().all(|(kept, _)| kept.len() <= longest && !kept.contains(&b'\n')));
});
