//! Public keys: their types, their encoding, their fingerprints.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use ring::digest::{SHA256, digest};

use super::algorithm::Curve;
use super::error::KeyError;
use crate::wire::{Malformed, Put, Reader};

/// RSA keys below are within reach of factoring; larger ones ring does not verify.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

const SSH_ED25519: &str = "ssh-ed25519";
const SSH_RSA: &str = "ssh-rsa";
const SK_SSH_ED25519: &str = "sk-ssh-ed25519@openssh.com";
const SK_ECDSA: &str = "sk-ecdsa-sha2-nistp256@openssh.com";

/// A public key that signatures can be checked with.
///
/// Two keys are equal when they check the same signatures.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublicKey {
    /// Ed25519, RFC 8709.
    Ed25519(Ed25519Key),
    /// ECDSA on a NIST curve, RFC 5656.
    Ecdsa(EcdsaKey),
    /// RSA of 2048 to 8192 bits, RFC 4253; its signatures are those of RFC 8332.
    Rsa(RsaKey),
    /// Ed25519 in a security key.
    SkEd25519 {
        /// The key itself.
        key: Ed25519Key,
        /// What the key was made for, usually `ssh:`.
        application: Vec<u8>,
    },
    /// ECDSA on P-256 in a security key.
    SkEcdsa {
        /// The key itself.
        key: EcdsaKey,
        /// What the key was made for, usually `ssh:`.
        application: Vec<u8>,
    },
}

/// The key of an Ed25519 signature.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ed25519Key(pub(super) [u8; 32]);

/// The key of an ECDSA signature.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EcdsaKey {
    pub(super) curve: Curve,
    /// Uncompressed: 0x04 and two coordinates. Whether it is on the curve is seen when used.
    pub(super) point: Vec<u8>,
}

/// The key of an RSA signature.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RsaKey {
    pub(super) exponent: Vec<u8>,
    pub(super) modulus: Vec<u8>,
}

impl PublicKey {
    /// Reads a key as it is sent: its type, then its fields, and nothing after.
    ///
    /// # Errors
    ///
    /// [`KeyError::UnsupportedType`] for other types, certificates among them;
    /// [`KeyError::RsaSize`]; [`KeyError::Malformed`].
    pub fn decode(blob: &[u8]) -> Result<Self, KeyError> {
        let mut reader = Reader::new(blob);
        let name = reader.string()?;
        let known = std::str::from_utf8(name).map_err(|_| unsupported(name))?;
        let key = Self::decode_fields(known, &mut reader)?;
        reader.end()?;
        Ok(key)
    }

    /// Reads the fields that follow the type `name` in a key, and the nonce in a certificate.
    pub(super) fn decode_fields(name: &str, reader: &mut Reader<'_>) -> Result<Self, KeyError> {
        match name {
            SSH_ED25519 => Ok(Self::Ed25519(Ed25519Key::read(reader)?)),
            SSH_RSA => Ok(Self::Rsa(RsaKey::read(reader)?)),
            SK_SSH_ED25519 => Ok(Self::SkEd25519 {
                key: Ed25519Key::read(reader)?,
                application: reader.string()?.to_vec(),
            }),
            SK_ECDSA => Ok(Self::SkEcdsa {
                key: EcdsaKey::read(Curve::NistP256, reader)?,
                application: reader.string()?.to_vec(),
            }),
            _ => {
                let curve =
                    Curve::of_algorithm(name).ok_or_else(|| unsupported(name.as_bytes()))?;
                Ok(Self::Ecdsa(EcdsaKey::read(curve, reader)?))
            }
        }
    }

    /// Returns the key as it is sent.
    pub fn encode(&self) -> Vec<u8> {
        let mut blob = Vec::new();
        blob.put_string(self.algorithm().as_bytes());
        match self {
            Self::Ed25519(key) => blob.put_string(&key.0),
            Self::Ecdsa(key) => key.put(&mut blob),
            Self::Rsa(key) => {
                blob.put_mpint(&key.exponent);
                blob.put_mpint(&key.modulus);
            }
            Self::SkEd25519 { key, application } => {
                blob.put_string(&key.0);
                blob.put_string(application);
            }
            Self::SkEcdsa { key, application } => {
                key.put(&mut blob);
                blob.put_string(application);
            }
        }
        blob
    }

    /// Reads the two words of a key in `authorized_keys` and `known_hosts`: type and base64.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode); [`KeyError::Base64`]; [`KeyError::OtherType`] when the two
    /// words disagree.
    pub fn from_openssh_line_parts(type_name: &str, base64: &str) -> Result<Self, KeyError> {
        let blob = BASE64_STANDARD.decode(base64).map_err(|_| KeyError::Base64)?;
        let key = Self::decode(&blob)?;
        if key.algorithm() == type_name {
            Ok(key)
        } else {
            let (named, actual) = (type_name.to_owned(), key.algorithm().to_owned());
            Err(KeyError::OtherType { named, actual })
        }
    }

    /// Returns the key as a line of `authorized_keys`, without a comment or a line ending.
    pub fn to_openssh_line(&self) -> String {
        format!("{} {}", self.algorithm(), BASE64_STANDARD.encode(self.encode()))
    }

    /// Returns the type: `ssh-ed25519`, or `ssh-rsa` whatever the hash of its signatures.
    pub const fn algorithm(&self) -> &'static str {
        match self {
            Self::Ed25519(_) => SSH_ED25519,
            Self::Ecdsa(key) => key.curve.algorithm(),
            Self::Rsa(_) => SSH_RSA,
            Self::SkEd25519 { .. } => SK_SSH_ED25519,
            Self::SkEcdsa { .. } => SK_ECDSA,
        }
    }

    /// Returns the signature algorithms of the key, the most wanted first.
    pub const fn signature_algorithms(&self) -> &'static [&'static str] {
        match self {
            Self::Ed25519(_) => &[SSH_ED25519],
            Self::Ecdsa(key) => match key.curve {
                Curve::NistP256 => &[const { Curve::NistP256.algorithm() }],
                Curve::NistP384 => &[const { Curve::NistP384.algorithm() }],
                Curve::NistP521 => &[const { Curve::NistP521.algorithm() }],
            },
            Self::Rsa(_) => &["rsa-sha2-512", "rsa-sha2-256"],
            Self::SkEd25519 { .. } => &[SK_SSH_ED25519],
            Self::SkEcdsa { .. } => &[SK_ECDSA],
        }
    }

    /// Returns `SHA256:` and the hash of the encoded key in base64 without padding.
    pub fn fingerprint(&self) -> String {
        let hash = digest(&SHA256, &self.encode());
        format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(hash))
    }

    /// Returns the size of the key as `ssh-keygen -l` prints it.
    pub const fn bits(&self) -> usize {
        match self {
            Self::Ed25519(_) | Self::SkEd25519 { .. } => 256,
            Self::Ecdsa(key) | Self::SkEcdsa { key, .. } => key.curve.bits(),
            Self::Rsa(key) => bits(key.modulus.as_slice()),
        }
    }

    /// Tells whether the private half is in a security key, so that signatures bear flags.
    pub const fn is_security_key(&self) -> bool {
        matches!(self, Self::SkEd25519 { .. } | Self::SkEcdsa { .. })
    }
}

impl Ed25519Key {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let key = reader.string()?.try_into();
        key.map(Self).map_err(|_| Malformed::expected("an Ed25519 key of 32 bytes"))
    }
}

impl EcdsaKey {
    fn read(curve: Curve, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        if reader.string()? != curve.name().as_bytes() {
            return Err(Malformed::expected("the curve of the key's type"));
        }
        Self::new(curve, reader.string()?)
    }

    /// Takes a point that has the form of one on `curve`.
    pub(super) fn new(curve: Curve, point: &[u8]) -> Result<Self, Malformed> {
        if point.first() != Some(&4) || point.len() != 1 + 2 * curve.field_len() {
            return Err(Malformed::expected("an uncompressed point"));
        }
        Ok(Self { curve, point: point.to_vec() })
    }

    fn put(&self, blob: &mut Vec<u8>) {
        blob.put_string(self.curve.name().as_bytes());
        blob.put_string(&self.point);
    }
}

impl RsaKey {
    fn read(reader: &mut Reader<'_>) -> Result<Self, KeyError> {
        let exponent = reader.mpint()?;
        Self::new(exponent, reader.mpint()?)
    }

    /// Takes an exponent and a modulus without leading zeros.
    pub(super) fn new(exponent: &[u8], modulus: &[u8]) -> Result<Self, KeyError> {
        let bits = bits(modulus);
        if !RSA_BITS.contains(&bits) {
            return Err(KeyError::RsaSize { bits });
        }
        Ok(Self { exponent: exponent.to_vec(), modulus: modulus.to_vec() })
    }
}

/// Returns the bits of a number without leading zero bytes.
const fn bits(magnitude: &[u8]) -> usize {
    match magnitude {
        [] => 0,
        [first, ..] => magnitude.len() * 8 - first.leading_zeros() as usize,
    }
}

pub(super) fn unsupported(name: &[u8]) -> KeyError {
    KeyError::UnsupportedType { name: String::from_utf8_lossy(name).into_owned() }
}
