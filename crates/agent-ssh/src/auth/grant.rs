//! What a login may do, decided once when it logs in.

use agent_ssh_protocol::key::{Certificate, PublicKey};

use super::options::KeyOptions;
use super::pattern;

/// A host and a port that a forward may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostPort {
    /// A name or an address without brackets; for listeners a pattern with `*` and `?`.
    pub(crate) host: Vec<u8>,
    /// `None` for every port.
    pub(crate) port: Option<u16>,
}

impl HostPort {
    fn has_port(&self, port: u32) -> bool {
        self.port.is_none_or(|own| u32::from(own) == port)
    }
}

/// The key that logged in, as logs name it; holds no key material.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// `ssh-ed25519`, `ssh-ed25519-cert-v01@openssh.com`, …
    pub(crate) key_type: String,
    /// `SHA256:…` of the key, for a certificate of the key it certifies.
    pub(crate) fingerprint: String,
    /// The key id of a certificate, invalid UTF-8 replaced; at most 256 characters.
    pub(crate) certificate_id: Option<String>,
}

impl Identity {
    const MAX_ID_CHARS: usize = 256;

    pub(crate) fn new(key: &PublicKey, certificate: Option<&Certificate>) -> Self {
        let id = |certificate: &Certificate| {
            String::from_utf8_lossy(&certificate.key_id).chars().take(Self::MAX_ID_CHARS).collect()
        };
        Self {
            key_type: certificate.map_or(key.algorithm(), Certificate::algorithm).to_owned(),
            fingerprint: key.fingerprint(),
            certificate_id: certificate.map(id),
        }
    }
}

/// What the sessions and forwards of one connection may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Runs instead of whatever the client asks for.
    pub(crate) forced: Option<Vec<u8>>,
    pub(crate) pty: bool,
    pub(crate) port_forwarding: bool,
    pub(crate) agent_forwarding: bool,
    pub(crate) x11_forwarding: bool,
    /// The only targets of `direct-tcpip`; `None` for no such limit.
    pub(crate) permit_open: Option<Vec<HostPort>>,
    /// The only addresses of `tcpip-forward`; `None` for no such limit.
    pub(crate) permit_listen: Option<Vec<HostPort>>,
    /// `None` when the client logged in without a key.
    pub(crate) identity: Option<Identity>,
}

impl Grant {
    /// The grant of a caller whom somebody else has authenticated.
    pub(crate) fn everything() -> Self {
        Self::from_options(&KeyOptions::default(), None)
    }

    pub(super) fn from_options(options: &KeyOptions, identity: Option<Identity>) -> Self {
        let permits = |list: &[HostPort]| (!list.is_empty()).then(|| list.to_vec());
        Self {
            forced: options.command.clone(),
            pty: options.pty,
            port_forwarding: options.port_forwarding,
            agent_forwarding: options.agent_forwarding,
            x11_forwarding: options.x11_forwarding,
            permit_open: permits(&options.permit_open),
            permit_listen: permits(&options.permit_listen),
            identity,
        }
    }

    /// Tells whether anything is kept from this login that others may.
    pub(crate) fn is_limited(&self) -> bool {
        *self != Self { identity: self.identity.clone(), ..Self::everything() }
    }

    /// Tells whether `direct-tcpip` to this target is granted.
    ///
    /// Hosts are compared as text, without a look-up; only `*` alone stands for others.
    pub(crate) fn permits_open(&self, host: &[u8], port: u32) -> bool {
        let permitted =
            |own: &HostPort| own.has_port(port) && (own.host == b"*" || own.host == host);
        self.port_forwarding
            && self.permit_open.as_ref().is_none_or(|list| list.iter().any(permitted))
    }

    /// Tells whether `tcpip-forward` on this address, as the client wrote it, is granted.
    pub(crate) fn permits_listen(&self, host: &[u8], port: u32) -> bool {
        let host = host.to_ascii_lowercase();
        let permitted = |own: &HostPort| own.has_port(port) && pattern::matches(&host, &own.host);
        self.port_forwarding
            && self.permit_listen.as_ref().is_none_or(|list| list.iter().any(permitted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(options: &str) -> Grant {
        let options = KeyOptions::parse(options.as_bytes()).expect("options");
        Grant::from_options(&options, None)
    }

    #[test]
    fn a_login_is_limited_when_anything_is_kept_from_it() {
        for (options, expected) in [
            ("", false),
            ("from=\"*\"", false),
            ("command=\"date\"", true),
            ("permitopen=\"db:5432\"", true),
            ("permitlisten=\"8080\"", true),
            ("restrict,port-forwarding", true),
            ("no-pty", true),
            ("no-agent-forwarding", true),
            ("no-X11-forwarding", true),
            ("restrict,pty,port-forwarding,agent-forwarding,X11-forwarding", false),
        ] {
            assert_eq!(grant(options).is_limited(), expected, "{options}");
        }
    }

    #[test]
    fn opens_are_compared_as_text() {
        for (options, host, port, expected) in [
            ("", "anything", 1, true),
            ("restrict", "anything", 1, false),
            ("restrict,port-forwarding", "anything", 1, true),
            ("permitopen=\"db:5432\"", "db", 5432, true),
            ("permitopen=\"db:5432\"", "db", 5433, false),
            ("permitopen=\"db:5432\"", "DB", 5432, false),
            ("permitopen=\"d?:5432\"", "db", 5432, false),
            ("permitopen=\"db:*\"", "db", 1, true),
            ("permitopen=\"*:80\"", "web", 80, true),
            ("permitopen=\"*:80\"", "web", 81, false),
            ("permitopen=\"[::1]:80\"", "::1", 80, true),
            ("permitopen=\"a:1\",permitopen=\"b:2\"", "b", 2, true),
            ("permitopen=\"a:1\",permitopen=\"b:2\"", "b", 1, false),
            ("permitopen=\"a:1\",no-port-forwarding", "a", 1, false),
            ("permitlisten=\"a:1\"", "b", 2, true),
        ] {
            let actual = grant(options).permits_open(host.as_bytes(), port);
            assert_eq!(actual, expected, "{options} {host}:{port}");
        }
    }

    #[test]
    fn listens_match_patterns_in_any_case() {
        for (options, host, port, expected) in [
            ("", "", 0, true),
            ("no-port-forwarding", "", 0, false),
            ("permitlisten=\"8080\"", "", 8080, true),
            ("permitlisten=\"8080\"", "localhost", 8080, true),
            ("permitlisten=\"8080\"", "localhost", 0, false),
            ("permitlisten=\"*\"", "", 0, true),
            ("permitlisten=\"localhost:8080\"", "LocalHost", 8080, true),
            ("permitlisten=\"localhost:8080\"", "127.0.0.1", 8080, false),
            ("permitlisten=\"127.0.0.?:*\"", "127.0.0.7", 1, true),
            ("permitlisten=\"[::1]:22000\"", "::1", 22000, true),
            ("permitopen=\"a:1\"", "b", 2, true),
        ] {
            let actual = grant(options).permits_listen(host.as_bytes(), port);
            assert_eq!(actual, expected, "{options} {host}:{port}");
        }
    }
}
