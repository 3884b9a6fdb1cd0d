//! Agreement on a shared secret with a key made for one exchange.

use std::fmt;

use p521::elliptic_curve::rand_core::OsRng;
use p521::elliptic_curve::sec1::ToEncodedPoint as _;
use ring::agreement::{self, EphemeralPrivateKey, UnparsedPublicKey};
use ring::rand::SystemRandom;
use zeroize::Zeroizing;

use super::Method;
use crate::wire::Put;

/// The exchange failed on the peer's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("bad public key for key exchange")]
pub(crate) struct KexError;

/// A key pair for one key exchange.
pub(crate) struct Ephemeral {
    secret: Secret,
    public: Vec<u8>,
}

enum Secret {
    Ring { key: EphemeralPrivateKey, algorithm: &'static agreement::Algorithm },
    NistP521(p521::SecretKey),
}

impl Ephemeral {
    /// Makes a new pair.
    ///
    /// # Panics
    ///
    /// When the kernel gives no random bytes.
    pub(crate) fn new(method: Method) -> Self {
        match method {
            Method::Curve25519 => Self::ring(&agreement::X25519),
            Method::NistP256 => Self::ring(&agreement::ECDH_P256),
            Method::NistP384 => Self::ring(&agreement::ECDH_P384),
            Method::NistP521 => {
                let key = p521::SecretKey::random(&mut OsRng);
                let public = key.public_key().to_encoded_point(false).as_bytes().to_vec();
                Self { secret: Secret::NistP521(key), public }
            }
        }
    }

    fn ring(algorithm: &'static agreement::Algorithm) -> Self {
        const RANDOM: &str = "the kernel gives random bytes";
        let key = EphemeralPrivateKey::generate(algorithm, &SystemRandom::new()).expect(RANDOM);
        let public = key.compute_public_key().expect("a fresh key has a public one");
        Self { secret: Secret::Ring { key, algorithm }, public: public.as_ref().to_vec() }
    }

    /// Returns what the peer has to know: 32 bytes, or an uncompressed point.
    pub(crate) fn public(&self) -> &[u8] {
        &self.public
    }

    /// Computes the secret shared with the owner of the public key `peer`.
    ///
    /// # Errors
    ///
    /// [`KexError`] when `peer` has the wrong length, is not a point of the curve, or would make
    /// the secret known to everybody.
    pub(crate) fn agree(self, peer: &[u8]) -> Result<SharedSecret, KexError> {
        match self.secret {
            Secret::Ring { key, algorithm } => {
                let peer = UnparsedPublicKey::new(algorithm, peer);
                agreement::agree_ephemeral(key, &peer, SharedSecret::new).map_err(|_| KexError)
            }
            Secret::NistP521(key) => {
                // Compressed points are not offered (RFC 5656 section 3.1), and 0x04 is what
                // tells an uncompressed one.
                if peer.first() != Some(&4) {
                    return Err(KexError);
                }
                let peer = p521::PublicKey::from_sec1_bytes(peer).map_err(|_| KexError)?;
                let shared = p521::ecdh::diffie_hellman(key.to_nonzero_scalar(), peer.as_affine());
                Ok(SharedSecret::new(shared.raw_secret_bytes()))
            }
        }
    }
}

impl fmt::Debug for Ephemeral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ephemeral").finish_non_exhaustive()
    }
}

/// A shared secret, encoded as the hashes want it; wiped when dropped.
pub(crate) struct SharedSecret {
    pub(super) mpint: Zeroizing<Vec<u8>>,
}

impl SharedSecret {
    /// Takes the big-endian number both sides computed.
    pub(super) fn new(number: &[u8]) -> Self {
        // Room for the length and a sign, so that no copy is left behind by growing.
        let mut mpint = Zeroizing::new(Vec::with_capacity(5 + number.len()));
        mpint.put_mpint(number);
        Self { mpint }
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedSecret").finish_non_exhaustive()
    }
}
