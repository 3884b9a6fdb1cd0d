//! The lists of names both sides offer, and what is chosen from them.

use ring::rand::{SecureRandom, SystemRandom};

use super::{Method, Role};
use crate::cipher::{Cipher, Mac, Suite};
use crate::wire::{Malformed, Put, Reader};

/// The algorithms a client accepts a proof of the host key in, the most wanted first.
pub(crate) const HOST_KEY_ALGORITHMS: &[&str] = &[
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
];

/// The number of the message, RFC 4253 section 12.
const SSH_MSG_KEXINIT: u8 = 20;

const EXT_INFO_CLIENT: &str = "ext-info-c";
const EXT_INFO_SERVER: &str = "ext-info-s";
const STRICT_CLIENT: &str = "kex-strict-c-v00@openssh.com";
const STRICT_SERVER: &str = "kex-strict-s-v00@openssh.com";

/// What one side offers: the message `SSH_MSG_KEXINIT`.
///
/// Lists are in the sender's order of preference. Languages are read and dropped.
///
/// Source: RFC 4253 section 7.1.
#[derive(Debug, Clone)]
pub(crate) struct KexInit {
    cookie: [u8; 16],
    methods: List,
    host_keys: List,
    /// For what the client sends, then for what the server sends; so the next two.
    ciphers: [List; 2],
    macs: [List; 2],
    compressions: [List; 2],
    is_guess_following: bool,
}

impl KexInit {
    /// Offers all that this crate knows.
    ///
    /// The first offer of a connection also carries the names that are no methods: strict key
    /// exchange, and from a client that it takes `SSH_MSG_EXT_INFO`.
    pub(crate) fn ours(role: Role, host_key_algorithms: &[&str], is_first: bool) -> Self {
        let mut cookie = [0; 16];
        SystemRandom::new().fill(&mut cookie).expect("the kernel gives random bytes");
        let methods = Method::NAMES.iter().map(|(name, _)| *name);
        let markers: &[&str] = match (role, is_first) {
            (Role::Client, true) => &[EXT_INFO_CLIENT, STRICT_CLIENT],
            (Role::Server, true) => &[STRICT_SERVER],
            (_, false) => &[],
        };
        Self {
            cookie,
            methods: List::of(&methods.chain(markers.iter().copied()).collect::<Vec<_>>()),
            host_keys: List::of(host_key_algorithms),
            ciphers: [(); 2].map(|()| List::of(&Cipher::ALL.map(Cipher::name))),
            macs: [(); 2].map(|()| List::of(&Mac::ALL.map(Mac::name))),
            compressions: [(); 2].map(|()| List::of(&["none"])),
            is_guess_following: false,
        }
    }

    /// Returns the payload of the message, its number included.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(1024);
        payload.put_u8(SSH_MSG_KEXINIT);
        payload.put_raw(&self.cookie);
        let [to_server, to_client] = [0, 1];
        for list in [
            &self.methods,
            &self.host_keys,
            &self.ciphers[to_server],
            &self.ciphers[to_client],
            &self.macs[to_server],
            &self.macs[to_client],
            &self.compressions[to_server],
            &self.compressions[to_client],
        ] {
            payload.put_string(list.0.as_bytes());
        }
        payload.put_name_list(&[]);
        payload.put_name_list(&[]);
        payload.put_bool(self.is_guess_following);
        payload.put_u32(0);
        payload
    }

    /// Reads the payload of the message, its number included.
    pub(crate) fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload);
        if reader.u8()? != SSH_MSG_KEXINIT {
            return Err(Malformed::expected("the offer of a key exchange"));
        }
        let cookie = reader.array("a cookie")?;
        let mut list = || reader.text().map(|names| List(names.to_owned()));
        let init = Self {
            cookie,
            methods: list()?,
            host_keys: list()?,
            ciphers: [list()?, list()?],
            macs: [list()?, list()?],
            compressions: [list()?, list()?],
            is_guess_following: false,
        };
        // Languages: of no use to a server that says nothing to people.
        reader.string()?;
        reader.string()?;
        let is_guess_following = reader.bool()?;
        // Reserved; whatever a later protocol puts here is not for this one.
        reader.u32()?;
        Ok(Self { is_guess_following, ..init })
    }

    fn has(&self, marker: &str) -> bool {
        self.methods.has(marker)
    }
}

/// Names separated by commas, as they are sent.
///
/// Kept in one piece, so that an offer of a hundred thousand names takes no more than its packet.
#[derive(Debug, Clone)]
struct List(String);

impl List {
    fn of(names: &[&str]) -> Self {
        Self(names.join(","))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split(',')
    }

    fn has(&self, name: &str) -> bool {
        self.names().any(|listed| listed == name)
    }
}

/// What was chosen for one key exchange and the packets after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// How the secret is agreed on.
    pub(crate) method: Method,
    /// The signature algorithm the server proves its host key with.
    pub(crate) host_key: &'static str,
    /// The protection of what the client sends.
    pub(crate) client_to_server: Suite,
    /// The protection of what the server sends.
    pub(crate) server_to_client: Suite,
    /// Both sides asked for strict key exchange; says nothing in any but the first exchange.
    pub(crate) strict: bool,
    /// The client takes `SSH_MSG_EXT_INFO`.
    pub(crate) client_takes_ext_info: bool,
    /// The server takes `SSH_MSG_EXT_INFO`.
    pub(crate) server_takes_ext_info: bool,
    /// The client guessed, and wrong: its next packet is to be ignored.
    pub(crate) discard_client_guess: bool,
    /// The server guessed, and wrong: its next packet is to be ignored.
    pub(crate) discard_server_guess: bool,
}

impl Chosen {
    /// Returns the protection of what `sender` sends.
    pub(crate) const fn suite(&self, sender: Role) -> Suite {
        match sender {
            Role::Client => self.client_to_server,
            Role::Server => self.server_to_client,
        }
    }
}

/// The two sides have nothing in common for one of the choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no common {what}")]
pub(crate) struct NoCommon {
    /// What could not be chosen: `key exchange method`, `cipher`, …
    pub(crate) what: &'static str,
}

/// Chooses the first of each of the client's lists that the server has too.
///
/// # Errors
///
/// [`NoCommon`] when there is none, or none that this crate knows.
pub(crate) fn negotiate(client: &KexInit, server: &KexInit) -> Result<Chosen, NoCommon> {
    let method = common(&client.methods, &server.methods, "key exchange method", |name| {
        Method::NAMES.iter().find(|(known, _)| *known == name).map(|(_, method)| *method)
    })?;
    let host_key = common(&client.host_keys, &server.host_keys, "host key algorithm", |name| {
        HOST_KEY_ALGORITHMS.iter().find(|known| **known == name).copied()
    })?;
    let suite = |direction: usize| suite(client, server, direction);
    let is_guess_right = client.methods.names().next() == server.methods.names().next()
        && client.host_keys.names().next() == server.host_keys.names().next();
    Ok(Chosen {
        method,
        host_key,
        client_to_server: suite(0)?,
        server_to_client: suite(1)?,
        strict: client.has(STRICT_CLIENT) && server.has(STRICT_SERVER),
        client_takes_ext_info: client.has(EXT_INFO_CLIENT),
        server_takes_ext_info: server.has(EXT_INFO_SERVER),
        discard_client_guess: client.is_guess_following && !is_guess_right,
        discard_server_guess: server.is_guess_following && !is_guess_right,
    })
}

fn suite(client: &KexInit, server: &KexInit, direction: usize) -> Result<Suite, NoCommon> {
    let cipher =
        common(&client.ciphers[direction], &server.ciphers[direction], "cipher", |name| {
            Cipher::ALL.into_iter().find(|cipher| cipher.name() == name)
        })?;
    let mac = if cipher.is_authenticated() {
        // Not used, and OpenSSH does not ask for a common one either.
        Mac::HmacSha256Etm
    } else {
        common(&client.macs[direction], &server.macs[direction], "MAC", |name| {
            Mac::ALL.into_iter().find(|mac| mac.name() == name)
        })?
    };
    let none = |name: &str| (name == "none").then_some(());
    let lists = (&client.compressions[direction], &server.compressions[direction]);
    common(lists.0, lists.1, "compression", none)?;
    Ok(Suite { cipher, mac })
}

/// Returns the first of the client's names that the server has and `known` knows.
fn common<T>(
    client: &List,
    server: &List,
    what: &'static str,
    known: impl Fn(&str) -> Option<T>,
) -> Result<T, NoCommon> {
    client
        .names()
        .filter_map(|name| known(name).filter(|_| server.has(name)))
        .next()
        .ok_or(NoCommon { what })
}
