//! Sealing packets: framing, padding, encryption and authentication.

use std::fmt;

use ring::aead::chacha20_poly1305_openssh::SealingKey;
use zeroize::Zeroizing;

use super::ctr::{BLOCK_LEN, Ctr};
use super::gcm::Gcm;
use super::padding::Padding;
use super::{Cipher, DirectionKeys, LENGTH_LEN, Suite, TAG_LEN};

/// The least padding of a packet, RFC 4253 section 6.
const MIN_PADDING: usize = 4;

/// The protection of what one side sends.
pub(crate) struct Sealer {
    protection: Protection,
    padding: Padding,
}

enum Protection {
    None,
    ChaCha20(Box<SealingKey>),
    Gcm(Box<Gcm>),
    Ctr(Box<Ctr>),
}

impl Sealer {
    /// The most bytes by which a packet is longer than its payload.
    pub(crate) const OVERHEAD: usize = LENGTH_LEN + 1 + MIN_PADDING + BLOCK_LEN + 64;

    /// Protects nothing, as before the first key exchange.
    pub(crate) fn none() -> Self {
        Self { protection: Protection::None, padding: Padding::new() }
    }

    /// Protects with keys that are as long as `suite` asks for.
    pub(crate) fn new(suite: Suite, keys: &DirectionKeys) -> Self {
        let protection = match suite.cipher {
            Cipher::ChaCha20Poly1305 => {
                Protection::ChaCha20(Box::new(SealingKey::new(&chacha20_key(keys))))
            }
            Cipher::Aes256Gcm | Cipher::Aes128Gcm => {
                Protection::Gcm(Box::new(Gcm::new(suite.cipher, keys)))
            }
            Cipher::Aes256Ctr | Cipher::Aes192Ctr | Cipher::Aes128Ctr => {
                Protection::Ctr(Box::new(Ctr::new(suite, keys)))
            }
        };
        Self { protection, padding: Padding::new() }
    }

    /// Appends one packet to `out`: length, padding length, payload, padding, code.
    ///
    /// The payload is given in pieces, in order, so that its bytes are copied once, to where they
    /// are encrypted.
    pub(crate) fn seal(&mut self, sequence: u32, payload: &[&[u8]], out: &mut Vec<u8>) {
        let start = out.len();
        self.frame(payload, out);
        let packet = &mut out[start..];
        match &mut self.protection {
            Protection::None => {}
            Protection::ChaCha20(key) => {
                let mut tag = [0; TAG_LEN];
                key.seal_in_place(sequence, packet, &mut tag);
                out.extend_from_slice(&tag);
            }
            Protection::Gcm(gcm) => {
                let (length, text) = packet.split_first_chunk_mut().expect("the packet is framed");
                let tag = gcm.seal(*length, text);
                out.extend_from_slice(tag.as_ref());
            }
            Protection::Ctr(ctr) if ctr.is_over_ciphertext => {
                ctr.apply(&mut packet[LENGTH_LEN..]);
                let code = ctr.sign(sequence, packet);
                out.extend_from_slice(code.as_ref());
            }
            Protection::Ctr(ctr) => {
                let code = ctr.sign(sequence, packet);
                ctr.apply(packet);
                out.extend_from_slice(code.as_ref());
            }
        }
    }

    /// Appends the packet as it is before encryption.
    fn frame(&mut self, payload: &[&[u8]], out: &mut Vec<u8>) {
        let payload_len = payload.iter().map(|piece| piece.len()).sum::<usize>();
        let padding_len = self.padding_len(payload_len);
        let length = 1 + payload_len + padding_len;
        out.reserve(LENGTH_LEN + length + Self::OVERHEAD);
        let length = u32::try_from(length).expect("a packet is shorter than 4 GiB");
        out.extend_from_slice(&length.to_be_bytes());
        out.push(u8::try_from(padding_len).expect("padding is shorter than two blocks"));
        for piece in payload {
            out.extend_from_slice(piece);
        }
        if matches!(self.protection, Protection::None) {
            // Nobody is kept from reading it, so randomness would hide nothing.
            out.resize(out.len() + padding_len, 0);
        } else {
            out.extend_from_slice(self.padding.take(padding_len));
        }
    }

    fn padding_len(&self, payload_len: usize) -> usize {
        let (block, covers_length) = match &self.protection {
            Protection::None => (8, true),
            Protection::ChaCha20(_) => (8, false),
            Protection::Gcm(_) => (BLOCK_LEN, false),
            Protection::Ctr(ctr) => (BLOCK_LEN, !ctr.is_over_ciphertext),
        };
        let unpadded = usize::from(covers_length) * LENGTH_LEN + 1 + payload_len;
        (unpadded + MIN_PADDING).next_multiple_of(block) - unpadded
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").finish_non_exhaustive()
    }
}

/// Returns the two keys of ChaCha20 as ring wants them.
pub(super) fn chacha20_key(keys: &DirectionKeys) -> Zeroizing<[u8; 64]> {
    let key = keys.key.as_slice().try_into().expect("keys are derived in full length");
    Zeroizing::new(key)
}
