//! Key exchange: negotiation, the shared secret, the exchange hash and the keys drawn from it.
//!
//! Only the mathematics and the lists of names; which message comes when is known by `transport`.
//!
//! Source: RFC 4253 sections 7 and 8, RFC 5656, RFC 8731.

mod agree;
mod derive;
mod negotiate;
#[cfg(test)]
mod tests;

pub(crate) use agree::{Ephemeral, KexError, SharedSecret};
pub(crate) use derive::{ExchangeHash, Transcript, derive};
pub(crate) use negotiate::{Chosen, HOST_KEY_ALGORITHMS, KexInit, negotiate};

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

impl Role {
    /// Returns the other end.
    pub(crate) const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// A method of key exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Curve25519,
    NistP256,
    NistP384,
    NistP521,
}

impl Method {
    /// The names of the methods, the most wanted first; one method has two names.
    const NAMES: [(&'static str, Self); 5] = [
        ("curve25519-sha256", Self::Curve25519),
        ("curve25519-sha256@libssh.org", Self::Curve25519),
        ("ecdh-sha2-nistp256", Self::NistP256),
        ("ecdh-sha2-nistp384", Self::NistP384),
        ("ecdh-sha2-nistp521", Self::NistP521),
    ];

    const fn digest(self) -> &'static ring::digest::Algorithm {
        match self {
            Self::Curve25519 | Self::NistP256 => &ring::digest::SHA256,
            Self::NistP384 => &ring::digest::SHA384,
            Self::NistP521 => &ring::digest::SHA512,
        }
    }
}
