//! The exchange hash, and the keys drawn from it.

use std::fmt;

use ring::digest::{Context, Digest};
use zeroize::Zeroizing;

use super::{Method, Role, SharedSecret};
use crate::cipher::{DirectionKeys, Suite};
use crate::wire::Put;

/// All that both sides have said up to the end of a key exchange.
///
/// Source: RFC 4253 section 8, RFC 5656 section 4.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transcript<'a> {
    /// The client's identification, without its CR LF.
    pub(crate) client_id: &'a [u8],
    /// The server's identification, without its CR LF.
    pub(crate) server_id: &'a [u8],
    /// The payload of the client's `SSH_MSG_KEXINIT`.
    pub(crate) client_init: &'a [u8],
    /// The payload of the server's `SSH_MSG_KEXINIT`.
    pub(crate) server_init: &'a [u8],
    /// The server's host key, encoded.
    pub(crate) host_key: &'a [u8],
    /// The client's ephemeral key.
    pub(crate) client_public: &'a [u8],
    /// The server's ephemeral key.
    pub(crate) server_public: &'a [u8],
}

impl Transcript<'_> {
    /// Returns the hash that the host key signs and the keys are drawn from.
    pub(crate) fn hash(&self, method: Method, secret: &SharedSecret) -> ExchangeHash {
        let mut context = Context::new(method.digest());
        let mut length = Vec::with_capacity(4);
        for field in [
            self.client_id,
            self.server_id,
            self.client_init,
            self.server_init,
            self.host_key,
            self.client_public,
            self.server_public,
        ] {
            length.clear();
            length.put_u32(u32::try_from(field.len()).expect("a field came in one packet"));
            context.update(&length);
            context.update(field);
        }
        context.update(&secret.mpint);
        ExchangeHash(context.finish())
    }
}

/// The hash over a key exchange; the first of a connection is also its session identifier.
#[derive(Clone, Copy)]
pub(crate) struct ExchangeHash(Digest);

impl AsRef<[u8]> for ExchangeHash {
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref()
    }
}

impl fmt::Debug for ExchangeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // With the session identifier a reader of logs could claim to be in the session.
        f.debug_struct("ExchangeHash").finish_non_exhaustive()
    }
}

/// Draws the keys for what `sender` sends.
///
/// Source: RFC 4253 section 7.2.
pub(crate) fn derive(
    method: Method,
    secret: &SharedSecret,
    hash: &ExchangeHash,
    session_id: &ExchangeHash,
    sender: Role,
    suite: Suite,
) -> DirectionKeys {
    let [iv, key, mac] = match sender {
        Role::Client => *b"ACE",
        Role::Server => *b"BDF",
    };
    let mac_len = if suite.cipher.is_authenticated() { 0 } else { suite.mac.len() };
    let draw = |letter, length| draw(method, secret, hash, session_id, letter, length);
    DirectionKeys {
        iv: draw(iv, suite.cipher.iv_len()),
        key: draw(key, suite.cipher.key_len()),
        mac: draw(mac, mac_len),
    }
}

fn draw(
    method: Method,
    secret: &SharedSecret,
    hash: &ExchangeHash,
    session_id: &ExchangeHash,
    letter: u8,
    length: usize,
) -> Zeroizing<Vec<u8>> {
    let mut start = Context::new(method.digest());
    start.update(&secret.mpint);
    start.update(hash.as_ref());
    let mut first = start.clone();
    first.update(&[letter]);
    first.update(session_id.as_ref());
    let mut key = Zeroizing::new(Vec::with_capacity(length + method.digest().output_len()));
    key.extend_from_slice(first.finish().as_ref());
    while key.len() < length {
        let mut next = start.clone();
        next.update(&key);
        key.extend_from_slice(next.finish().as_ref());
    }
    key.truncate(length);
    key
}
