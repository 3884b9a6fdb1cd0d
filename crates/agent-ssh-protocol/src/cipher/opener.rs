//! Opening packets: length, authentication, decryption and framing.

use std::fmt;
use std::ops::Range;

use ring::aead::chacha20_poly1305_openssh::OpeningKey;
use subtle::ConstantTimeEq;

use super::ctr::{BLOCK_LEN, Ctr};
use super::gcm::Gcm;
use super::sealer::chacha20_key;
use super::{Cipher, DirectionKeys, LENGTH_LEN, MAX_PACKET_LENGTH, Suite, TAG_LEN};

/// A packet that cannot be what the peer meant to send; the connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PacketError {
    /// The length is too small, too large or not a whole number of blocks.
    #[error("bad packet length {0}")]
    Length(u32),
    /// The padding is longer than the packet, or shorter than the protocol allows.
    #[error("bad padding length")]
    Padding,
    /// The packet is not as it was sealed.
    #[error("message authentication code incorrect")]
    Mac,
}

/// The protection of what one side receives.
pub(crate) struct Opener {
    protection: Protection,
}

enum Protection {
    None,
    ChaCha20(Box<OpeningKey>),
    Gcm(Box<Gcm>),
    Ctr {
        ctr: Box<Ctr>,
        /// The first block of the packet at hand, decrypted to learn the length.
        head: Option<[u8; BLOCK_LEN]>,
    },
}

impl Opener {
    /// Expects no protection, as before the first key exchange.
    pub(crate) const fn none() -> Self {
        Self { protection: Protection::None }
    }

    /// Expects the protection of `suite`, with keys that are as long as it asks for.
    pub(crate) fn new(suite: Suite, keys: &DirectionKeys) -> Self {
        let protection = match suite.cipher {
            Cipher::ChaCha20Poly1305 => {
                Protection::ChaCha20(Box::new(OpeningKey::new(&chacha20_key(keys))))
            }
            Cipher::Aes256Gcm | Cipher::Aes128Gcm => {
                Protection::Gcm(Box::new(Gcm::new(suite.cipher, keys)))
            }
            Cipher::Aes256Ctr | Cipher::Aes192Ctr | Cipher::Aes128Ctr => {
                Protection::Ctr { ctr: Box::new(Ctr::new(suite, keys)), head: None }
            }
        };
        Self { protection }
    }

    /// Returns how many bytes of a packet [`length`](Self::length) needs.
    pub(crate) const fn head_len(&self) -> usize {
        match &self.protection {
            Protection::Ctr { ctr, .. } if !ctr.is_over_ciphertext => BLOCK_LEN,
            _ => LENGTH_LEN,
        }
    }

    /// Returns how many bytes the whole packet takes on the wire, its code included.
    ///
    /// `head` starts with the first [`head_len`](Self::head_len) bytes of the packet and is left
    /// as it is. It may be asked again until the packet is opened.
    ///
    /// # Errors
    ///
    /// [`PacketError::Length`] when it is out of bounds or not a whole number of blocks.
    pub(crate) fn length(&mut self, sequence: u32, head: &[u8]) -> Result<usize, PacketError> {
        let first = first_four(head);
        let (length, block, covers_length, code_len) = match &mut self.protection {
            Protection::None => (first, 8, true, 0),
            Protection::ChaCha20(key) => {
                (key.decrypt_packet_length(sequence, first), 8, false, TAG_LEN)
            }
            Protection::Gcm(_) => (first, BLOCK_LEN, false, TAG_LEN),
            Protection::Ctr { ctr, .. } if ctr.is_over_ciphertext => {
                (first, BLOCK_LEN, false, ctr.mac_len)
            }
            Protection::Ctr { ctr, head: decrypted } => {
                let block = decrypted.get_or_insert_with(|| {
                    let mut block = *head.first_chunk().expect("the caller has a whole block");
                    ctr.apply(&mut block);
                    block
                });
                (first_four(block), BLOCK_LEN, true, ctr.mac_len)
            }
        };
        let length = u32::from_be_bytes(length);
        let error = PacketError::Length(length);
        let length = usize::try_from(length).map_err(|_| error)?;
        let padded = if covers_length { LENGTH_LEN + length } else { length };
        // A padding length and the least padding: what is shorter cannot be framed.
        if !(5..=MAX_PACKET_LENGTH).contains(&length) || !padded.is_multiple_of(block) {
            return Err(error);
        }
        Ok(LENGTH_LEN + length + code_len)
    }

    /// Checks and decrypts a whole packet in place; returns where its payload is.
    ///
    /// `packet` has the number of bytes that [`length`](Self::length) returned for it.
    ///
    /// # Errors
    ///
    /// [`PacketError::Mac`] when it was changed, [`PacketError::Padding`] when its padding does
    /// not fit. `packet` must not be used then.
    pub(crate) fn open(
        &mut self,
        sequence: u32,
        packet: &mut [u8],
    ) -> Result<Range<usize>, PacketError> {
        let code_len = self.code_len();
        let (text, code) = packet
            .split_at_mut_checked(packet.len().saturating_sub(code_len))
            .filter(|(text, _)| text.len() > LENGTH_LEN)
            .ok_or(PacketError::Padding)?;
        match &mut self.protection {
            Protection::None => {}
            Protection::ChaCha20(key) => {
                let tag = (&*code).try_into().map_err(|_| PacketError::Mac)?;
                key.open_in_place(sequence, text, tag).map_err(|_| PacketError::Mac)?;
            }
            Protection::Gcm(gcm) => {
                let tag = (&*code).try_into().map_err(|_| PacketError::Mac)?;
                let (length, text) = text.split_first_chunk_mut().ok_or(PacketError::Padding)?;
                gcm.open(*length, text, tag).map_err(|_| PacketError::Mac)?;
            }
            Protection::Ctr { ctr, .. } if ctr.is_over_ciphertext => {
                check(ctr, sequence, text, code)?;
                ctr.apply(&mut text[LENGTH_LEN..]);
            }
            Protection::Ctr { ctr, head } => {
                let (first, rest) = text.split_first_chunk_mut().ok_or(PacketError::Padding)?;
                match head.take() {
                    Some(block) => *first = block,
                    None => ctr.apply(first),
                }
                ctr.apply(rest);
                check(ctr, sequence, text, code)?;
            }
        }
        payload(text)
    }

    const fn code_len(&self) -> usize {
        match &self.protection {
            Protection::None => 0,
            Protection::ChaCha20(_) | Protection::Gcm(_) => TAG_LEN,
            Protection::Ctr { ctr, .. } => ctr.mac_len,
        }
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").finish_non_exhaustive()
    }
}

fn first_four(head: &[u8]) -> [u8; LENGTH_LEN] {
    *head.first_chunk().expect("the caller has the bytes of the length")
}

fn check(ctr: &Ctr, sequence: u32, packet: &[u8], code: &[u8]) -> Result<(), PacketError> {
    let expected = ctr.sign(sequence, packet);
    if bool::from(expected.as_ref().ct_eq(code)) { Ok(()) } else { Err(PacketError::Mac) }
}

/// Returns where the payload of a packet without its code is.
fn payload(text: &[u8]) -> Result<Range<usize>, PacketError> {
    let padding_len = usize::from(text[LENGTH_LEN]);
    let start = LENGTH_LEN + 1;
    let end = text.len().checked_sub(padding_len).filter(|&end| start <= end);
    match end {
        Some(end) if padding_len >= 4 => Ok(start..end),
        _ => Err(PacketError::Padding),
    }
}
