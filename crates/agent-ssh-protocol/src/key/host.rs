//! Private keys: what a host proves itself with.

use std::fmt;

use p521::ecdsa::signature::Signer as _;
use ring::rand::{SecureRandom, SystemRandom};
use ring::rsa::{KeyPairComponents, PublicKeyComponents};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RsaKeyPair,
};
use zeroize::Zeroizing;

use super::algorithm::Curve;
use super::error::{KeyError, SignError};
use super::public::{EcdsaKey, Ed25519Key, PublicKey, RsaKey};
use super::signature::pad;
use super::{file, rsa};
use crate::wire::{Malformed, Put, Reader};

/// A private key of a host, or of a user in a client: Ed25519, ECDSA or RSA.
///
/// `Debug` shows the public half only.
pub struct HostKey {
    public: PublicKey,
    signer: Signer,
    /// The key as it is in a file: its type, then its fields.
    pub(super) private: Zeroizing<Vec<u8>>,
}

enum Signer {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
    EcdsaP521(Box<p521::ecdsa::SigningKey>),
    Rsa(Box<RsaKeyPair>),
}

impl HostKey {
    /// Makes a new Ed25519 key.
    ///
    /// # Panics
    ///
    /// When the kernel gives no random bytes.
    pub fn generate_ed25519() -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(&mut *seed).expect("the kernel gives random bytes");
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).expect("a seed has 32 bytes");
        let public = pair.public_key().as_ref().try_into().expect("a public key has 32 bytes");
        let secret = Zeroizing::new([*seed, public].concat());
        let mut private = Zeroizing::new(Vec::with_capacity(128));
        private.put_string(b"ssh-ed25519");
        private.put_string(&public);
        private.put_string(&secret);
        let public = PublicKey::Ed25519(Ed25519Key(public));
        Self { public, signer: Signer::Ed25519(pair), private }
    }

    /// Reads a file in OpenSSH's format with one key and no passphrase.
    ///
    /// # Errors
    ///
    /// [`KeyError::Encrypted`] when it has a passphrase; [`KeyError::UnsupportedType`] for DSA
    /// and security keys; [`KeyError::RsaSize`] below 2048 bits;
    /// [`KeyError::InvalidPrivateKey`] when its halves do not belong together, and for RSA above
    /// 4096 bits; [`KeyError::NotAPrivateKey`], [`KeyError::Base64`] and
    /// [`KeyError::Malformed`] when it is not such a file.
    pub fn from_openssh(pem: &str) -> Result<Self, KeyError> {
        let (public, private) = file::read(pem)?;
        let mut reader = Reader::new(&private);
        let (key, signer) = Signer::read(&mut reader)?;
        if key.encode() != public {
            return Err(KeyError::InvalidPrivateKey);
        }
        let private = &private[..private.len() - reader.rest().len()];
        Ok(Self { public: key, signer, private: Zeroizing::new(private.to_vec()) })
    }

    /// Writes the key in OpenSSH's format, without a passphrase or a comment.
    pub fn to_openssh(&self) -> Zeroizing<String> {
        file::write(&self.public.encode(), &self.private)
    }

    /// Returns the public half.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Returns the algorithms the key signs with, the most wanted first.
    pub const fn algorithms(&self) -> &'static [&'static str] {
        self.public.signature_algorithms()
    }

    /// Signs `message`; the result is encoded, with the name of the algorithm.
    ///
    /// # Errors
    ///
    /// [`SignError`] when `algorithm` is not one of [`algorithms`](Self::algorithms).
    ///
    /// # Panics
    ///
    /// When the kernel gives no random bytes.
    pub fn sign(&self, algorithm: &str, message: &[u8]) -> Result<Vec<u8>, SignError> {
        if !self.algorithms().contains(&algorithm) {
            return Err(SignError { algorithm: algorithm.to_owned() });
        }
        let value = self.signer.sign(algorithm, message);
        let mut signature = Vec::with_capacity(value.len() + algorithm.len() + 8);
        signature.put_string(algorithm.as_bytes());
        signature.put_string(&value);
        Ok(signature)
    }
}

impl fmt::Debug for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl Signer {
    /// Reads the type and the fields of a private key, and no further.
    fn read(reader: &mut Reader<'_>) -> Result<(PublicKey, Self), KeyError> {
        let name = String::from_utf8_lossy(reader.string()?);
        match &*name {
            "ssh-ed25519" => Self::read_ed25519(reader),
            "ssh-rsa" => Self::read_rsa(reader),
            _ => match Curve::of_algorithm(&name) {
                Some(curve) => Self::read_ecdsa(curve, reader),
                None => Err(KeyError::UnsupportedType { name: name.into_owned() }),
            },
        }
    }

    fn read_ed25519(reader: &mut Reader<'_>) -> Result<(PublicKey, Self), KeyError> {
        const EXPECTED: Malformed = Malformed::expected("an Ed25519 private key");
        let public: [u8; 32] = reader.string()?.try_into().map_err(|_| EXPECTED)?;
        // The seed, and the public key once more.
        let (seed, again) = reader.string()?.split_at_checked(32).ok_or(EXPECTED)?;
        if again != public {
            return Err(KeyError::InvalidPrivateKey);
        }
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, &public)
            .map_err(|_| KeyError::InvalidPrivateKey)?;
        Ok((PublicKey::Ed25519(Ed25519Key(public)), Self::Ed25519(pair)))
    }

    fn read_ecdsa(curve: Curve, reader: &mut Reader<'_>) -> Result<(PublicKey, Self), KeyError> {
        if reader.string()? != curve.name().as_bytes() {
            return Err(Malformed::expected("the curve of the key's type").into());
        }
        let key = EcdsaKey::new(curve, reader.string()?)?;
        let mut scalar = Zeroizing::new(vec![0; curve.field_len()]);
        pad(reader.mpint()?, &mut scalar).ok_or(KeyError::InvalidPrivateKey)?;
        let signer = match curve {
            Curve::NistP256 => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, &scalar, &key.point)?,
            Curve::NistP384 => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING, &scalar, &key.point)?,
            Curve::NistP521 => p521(&scalar, &key.point)?,
        };
        Ok((PublicKey::Ecdsa(key), signer))
    }

    fn read_rsa(reader: &mut Reader<'_>) -> Result<(PublicKey, Self), KeyError> {
        let (n, e, d) = (reader.mpint()?, reader.mpint()?, reader.mpint()?);
        let (q_inv, p, q) = (reader.mpint()?, reader.mpint()?, reader.mpint()?);
        let key = RsaKey::new(e, n)?;
        let components = KeyPairComponents {
            public_key: PublicKeyComponents { n, e },
            d,
            p,
            q,
            dP: &rsa::modulo_less_one(d, p),
            dQ: &rsa::modulo_less_one(d, q),
            qInv: q_inv,
        };
        let pair =
            RsaKeyPair::from_components(&components).map_err(|_| KeyError::InvalidPrivateKey)?;
        Ok((PublicKey::Rsa(key), Self::Rsa(Box::new(pair))))
    }

    /// Returns the signature without the name of its algorithm, which is one of the key's.
    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        const RANDOM: &str = "the kernel gives random bytes";
        match self {
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Ecdsa(pair) => {
                let fixed = pair.sign(&SystemRandom::new(), message).expect(RANDOM);
                two_numbers(fixed.as_ref())
            }
            Self::EcdsaP521(key) => {
                let signature: p521::ecdsa::Signature = key.sign(message);
                two_numbers(&signature.to_bytes())
            }
            Self::Rsa(pair) => {
                let padding = match algorithm {
                    "rsa-sha2-256" => &RSA_PKCS1_SHA256,
                    _ => &RSA_PKCS1_SHA512,
                };
                let mut value = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &SystemRandom::new(), message, &mut value)
                    .expect("the numbers of the key were checked when it was read");
                value
            }
        }
    }
}

fn ecdsa(
    algorithm: &'static ring::signature::EcdsaSigningAlgorithm,
    scalar: &[u8],
    point: &[u8],
) -> Result<Signer, KeyError> {
    EcdsaKeyPair::from_private_key_and_public_key(algorithm, scalar, point, &SystemRandom::new())
        .map(Signer::Ecdsa)
        .map_err(|_| KeyError::InvalidPrivateKey)
}

fn p521(scalar: &[u8], point: &[u8]) -> Result<Signer, KeyError> {
    let key =
        p521::ecdsa::SigningKey::from_slice(scalar).map_err(|_| KeyError::InvalidPrivateKey)?;
    let public = p521::ecdsa::VerifyingKey::from(&key).to_encoded_point(false);
    if public.as_bytes() != point {
        return Err(KeyError::InvalidPrivateKey);
    }
    Ok(Signer::EcdsaP521(Box::new(key)))
}

/// Encodes a signature of two numbers of equal length as RFC 5656 section 3.1.2 wants it.
fn two_numbers(fixed: &[u8]) -> Vec<u8> {
    let (r, s) = fixed.split_at(fixed.len() / 2);
    let mut value = Vec::with_capacity(fixed.len() + 10);
    value.put_mpint(r);
    value.put_mpint(s);
    value
}
