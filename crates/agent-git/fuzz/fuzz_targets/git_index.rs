//! Any bytes as the file of an index, or as a listing of one: no panic, and what is read is in
//! order and found again.
#![no_main]

use libfuzzer_sys::fuzz_target;

// These are private to their crate and need nothing else of it.
#[path = "../../src/index/mod.rs"]
mod index;
#[path = "../../src/model.rs"]
mod model;

use index::Index;
use model::ObjectFormat;

fuzz_target!(|input: (bool, bool, &[u8])| {
    let (is_long, is_listing, bytes) = input;
    let format = if is_long { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 };
    let parsed = if is_listing {
        Index::of_listing(bytes, format)
    } else {
        // No checksum, so that changes go deeper than to a wrong one.
        Index::parse(&[bytes, &vec![0; format.id_len()]].concat(), format)
    };
    let Ok(index) = parsed else { return };
    let keys: Vec<_> = index.entries().map(|entry| (entry.path, entry.stage)).collect();
    assert_eq!(keys.len(), index.len());
    assert!(keys.is_sorted_by(|one, other| one < other));
    for (position, (path, stage)) in keys.iter().enumerate() {
        assert!(index.positions_of(path).contains(&position));
        assert_eq!(index.get(path).is_some(), *stage == 0);
        assert_eq!(index.conflicted(path), *stage != 0);
        if let Some(slash) = memchr::memrchr(b'/', path) {
            assert!(index.positions(&path[..slash]).contains(&position));
        }
    }
});
