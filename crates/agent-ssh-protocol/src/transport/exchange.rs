//! The key exchange: which message comes when, and which keys are used from where on.
//!
//! ```text
//!            begin() or KEXINIT of the peer
//!   idle ──────────────────────────────────▶ KEXINIT sent: nothing but the exchange leaves
//!    ▲                                          │ KEXINIT of the peer: nothing but the
//!    │                                          ▼ exchange may come
//!    │                                        agreed on algorithms
//!    │                                          │ KEX_ECDH_INIT / KEX_ECDH_REPLY
//!    │      NEWKEYS of the peer                 ▼
//!    └────────────────────────────────────── NEWKEYS sent: anything may leave again
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use crate::cipher::{Opener, Sealer};
use crate::error::ProtocolError;
use crate::kex::{
    Chosen, Ephemeral, ExchangeHash, HOST_KEY_ALGORITHMS, KexError, KexInit, Role, SharedSecret,
    Transcript, derive, negotiate,
};
use crate::key::{HostKey, PublicKey, SIGNATURE_ALGORITHMS};
use crate::message::{ext_info, number};
use crate::wire::{Put, Reader};

/// Which end this is, and what it proves or asks to be proved.
#[derive(Debug)]
pub(crate) enum Side {
    Server {
        host_keys: Vec<Arc<HostKey>>,
    },
    Client {
        /// The key the server proved; it must not change later.
        host_key: Option<PublicKey>,
    },
}

impl Side {
    const fn role(&self) -> Role {
        match self {
            Self::Server { .. } => Role::Server,
            Self::Client { .. } => Role::Client,
        }
    }

    fn host_key_algorithms(&self) -> Vec<&'static str> {
        match self {
            Self::Client { .. } => HOST_KEY_ALGORITHMS.to_vec(),
            Self::Server { host_keys } => {
                let all = host_keys.iter().flat_map(|key| key.algorithms().iter().copied());
                let mut names = Vec::new();
                all.for_each(|name| {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                });
                names
            }
        }
    }
}

/// What the exchange has to send, in order.
#[derive(Debug)]
pub(crate) enum Output {
    Message(Vec<u8>),
    /// What follows is under new keys.
    NewKeys {
        sealer: Box<Sealer>,
        resets_sequence: bool,
    },
}

/// What follows from the peer is under new keys.
#[derive(Debug)]
pub(crate) struct NewKeys {
    pub(crate) opener: Opener,
    pub(crate) resets_sequence: bool,
}

#[derive(Debug)]
enum Phase {
    /// The peer has not begun.
    Idle,
    /// Both offers are known.
    Agreed {
        chosen: Box<Chosen>,
        peer_init: Vec<u8>,
        /// The peer guessed wrong: its next packet is not for this exchange.
        discards_guess: bool,
        /// That of a client, which speaks first.
        ephemeral: Option<Ephemeral>,
    },
    /// The peer's next keys are known, and not used by it yet.
    Awaiting(Opener),
}

/// The key exchanges of a connection, one after the other.
#[derive(Debug)]
pub(crate) struct Exchange {
    side: Side,
    client_id: Vec<u8>,
    server_id: Vec<u8>,
    session_id: Option<ExchangeHash>,
    /// The first exchange has ended.
    has_keys: bool,
    /// Both sides asked, in the first exchange, that packets are not counted across keys.
    is_strict: bool,
    phase: Phase,
    /// Our offer in this exchange.
    ours: Option<(KexInit, Vec<u8>)>,
    /// Our offer was sent and our NEWKEYS was not.
    is_holding: bool,
    /// At most the messages of one exchange.
    pub(crate) output: VecDeque<Output>,
}

impl Exchange {
    /// Starts before the first exchange.
    pub(crate) const fn new(side: Side) -> Self {
        Self {
            side,
            client_id: Vec::new(),
            server_id: Vec::new(),
            session_id: None,
            has_keys: false,
            is_strict: false,
            phase: Phase::Idle,
            ours: None,
            is_holding: false,
            output: VecDeque::new(),
        }
    }

    /// Takes the identifications, without their CR LF, which every exchange is bound to.
    pub(crate) fn identify(&mut self, client_id: Vec<u8>, server_id: Vec<u8>) {
        self.client_id = client_id;
        self.server_id = server_id;
    }

    /// Begins an exchange, unless one is under way.
    pub(crate) fn begin(&mut self) {
        if self.ours.is_some() {
            return;
        }
        let algorithms = self.side.host_key_algorithms();
        let init = KexInit::ours(self.side.role(), &algorithms, !self.has_keys);
        let payload = init.encode();
        self.output.push_back(Output::Message(payload.clone()));
        self.ours = Some((init, payload));
        self.is_holding = true;
    }

    /// Tells whether nothing but the exchange may be sent: from our KEXINIT to our NEWKEYS.
    pub(crate) const fn is_holding(&self) -> bool {
        self.is_holding
    }

    /// Tells whether an exchange is under way on either side.
    pub(crate) const fn is_under_way(&self) -> bool {
        self.ours.is_some()
    }

    /// Returns the identifier of the session, after the first exchange.
    pub(crate) const fn session_id(&self) -> Option<&ExchangeHash> {
        self.session_id.as_ref()
    }

    /// Returns the key that the server proved, in a client.
    pub(crate) const fn host_key(&self) -> Option<&PublicKey> {
        match &self.side {
            Side::Client { host_key } => host_key.as_ref(),
            Side::Server { .. } => None,
        }
    }

    /// Tells whether the peer may send a message of this number now.
    ///
    /// # Errors
    ///
    /// It may not: it has begun an exchange and not ended it, or has not begun the first.
    pub(crate) fn permit(&self, number: u8) -> Result<(), ProtocolError> {
        let is_permitted = match (&self.phase, number) {
            (_, number::DISCONNECT) => true,
            // Before the first offer it is not known whether strictness is asked for; that the
            // offer was the first packet is checked when it comes.
            (Phase::Idle, number::IGNORE..=number::DEBUG | number::KEXINIT) => true,
            (Phase::Idle, number::NEWKEYS | 30..50) => false,
            (Phase::Idle, _) => self.has_keys,
            (_, number::IGNORE..=number::DEBUG) => self.has_keys || !self.is_strict,
            (Phase::Agreed { .. }, 30..50) | (Phase::Awaiting(_), number::NEWKEYS) => true,
            _ => false,
        };
        let error = || ProtocolError::broken(format!("message {number} during key exchange"));
        is_permitted.then_some(()).ok_or_else(error)
    }

    /// Takes a message of the exchange, which was [permitted](Self::permit); `sequence` is the
    /// number of its packet.
    pub(crate) fn receive(
        &mut self,
        payload: &[u8],
        sequence: u32,
    ) -> Result<Option<NewKeys>, ProtocolError> {
        match payload.first() {
            Some(&number::KEXINIT) => self.peer_offers(payload, sequence).map(|()| None),
            Some(&number::NEWKEYS) => self.peer_changes_keys().map(Some),
            _ => self.agree(payload).map(|()| None),
        }
    }

    fn peer_offers(&mut self, payload: &[u8], sequence: u32) -> Result<(), ProtocolError> {
        self.begin();
        let Some((ours, _)) = &self.ours else { return Err(unexpected(payload)) };
        let theirs = KexInit::decode(payload)?;
        let role = self.side.role();
        let chosen = match role {
            Role::Client => negotiate(ours, &theirs),
            Role::Server => negotiate(&theirs, ours),
        };
        let chosen = chosen.map_err(|error| ProtocolError::NoCommonAlgorithm(error.to_string()))?;
        if !self.has_keys {
            self.is_strict = chosen.strict;
            if self.is_strict && sequence != 0 {
                return Err(ProtocolError::broken("key exchange did not begin the connection"));
            }
        }
        let (discards_guess, ephemeral) = match role {
            Role::Server => (chosen.discard_client_guess, None),
            Role::Client => {
                let ephemeral = Ephemeral::new(chosen.method);
                let mut message = vec![number::KEX_ECDH_INIT];
                message.put_string(ephemeral.public());
                self.output.push_back(Output::Message(message));
                (chosen.discard_server_guess, Some(ephemeral))
            }
        };
        let (chosen, peer_init) = (Box::new(chosen), payload.to_vec());
        self.phase = Phase::Agreed { chosen, peer_init, discards_guess, ephemeral };
        Ok(())
    }

    /// Takes the half of the secret that the peer sends.
    fn agree(&mut self, payload: &[u8]) -> Result<(), ProtocolError> {
        if let Phase::Agreed { discards_guess, .. } = &mut self.phase
            && std::mem::take(discards_guess)
        {
            return Ok(());
        }
        let phase = std::mem::replace(&mut self.phase, Phase::Idle);
        let Phase::Agreed { chosen, peer_init, ephemeral, .. } = phase else {
            return Err(unexpected(payload));
        };
        match (self.side.role(), payload.first(), ephemeral) {
            (Role::Server, Some(&number::KEX_ECDH_INIT), _) => {
                self.answer(payload, &chosen, &peer_init)
            }
            (Role::Client, Some(&number::KEX_ECDH_REPLY), Some(ephemeral)) => {
                self.check_answer(payload, &chosen, &peer_init, ephemeral)
            }
            _ => Err(unexpected(payload)),
        }
    }

    fn answer(
        &mut self,
        payload: &[u8],
        chosen: &Chosen,
        peer_init: &[u8],
    ) -> Result<(), ProtocolError> {
        let client_public = sole_string(payload)?;
        let Side::Server { host_keys } = &self.side else { return Err(unexpected(payload)) };
        let signer = host_keys.iter().find(|key| key.algorithms().contains(&chosen.host_key));
        let signer = Arc::clone(signer.ok_or_else(|| unexpected(payload))?);
        let host_key = signer.public().encode();
        let ephemeral = Ephemeral::new(chosen.method);
        let server_public = ephemeral.public().to_vec();
        let secret = ephemeral.agree(client_public).map_err(bad_key)?;
        let hash = self.hash(chosen, peer_init, &host_key, client_public, &server_public, &secret);
        let signature = signer
            .sign(chosen.host_key, hash.as_ref())
            .map_err(|error| ProtocolError::broken(error.to_string()))?;
        let mut message = vec![number::KEX_ECDH_REPLY];
        message.put_string(&host_key);
        message.put_string(&server_public);
        message.put_string(&signature);
        self.output.push_back(Output::Message(message));
        self.change_keys(chosen, &secret, &hash);
        if !self.has_keys && chosen.client_takes_ext_info {
            self.output.push_back(Output::Message(ext_info(SIGNATURE_ALGORITHMS)));
        }
        Ok(())
    }

    fn check_answer(
        &mut self,
        payload: &[u8],
        chosen: &Chosen,
        peer_init: &[u8],
        ephemeral: Ephemeral,
    ) -> Result<(), ProtocolError> {
        let mut reader = Reader::new(payload);
        reader.u8()?;
        let (blob, server_public, signature) =
            (reader.string()?, reader.string()?, reader.string()?);
        reader.end()?;
        let key =
            PublicKey::decode(blob).map_err(|error| ProtocolError::broken(error.to_string()))?;
        let client_public = ephemeral.public().to_vec();
        let secret = ephemeral.agree(server_public).map_err(bad_key)?;
        let hash = self.hash(chosen, peer_init, blob, &client_public, server_public, &secret);
        key.verify(chosen.host_key, hash.as_ref(), signature)
            .map_err(|_| ProtocolError::broken("the host key's signature is wrong"))?;
        let Side::Client { host_key } = &mut self.side else { return Err(unexpected(payload)) };
        if host_key.as_ref().is_some_and(|known| *known != key) {
            return Err(ProtocolError::broken("the host key changed"));
        }
        *host_key = Some(key);
        self.change_keys(chosen, &secret, &hash);
        Ok(())
    }

    fn hash(
        &self,
        chosen: &Chosen,
        peer_init: &[u8],
        host_key: &[u8],
        client_public: &[u8],
        server_public: &[u8],
        secret: &SharedSecret,
    ) -> ExchangeHash {
        let own_init = self.ours.as_ref().map_or(&[][..], |(_, payload)| payload);
        let (client_init, server_init) = match self.side.role() {
            Role::Client => (own_init, peer_init),
            Role::Server => (peer_init, own_init),
        };
        let (client_id, server_id) = (&self.client_id, &self.server_id);
        Transcript {
            client_id,
            server_id,
            client_init,
            server_init,
            host_key,
            client_public,
            server_public,
        }
        .hash(chosen.method, secret)
    }

    /// Sends NEWKEYS, uses our keys behind it, and keeps the peer's until it says the same.
    fn change_keys(&mut self, chosen: &Chosen, secret: &SharedSecret, hash: &ExchangeHash) {
        let session_id = *self.session_id.get_or_insert(*hash);
        let keys = |sender: Role| {
            let suite = chosen.suite(sender);
            (suite, derive(chosen.method, secret, hash, &session_id, sender, suite))
        };
        let role = self.side.role();
        let (suite, own) = keys(role);
        let sealer = Box::new(Sealer::new(suite, &own));
        let (suite, theirs) = keys(role.peer());
        self.phase = Phase::Awaiting(Opener::new(suite, &theirs));
        self.output.push_back(Output::Message(vec![number::NEWKEYS]));
        self.output.push_back(Output::NewKeys { sealer, resets_sequence: self.is_strict });
        self.is_holding = false;
    }

    fn peer_changes_keys(&mut self) -> Result<NewKeys, ProtocolError> {
        let Phase::Awaiting(opener) = std::mem::replace(&mut self.phase, Phase::Idle) else {
            return Err(unexpected(&[number::NEWKEYS]));
        };
        self.ours = None;
        self.has_keys = true;
        Ok(NewKeys { opener, resets_sequence: self.is_strict })
    }
}

fn unexpected(payload: &[u8]) -> ProtocolError {
    let number = payload.first().copied().unwrap_or_default();
    ProtocolError::broken(format!("message {number} during key exchange"))
}

fn bad_key(error: KexError) -> ProtocolError {
    ProtocolError::broken(error.to_string())
}

fn sole_string(payload: &[u8]) -> Result<&[u8], ProtocolError> {
    let mut reader = Reader::new(payload);
    reader.u8()?;
    let string = reader.string()?;
    reader.end()?;
    Ok(string)
}
