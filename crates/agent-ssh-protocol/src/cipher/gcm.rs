//! AES-GCM with the nonce of SSH: a fixed part and a counter of packets.

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};
use ring::error::Unspecified;

use super::{Cipher, DirectionKeys};

/// A key with the nonce of the next packet.
///
/// Source: RFC 5647 section 7.1. The counter is the last eight bytes and wraps within them, which
/// takes more packets than any key may protect.
pub(super) struct Gcm {
    key: LessSafeKey,
    fixed: [u8; 4],
    counter: u64,
}

impl Gcm {
    pub(super) fn new(cipher: Cipher, keys: &DirectionKeys) -> Self {
        let algorithm = if cipher == Cipher::Aes256Gcm { &AES_256_GCM } else { &AES_128_GCM };
        let key = UnboundKey::new(algorithm, &keys.key).expect("keys are derived in full length");
        let (fixed, counter) =
            keys.iv.split_first_chunk().expect("vectors are derived in full length");
        let counter = counter.try_into().expect("vectors are derived in full length");
        Self { key: LessSafeKey::new(key), fixed: *fixed, counter: u64::from_be_bytes(counter) }
    }

    /// Encrypts `text` in place; the length in the clear is authenticated with it.
    pub(super) fn seal(&mut self, length: [u8; 4], text: &mut [u8]) -> Tag {
        let nonce = self.next_nonce();
        self.key
            .seal_in_place_separate_tag(nonce, Aad::from(length), text)
            .expect("a packet is shorter than what GCM can seal")
    }

    /// Checks `text` and decrypts it in place.
    pub(super) fn open(
        &mut self,
        length: [u8; 4],
        text: &mut [u8],
        tag: Tag,
    ) -> Result<(), Unspecified> {
        let nonce = self.next_nonce();
        self.key.open_in_place_separate_tag(nonce, Aad::from(length), tag, text, 0..).map(drop)
    }

    fn next_nonce(&mut self) -> Nonce {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&self.fixed);
        nonce[4..].copy_from_slice(&self.counter.to_be_bytes());
        self.counter = self.counter.wrapping_add(1);
        Nonce::assume_unique_for_key(nonce)
    }
}
