//! Checking signatures, with the name of their algorithm and the flags of security keys.

use p521::ecdsa::signature::Verifier as _;
use ring::digest::{SHA256, digest};
use ring::signature::{
    self as ring_signature, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents,
    UnparsedPublicKey,
};

use super::algorithm::{Curve, signature_algorithm};
use super::public::{EcdsaKey, PublicKey, RsaKey};
use crate::wire::{Malformed, Put, Reader};

/// Bits of the flags of a security key, from the web authentication standard.
const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;

/// A signature is not by this key over this message, or not in an accepted algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("signature is not valid")]
pub struct BadSignature;

impl From<Malformed> for BadSignature {
    fn from(_: Malformed) -> Self {
        Self
    }
}

/// What a good signature says about the person at the key.
///
/// Both are true for a key that is in no security key, as there is nothing to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Somebody touched the security key.
    pub user_present: bool,
    /// The security key made sure who it was, with a PIN or a fingerprint.
    pub user_verified: bool,
}

impl PublicKey {
    /// Checks the encoded `signature` over `message`.
    ///
    /// `algorithm` is the public key algorithm that was agreed on or offered, of a plain key or
    /// of a certificate; the name inside the signature must be the one that belongs to it.
    ///
    /// # Errors
    ///
    /// [`BadSignature`] when the signature is by another key or over another message, is
    /// malformed, or its algorithm is not `algorithm`, not of this key, or not accepted.
    pub fn verify(
        &self,
        algorithm: &str,
        message: &[u8],
        signature: &[u8],
    ) -> Result<Verified, BadSignature> {
        let algorithm = signature_algorithm(algorithm).ok_or(BadSignature)?;
        let mut reader = Reader::new(signature);
        if reader.string()? != algorithm.as_bytes()
            || !self.signature_algorithms().contains(&algorithm)
        {
            return Err(BadSignature);
        }
        let value = reader.string()?;
        let verified = match self {
            Self::SkEd25519 { application, .. } | Self::SkEcdsa { application, .. } => {
                let (flags, counter) = (reader.u8()?, reader.u32()?);
                let message = security_key_message(application, flags, counter, message);
                self.verify_value(algorithm, &message, value)?;
                Verified {
                    user_present: flags & USER_PRESENT != 0,
                    user_verified: flags & USER_VERIFIED != 0,
                }
            }
            Self::Ed25519(_) | Self::Ecdsa(_) | Self::Rsa(_) => {
                self.verify_value(algorithm, message, value)?;
                Verified { user_present: true, user_verified: true }
            }
        };
        reader.end()?;
        Ok(verified)
    }

    fn verify_value(
        &self,
        algorithm: &str,
        message: &[u8],
        value: &[u8],
    ) -> Result<(), BadSignature> {
        match self {
            Self::Ed25519(key) | Self::SkEd25519 { key, .. } => {
                UnparsedPublicKey::new(&ED25519, key.0)
                    .verify(message, value)
                    .map_err(|_| BadSignature)
            }
            Self::Ecdsa(key) | Self::SkEcdsa { key, .. } => verify_ecdsa(key, message, value),
            Self::Rsa(key) => verify_rsa(key, algorithm, message, value),
        }
    }
}

/// Returns what a security key signs in place of `message`.
///
/// Source: OpenSSH, `PROTOCOL.u2f`.
fn security_key_message(application: &[u8], flags: u8, counter: u32, message: &[u8]) -> Vec<u8> {
    let mut signed = Vec::with_capacity(32 + 1 + 4 + 32);
    signed.put_raw(digest(&SHA256, application).as_ref());
    signed.put_u8(flags);
    signed.put_u32(counter);
    signed.put_raw(digest(&SHA256, message).as_ref());
    signed
}

fn verify_ecdsa(key: &EcdsaKey, message: &[u8], value: &[u8]) -> Result<(), BadSignature> {
    let mut reader = Reader::new(value);
    let (r, s) = (reader.mpint()?, reader.mpint()?);
    reader.end()?;
    let field_len = key.curve.field_len();
    let mut fixed = vec![0; 2 * field_len];
    let (r_fixed, s_fixed) = fixed.split_at_mut(field_len);
    pad(r, r_fixed).ok_or(BadSignature)?;
    pad(s, s_fixed).ok_or(BadSignature)?;
    let algorithm = match key.curve {
        Curve::NistP256 => &ECDSA_P256_SHA256_FIXED,
        Curve::NistP384 => &ECDSA_P384_SHA384_FIXED,
        Curve::NistP521 => return verify_p521(&key.point, message, &fixed),
    };
    UnparsedPublicKey::new(algorithm, &key.point).verify(message, &fixed).map_err(|_| BadSignature)
}

fn verify_p521(point: &[u8], message: &[u8], fixed: &[u8]) -> Result<(), BadSignature> {
    let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(|_| BadSignature)?;
    let signature = p521::ecdsa::Signature::from_slice(fixed).map_err(|_| BadSignature)?;
    key.verify(message, &signature).map_err(|_| BadSignature)
}

fn verify_rsa(
    key: &RsaKey,
    algorithm: &str,
    message: &[u8],
    value: &[u8],
) -> Result<(), BadSignature> {
    let parameters: &ring_signature::RsaParameters = match algorithm {
        "rsa-sha2-256" => &RSA_PKCS1_2048_8192_SHA256,
        "rsa-sha2-512" => &RSA_PKCS1_2048_8192_SHA512,
        _ => return Err(BadSignature),
    };
    // Some implementations send a number without its leading zeros; OpenSSH takes it too.
    let mut full = vec![0; key.modulus.len()];
    pad(value, &mut full).ok_or(BadSignature)?;
    RsaPublicKeyComponents { n: &key.modulus, e: &key.exponent }
        .verify(parameters, message, &full)
        .map_err(|_| BadSignature)
}

/// Copies a big-endian number to the end of `field`, which is zero; `None` when it is longer.
pub(super) fn pad(number: &[u8], field: &mut [u8]) -> Option<()> {
    let start = field.len().checked_sub(number.len())?;
    field[start..].copy_from_slice(number);
    Some(())
}
