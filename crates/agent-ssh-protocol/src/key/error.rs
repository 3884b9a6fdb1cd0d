//! Why a key, a certificate or a key file is not taken.

use crate::wire::Malformed;

/// A key, a certificate or a key file could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A field is missing or does not have its form, or something follows the last.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The type is not known here, DSA among them.
    #[error("unsupported key type `{name}`")]
    UnsupportedType {
        /// The type as it was sent.
        name: String,
    },
    /// The modulus of an RSA key is not between 2048 and 8192 bits.
    #[error("unsupported RSA key of {bits} bits")]
    RsaSize {
        /// Bits of the modulus.
        bits: usize,
    },
    /// The text is not base64.
    #[error("key is not base64")]
    Base64,
    /// The type in front of a key is not the one inside it.
    #[error("key is of type `{actual}`, not `{named}`")]
    OtherType {
        /// The type in front.
        named: String,
        /// The type inside.
        actual: String,
    },
    /// A certificate is neither of a user nor of a host.
    #[error("unsupported certificate kind {number}")]
    UnsupportedKind {
        /// The kind as it was sent.
        number: u32,
    },
    /// A certificate names more principals than the 256 that OpenSSH takes.
    #[error("certificate has too many principals")]
    TooManyPrincipals,
    /// A file is no private key that this crate reads.
    #[error("not a private key in OpenSSH format")]
    NotAPrivateKey,
    /// A private key is protected by a passphrase, and nobody is there to type it.
    #[error("private key is encrypted with a passphrase")]
    Encrypted,
    /// The parts of a private key do not belong together, or are out of bounds.
    #[error("private key is not valid")]
    InvalidPrivateKey,
}

/// A key does not sign in the algorithm it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("host key does not sign with `{algorithm}`")]
pub struct SignError {
    /// The algorithm asked for.
    pub algorithm: String,
}
