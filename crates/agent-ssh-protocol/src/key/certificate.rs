//! Certificates: a key with names, a validity and options, signed by an authority.
//!
//! Whether a certificate is good for something (its time, its principals, its options, whether
//! anybody trusts the authority) is for others to decide.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::algorithm::{SIGNATURE_ALGORITHMS, key_type_of_certificate};
use super::error::KeyError;
use super::public::{PublicKey, unsupported};
use super::signature::BadSignature;
use crate::wire::{Malformed, Reader};

/// The most principals of a certificate, as OpenSSH has it.
const MAX_PRINCIPALS: usize = 256;

/// Options by name, in the order they are written.
type Options = Vec<(Vec<u8>, Vec<u8>)>;

/// A certificate as it is written, of a user or a host.
///
/// Decoding does not check its signature: [`verify_signature`](Self::verify_signature) does.
///
/// Source: OpenSSH, `PROTOCOL.certkeys`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Certificate {
    /// The key that is certified.
    pub key: PublicKey,
    /// The authority's number for the certificate; zero when it does not count them.
    pub serial: u64,
    /// What the key may authenticate.
    pub kind: CertificateKind,
    /// The authority's name for the certificate, for logs; no NUL, any other byte.
    pub key_id: Vec<u8>,
    /// The names the key is good for, at most 256, each without NUL. None: OpenSSH takes that as
    /// any name for hosts and as none for users.
    pub principals: Vec<Vec<u8>>,
    /// The first second the certificate is good in, since 1970.
    pub valid_after: u64,
    /// The first second the certificate is no longer good in, since 1970; all ones for never.
    pub valid_before: u64,
    /// What a reader has to understand, by name, with the value as it is encoded: mostly a string
    /// in a string, or nothing.
    pub critical_options: Vec<(Vec<u8>, Vec<u8>)>,
    /// What a reader may ignore, encoded as the critical options are.
    pub extensions: Vec<(Vec<u8>, Vec<u8>)>,
    /// The key of the authority; a plain key, never a certificate.
    pub signature_key: PublicKey,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

/// What a certified key may authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateKind {
    /// A user.
    User,
    /// A host.
    Host,
}

impl Certificate {
    /// Reads a certificate as it is sent, and nothing after it.
    ///
    /// # Errors
    ///
    /// [`KeyError::UnsupportedType`] for other types, plain keys among them, and when the
    /// authority's key is a certificate; the errors of [`PublicKey::decode`] for both keys;
    /// [`KeyError::UnsupportedKind`]; [`KeyError::TooManyPrincipals`]; [`KeyError::Malformed`].
    pub fn decode(blob: &[u8]) -> Result<Self, KeyError> {
        let mut reader = Reader::new(blob);
        let name = reader.string()?;
        let key_type = std::str::from_utf8(name)
            .ok()
            .and_then(key_type_of_certificate)
            .ok_or_else(|| unsupported(name))?;
        // The nonce is there to make the hash unpredictable, and says nothing.
        reader.string()?;
        let key = PublicKey::decode_fields(key_type, &mut reader)?;
        let serial = reader.u64()?;
        let kind = CertificateKind::of_number(reader.u32()?)?;
        let key_id = without_nul(reader.string()?)?;
        let principals = principals(reader.string()?)?;
        let (valid_after, valid_before) = (reader.u64()?, reader.u64()?);
        let critical_options = options(reader.string()?)?;
        let extensions = options(reader.string()?)?;
        // Reserved, and empty today; what is here later must not stop a reader.
        reader.string()?;
        let signature_key = PublicKey::decode(reader.string()?)?;
        let mut rest = reader.clone();
        let signature = reader.string()?.to_vec();
        reader.end()?;
        let signed = blob[..blob.len() - rest.rest().len()].to_vec();
        Ok(Self {
            key,
            serial,
            kind,
            key_id,
            principals,
            valid_after,
            valid_before,
            critical_options,
            extensions,
            signature_key,
            signed,
            signature,
        })
    }

    /// Reads the two words of a certificate in a file `*-cert.pub`: type and base64.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode); [`KeyError::Base64`]; [`KeyError::OtherType`] when the two
    /// words disagree.
    pub fn from_openssh_line_parts(type_name: &str, base64: &str) -> Result<Self, KeyError> {
        let blob = BASE64_STANDARD.decode(base64).map_err(|_| KeyError::Base64)?;
        let certificate = Self::decode(&blob)?;
        let actual = certificate.algorithm();
        if actual == type_name {
            Ok(certificate)
        } else {
            let (named, actual) = (type_name.to_owned(), actual.to_owned());
            Err(KeyError::OtherType { named, actual })
        }
    }

    /// Returns the type: `ssh-ed25519-cert-v01@openssh.com`.
    pub const fn algorithm(&self) -> &'static str {
        use super::algorithm::Curve;
        match &self.key {
            PublicKey::Ed25519(_) => "ssh-ed25519-cert-v01@openssh.com",
            PublicKey::Ecdsa(key) => match key.curve {
                Curve::NistP256 => "ecdsa-sha2-nistp256-cert-v01@openssh.com",
                Curve::NistP384 => "ecdsa-sha2-nistp384-cert-v01@openssh.com",
                Curve::NistP521 => "ecdsa-sha2-nistp521-cert-v01@openssh.com",
            },
            PublicKey::Rsa(_) => "ssh-rsa-cert-v01@openssh.com",
            PublicKey::SkEd25519 { .. } => "sk-ssh-ed25519-cert-v01@openssh.com",
            PublicKey::SkEcdsa { .. } => "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
        }
    }

    /// Checks that the certificate was signed by [`signature_key`](Self::signature_key).
    ///
    /// # Errors
    ///
    /// [`BadSignature`] when it was not, or with SHA-1.
    pub fn verify_signature(&self) -> Result<(), BadSignature> {
        let name = Reader::new(&self.signature).string()?;
        let algorithm = SIGNATURE_ALGORITHMS
            .iter()
            .find(|known| known.as_bytes() == name)
            .ok_or(BadSignature)?;
        self.signature_key.verify(algorithm, &self.signed, &self.signature).map(drop)
    }
}

impl CertificateKind {
    const fn of_number(number: u32) -> Result<Self, KeyError> {
        match number {
            1 => Ok(Self::User),
            2 => Ok(Self::Host),
            _ => Err(KeyError::UnsupportedKind { number }),
        }
    }
}

fn principals(list: &[u8]) -> Result<Vec<Vec<u8>>, KeyError> {
    let mut reader = Reader::new(list);
    let mut principals = Vec::new();
    while !reader.is_empty() {
        if principals.len() == MAX_PRINCIPALS {
            return Err(KeyError::TooManyPrincipals);
        }
        principals.push(without_nul(reader.string()?)?);
    }
    Ok(principals)
}

fn options(list: &[u8]) -> Result<Options, Malformed> {
    let mut reader = Reader::new(list);
    let mut options = Vec::new();
    while !reader.is_empty() {
        options.push((reader.string()?.to_vec(), reader.string()?.to_vec()));
    }
    Ok(options)
}

/// Refuses names that a program written in C would see shorter than they are.
fn without_nul(name: &[u8]) -> Result<Vec<u8>, Malformed> {
    if name.contains(&0) {
        return Err(Malformed::expected("a name without NUL"));
    }
    Ok(name.to_vec())
}
