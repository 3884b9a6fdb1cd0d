//! The bytes of a record file: two slots for what changes, then what does not.
//!
//! ```text
//! 0       8192    16384
//! |slot 0 |slot 1 |request
//! ```
//!
//! A change goes to the slot that holds the older state, so a write that stops anywhere leaves
//! the newer one. The slots are full of zeros from the beginning: a full disk does not stop a
//! change.

use sha2::{Digest, Sha256};

/// Bytes of a slot.
pub(super) const SLOT: usize = 8 * 1024;
/// Sequence, length and checksum.
const HEADER: usize = 8 + 4 + 8;
/// Most bytes in a slot.
pub(super) const MAX_SLOT_PAYLOAD: usize = SLOT - HEADER;

/// The slots and the request of a file that could be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Contents<'a> {
    /// Sequence and payload of the newer whole slot.
    pub(super) state: Option<(u64, &'a [u8])>,
    pub(super) request: Option<&'a [u8]>,
}

/// A new file: the first state in slot 0, and the request.
pub(super) fn encode_file(state: &[u8], request: &[u8]) -> Vec<u8> {
    let mut file = encode(0, state);
    file.resize(2 * SLOT, 0);
    file.extend(encode(0, request));
    file
}

/// A change: the offset in the file, and the bytes to write there.
pub(super) fn encode_change(sequence: u64, state: &[u8]) -> (u64, Vec<u8>) {
    ((sequence % 2) * SLOT as u64, encode(sequence, state))
}

pub(super) fn decode_file(file: &[u8]) -> Contents<'_> {
    let part = |from: usize, to: usize| file.get(from..to.min(file.len())).and_then(decode);
    let slots = [part(0, SLOT), part(SLOT, 2 * SLOT)];
    Contents {
        state: slots.into_iter().flatten().max_by_key(|(sequence, _)| *sequence),
        request: part(2 * SLOT, usize::MAX).map(|(_, request)| request),
    }
}

fn encode(sequence: u64, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a request is at most 4 MiB");
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.extend(sequence.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(checksum(sequence, payload));
    bytes.extend(payload);
    bytes
}

fn decode(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (sequence, rest) = bytes.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (sum, rest) = rest.split_first_chunk::<8>()?;
    let (sequence, length) = (u64::from_le_bytes(*sequence), u32::from_le_bytes(*length));
    let payload = rest.get(..length as usize)?;
    (*sum == checksum(sequence, payload)).then_some((sequence, payload))
}

/// The first bytes of a SHA-256.
fn checksum(sequence: u64, payload: &[u8]) -> [u8; 8] {
    let hash = Sha256::new().chain_update(sequence.to_le_bytes()).chain_update(payload).finalize();
    *hash.first_chunk().expect("a SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_torn_at_any_byte_leaves_the_state_before_or_after() {
        let mut file = encode_file(b"first", b"request");
        let mut before: Vec<u8> = b"first".to_vec();
        for sequence in 1..5 {
            let after = format!("state {sequence} {}", "x".repeat(sequence as usize * 7));
            let (at, change) = encode_change(sequence, after.as_bytes());
            for torn in 0..=change.len() {
                let mut file = file.clone();
                file[at as usize..][..torn].copy_from_slice(&change[..torn]);
                let contents = decode_file(&file);
                let expected = if torn == change.len() { after.as_bytes() } else { &before[..] };
                let (_, state) = contents.state.unwrap();
                // A write whose missing rest equals what was there is whole.
                assert!(state == expected || state == after.as_bytes(), "{sequence} {torn}");
                assert_eq!(contents.request, Some(&b"request"[..]));
            }
            file[at as usize..][..change.len()].copy_from_slice(&change);
            before = after.into_bytes();
        }
    }

    #[test]
    fn a_file_cut_at_any_byte_never_yields_anything_else() {
        let file = encode_file(b"state", b"request");
        for length in 0..file.len() {
            let contents = decode_file(&file[..length]);
            assert_eq!(contents.request, None, "{length}");
            assert!(contents.state.is_none_or(|state| state == (0, &b"state"[..])), "{length}");
        }
    }

    #[test]
    fn zeros_are_no_slot() {
        assert_eq!(decode_file(&[0; 3 * SLOT]), Contents::default());
    }
}
