//! The two lines that the log has of a connection, and what is known of a client before it is let
//! in.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use agent_ssh_protocol::{Authenticator, Offer};
use parking_lot::Mutex;
use tracing::info;

use crate::{Peer, TransportKind, auth::Identity};

/// Most characters of a user name in the log; the name is any text of the client's.
const MAX_USER_CHARS: usize = 64;

/// Why a connection ended, in the words of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Closed,
    Lost,
    Keepalive,
    LoginGrace,
    TooManyFailures,
    Protocol,
    ShuttingDown,
}

impl Reason {
    fn text(self) -> &'static str {
        match self {
            Self::Closed => "closed by client",
            Self::Lost => "connection lost",
            Self::Keepalive => "keepalive timeout",
            Self::LoginGrace => "login grace",
            Self::TooManyFailures => "too many authentication failures",
            Self::Protocol => "protocol error",
            Self::ShuttingDown => "agent shutting down",
        }
    }
}

/// What both lines say.
#[derive(Debug)]
pub(super) struct Log {
    id: u64,
    peer: String,
    transport: &'static str,
    user: String,
    identity: Option<Identity>,
    since: Instant,
}

impl Log {
    /// A connection that has just arrived.
    pub(super) fn new(id: u64, peer: Peer, transport: TransportKind) -> Self {
        let peer = peer.remote.map_or_else(|| "unknown".to_owned(), written);
        let (user, identity) = (String::new(), None);
        Self { id, peer, transport: transport.label(), user, identity, since: Instant::now() }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// The first line; `user` is what the client called itself.
    pub(super) fn connected(&mut self, user: &[u8], identity: Option<&Identity>) {
        self.user = String::from_utf8_lossy(user).chars().take(MAX_USER_CHARS).collect();
        self.identity = identity.cloned();
        let key = self.identity.as_ref();
        info!(
            connection.id = self.id,
            peer = self.peer,
            transport = self.transport,
            user = self.user,
            key.r#type = key.map(|key| key.key_type.as_str()),
            key.fingerprint = key.map(|key| key.fingerprint.as_str()),
            key.certificate_id = key.and_then(|key| key.certificate_id.as_deref()),
            "ssh connected"
        );
    }

    /// The second line.
    pub(super) fn disconnected(self, reason: Reason) {
        let key = self.identity.as_ref();
        let duration_ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        info!(
            connection.id = self.id,
            peer = self.peer,
            transport = self.transport,
            user = self.user,
            key.r#type = key.map(|key| key.key_type.as_str()),
            key.fingerprint = key.map(|key| key.fingerprint.as_str()),
            key.certificate_id = key.and_then(|key| key.certificate_id.as_deref()),
            duration_ms,
            reason = reason.text(),
            "ssh disconnected"
        );
    }
}

/// An address as everywhere else: one of IPv4 as such, also if its listener has IPv6.
fn written(address: SocketAddr) -> String {
    SocketAddr::new(address.ip().to_canonical(), address.port()).to_string()
}

/// An authenticator of whose clients the last user name is remembered, also if none is let in.
#[derive(Debug)]
pub(super) struct Watched<A> {
    inner: A,
    user: Arc<Mutex<Vec<u8>>>,
}

impl<A> Watched<A> {
    pub(super) fn new(inner: A) -> Self {
        Self { inner, user: Arc::default() }
    }

    /// The last user name that was asked for.
    pub(super) fn user(&self) -> Arc<Mutex<Vec<u8>>> {
        Arc::clone(&self.user)
    }

    pub(super) fn into_inner(self) -> A {
        self.inner
    }

    fn note(&self, user: &[u8]) {
        let longest = user.len().min(4 * MAX_USER_CHARS);
        user[..longest].clone_into(&mut self.user.lock());
    }
}

impl<A: Authenticator> Authenticator for Watched<A> {
    async fn none(&mut self, user: &[u8]) -> bool {
        self.note(user);
        self.inner.none(user).await
    }

    async fn public_key(&mut self, offer: Offer<'_>) -> bool {
        self.note(offer.user);
        self.inner.public_key(offer).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_is_written_as_ipv4() {
        for (address, expected) in [
            ("[::ffff:192.0.2.1]:22", "192.0.2.1:22"),
            ("192.0.2.1:22", "192.0.2.1:22"),
            ("[2001:db8::1]:22", "[2001:db8::1]:22"),
        ] {
            let address = address.parse().expect("an address");
            assert_eq!(written(address), expected);
        }
    }
}
