//! Protection of packets: which algorithms there are, and a [`Sealer`] and an [`Opener`] for each.
//!
//! One sealer or opener serves one direction between two key exchanges. Sequence numbers are
//! counted by the caller, as they go on, or start over, across key exchanges.

mod ctr;
mod gcm;
mod opener;
mod padding;
mod sealer;
#[cfg(test)]
mod tests;

use std::fmt;

use zeroize::Zeroizing;

pub(crate) use opener::{Opener, PacketError};
pub(crate) use sealer::Sealer;

/// The largest `packet_length` accepted, as OpenSSH has it.
pub(crate) const MAX_PACKET_LENGTH: usize = 256 * 1024;

/// The bytes of the `packet_length` field.
const LENGTH_LEN: usize = 4;

/// The bytes of the tag of both authenticated ciphers.
const TAG_LEN: usize = 16;

/// A cipher, by its SSH name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cipher {
    ChaCha20Poly1305,
    Aes256Gcm,
    Aes128Gcm,
    Aes256Ctr,
    Aes192Ctr,
    Aes128Ctr,
}

impl Cipher {
    /// All of them, the most wanted first.
    pub(crate) const ALL: [Self; 6] = [
        Self::ChaCha20Poly1305,
        Self::Aes256Gcm,
        Self::Aes128Gcm,
        Self::Aes256Ctr,
        Self::Aes192Ctr,
        Self::Aes128Ctr,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ChaCha20Poly1305 => "chacha20-poly1305@openssh.com",
            Self::Aes256Gcm => "aes256-gcm@openssh.com",
            Self::Aes128Gcm => "aes128-gcm@openssh.com",
            Self::Aes256Ctr => "aes256-ctr",
            Self::Aes192Ctr => "aes192-ctr",
            Self::Aes128Ctr => "aes128-ctr",
        }
    }

    /// Tells whether the cipher authenticates by itself, so that no MAC is negotiated.
    pub(crate) const fn is_authenticated(self) -> bool {
        matches!(self, Self::ChaCha20Poly1305 | Self::Aes256Gcm | Self::Aes128Gcm)
    }

    /// Bytes of the key; two keys of 32 for ChaCha20.
    pub(crate) const fn key_len(self) -> usize {
        match self {
            Self::ChaCha20Poly1305 => 64,
            Self::Aes256Gcm | Self::Aes256Ctr => 32,
            Self::Aes192Ctr => 24,
            Self::Aes128Gcm | Self::Aes128Ctr => 16,
        }
    }

    /// Bytes of the initial vector.
    pub(crate) const fn iv_len(self) -> usize {
        match self {
            Self::ChaCha20Poly1305 => 0,
            Self::Aes256Gcm | Self::Aes128Gcm => 12,
            Self::Aes256Ctr | Self::Aes192Ctr | Self::Aes128Ctr => 16,
        }
    }
}

/// A message authentication code, by its SSH name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mac {
    HmacSha512Etm,
    HmacSha256Etm,
    HmacSha512,
    HmacSha256,
}

impl Mac {
    /// All of them, the most wanted first.
    pub(crate) const ALL: [Self; 4] =
        [Self::HmacSha512Etm, Self::HmacSha256Etm, Self::HmacSha512, Self::HmacSha256];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::HmacSha512Etm => "hmac-sha2-512-etm@openssh.com",
            Self::HmacSha256Etm => "hmac-sha2-256-etm@openssh.com",
            Self::HmacSha512 => "hmac-sha2-512",
            Self::HmacSha256 => "hmac-sha2-256",
        }
    }

    /// Tells whether the code is over what was encrypted, with the length in the clear.
    const fn is_over_ciphertext(self) -> bool {
        matches!(self, Self::HmacSha512Etm | Self::HmacSha256Etm)
    }

    /// Bytes of the key, and of the code.
    pub(crate) const fn len(self) -> usize {
        match self {
            Self::HmacSha512Etm | Self::HmacSha512 => 64,
            Self::HmacSha256Etm | Self::HmacSha256 => 32,
        }
    }

    fn key(self, bytes: &[u8]) -> ring::hmac::Key {
        let algorithm = match self {
            Self::HmacSha512Etm | Self::HmacSha512 => ring::hmac::HMAC_SHA512,
            Self::HmacSha256Etm | Self::HmacSha256 => ring::hmac::HMAC_SHA256,
        };
        ring::hmac::Key::new(algorithm, bytes)
    }
}

/// What protects the packets of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Suite {
    pub(crate) cipher: Cipher,
    /// Not used by a cipher that authenticates by itself.
    pub(crate) mac: Mac,
}

/// The secrets of one direction, as long as its [`Suite`] asks for; wiped when dropped.
pub(crate) struct DirectionKeys {
    pub(crate) iv: Zeroizing<Vec<u8>>,
    pub(crate) key: Zeroizing<Vec<u8>>,
    pub(crate) mac: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for DirectionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectionKeys").finish_non_exhaustive()
    }
}
