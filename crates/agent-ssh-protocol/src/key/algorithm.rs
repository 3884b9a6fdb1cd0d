//! The names of keys, certificates and signatures.

/// The signature algorithms accepted from a peer, the most wanted first.
///
/// What a server lists in `server-sig-algs` (RFC 8308 section 3.1). SHA-1 is not among them.
pub const SIGNATURE_ALGORITHMS: &[&str] = &[
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "rsa-sha2-512",
    "rsa-sha2-256",
];

/// What the name of an algorithm ends with when a certificate is offered.
const CERTIFICATE_SUFFIX: &str = "-cert-v01@openssh.com";

/// Returns the signature algorithm behind the name of a public key algorithm.
///
/// A user authenticates with a public key algorithm; with a certificate that name says so, while
/// the signature bears the name of the plain algorithm. `None` when signatures of this kind are
/// not accepted: SHA-1, DSA, and what is unknown.
pub fn signature_algorithm(public_key_algorithm: &str) -> Option<&'static str> {
    SIGNATURE_ALGORITHMS.iter().copied().find(|name| {
        *name == public_key_algorithm
            || public_key_algorithm
                .strip_suffix(CERTIFICATE_SUFFIX)
                .is_some_and(|stem| stem == name.trim_end_matches("@openssh.com"))
    })
}

/// Tells whether a public key algorithm is one of certificates, accepted or not.
pub fn is_certificate_algorithm(public_key_algorithm: &str) -> bool {
    public_key_algorithm.ends_with(CERTIFICATE_SUFFIX)
}

/// A curve of ECDSA keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Curve {
    /// NIST P-256, with SHA-256.
    NistP256,
    /// NIST P-384, with SHA-384.
    NistP384,
    /// NIST P-521, with SHA-512.
    NistP521,
}

impl Curve {
    const ALL: [Self; 3] = [Self::NistP256, Self::NistP384, Self::NistP521];

    /// Returns the name in the middle of a key: `nistp256`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::NistP256 => "nistp256",
            Self::NistP384 => "nistp384",
            Self::NistP521 => "nistp521",
        }
    }

    /// Returns the type of the key, which is also its signature algorithm.
    pub(super) const fn algorithm(self) -> &'static str {
        match self {
            Self::NistP256 => "ecdsa-sha2-nistp256",
            Self::NistP384 => "ecdsa-sha2-nistp384",
            Self::NistP521 => "ecdsa-sha2-nistp521",
        }
    }

    pub(super) fn of_algorithm(algorithm: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.algorithm() == algorithm)
    }

    pub(super) const fn bits(self) -> usize {
        match self {
            Self::NistP256 => 256,
            Self::NistP384 => 384,
            Self::NistP521 => 521,
        }
    }

    /// Returns the bytes of a coordinate and of a scalar.
    pub(super) const fn field_len(self) -> usize {
        self.bits().div_ceil(8)
    }
}

/// Returns the type of a key whose certificate has the type `certificate`.
///
/// The type of an RSA certificate is always this one; the hash is chosen with each signature.
pub(super) fn key_type_of_certificate(certificate: &str) -> Option<&'static str> {
    match certificate {
        "ssh-rsa-cert-v01@openssh.com" => Some("ssh-rsa"),
        "rsa-sha2-256-cert-v01@openssh.com" | "rsa-sha2-512-cert-v01@openssh.com" => None,
        _ if is_certificate_algorithm(certificate) => signature_algorithm(certificate),
        _ => None,
    }
}
