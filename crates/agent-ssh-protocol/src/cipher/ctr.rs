//! AES in counter mode with an HMAC, in both orders: over the ciphertext and over the plaintext.

use aes::cipher::{KeyIvInit, StreamCipher};
use aes::{Aes128, Aes192, Aes256};
use ctr::Ctr128BE;
use ring::hmac;

use super::{Cipher, DirectionKeys, Suite};

/// The bytes of a block of AES.
pub(super) const BLOCK_LEN: usize = 16;

/// The running key stream of one direction and the key of its MAC.
pub(super) struct Ctr {
    stream: Stream,
    mac: hmac::Key,
    pub(super) mac_len: usize,
    pub(super) is_over_ciphertext: bool,
}

impl Ctr {
    pub(super) fn new(suite: Suite, keys: &DirectionKeys) -> Self {
        let Suite { cipher, mac } = suite;
        Self {
            stream: Stream::new(cipher, keys),
            mac: mac.key(&keys.mac),
            mac_len: mac.len(),
            is_over_ciphertext: mac.is_over_ciphertext(),
        }
    }

    /// Encrypts or decrypts the next bytes of the direction in place.
    pub(super) fn apply(&mut self, bytes: &mut [u8]) {
        match &mut self.stream {
            Stream::Aes256(stream) => stream.apply_keystream(bytes),
            Stream::Aes192(stream) => stream.apply_keystream(bytes),
            Stream::Aes128(stream) => stream.apply_keystream(bytes),
        }
    }

    /// Returns the code over a packet, of [`mac_len`](Self::mac_len) bytes.
    pub(super) fn sign(&self, sequence: u32, packet: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.mac);
        context.update(&sequence.to_be_bytes());
        context.update(packet);
        context.sign()
    }
}

/// A cipher for each length of the key.
enum Stream {
    Aes256(Ctr128BE<Aes256>),
    Aes192(Ctr128BE<Aes192>),
    Aes128(Ctr128BE<Aes128>),
}

impl Stream {
    fn new(cipher: Cipher, keys: &DirectionKeys) -> Self {
        match cipher {
            Cipher::Aes192Ctr => Self::Aes192(start(keys)),
            Cipher::Aes128Ctr => Self::Aes128(start(keys)),
            _ => Self::Aes256(start(keys)),
        }
    }
}

fn start<C: KeyIvInit>(keys: &DirectionKeys) -> C {
    C::new_from_slices(&keys.key, &keys.iv).expect("keys are derived in full length")
}
