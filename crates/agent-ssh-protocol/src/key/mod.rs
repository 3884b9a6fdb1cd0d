//! Keys, certificates and signatures: what an identity is made of, not who may use it.
//!
//! Source: RFC 4253 section 6.6, RFC 5656, RFC 8332, RFC 8709, and OpenSSH's `PROTOCOL.u2f`,
//! `PROTOCOL.certkeys` and `PROTOCOL.key`.

mod algorithm;
mod certificate;
mod error;
mod file;
mod host;
mod public;
mod rsa;
mod signature;
#[cfg(test)]
mod tests;

pub use algorithm::{Curve, SIGNATURE_ALGORITHMS, is_certificate_algorithm, signature_algorithm};
pub use certificate::{Certificate, CertificateKind};
pub use error::{KeyError, SignError};
pub use host::HostKey;
pub use public::{EcdsaKey, Ed25519Key, PublicKey, RsaKey};
pub use signature::{BadSignature, Verified};
