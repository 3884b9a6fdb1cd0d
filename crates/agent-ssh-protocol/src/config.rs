//! What a server, a client and a connection are told.

use std::sync::Arc;
use std::time::Duration;

use crate::key::HostKey;

/// What a server needs to know.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The name and version of the program, `agentd_0.1.0`: printable ASCII without a space or a
    /// minus sign, as RFC 4253 section 4.2 asks.
    pub software: String,
    /// The keys the server proves to have; of two that can make the same signature the first is
    /// used.
    pub host_keys: Vec<Arc<HostKey>>,
    /// The failed attempts after which a client is sent away.
    pub max_auth_tries: u32,
    /// The connection behind the authentication.
    pub connection: ConnectionConfig,
}

/// What a client needs to know.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// As [`ServerConfig::software`].
    pub software: String,
    /// The user to be on the server.
    pub user: String,
    /// What the client proves to have when the server does not take method `none`.
    pub identity: Identity,
    /// The connection behind the authentication.
    pub connection: ConnectionConfig,
}

/// What a client proves to have.
#[derive(Debug, Clone, Default)]
pub enum Identity {
    /// Nothing: only method `none` is tried.
    #[default]
    None,
    /// A private key.
    Key(Arc<HostKey>),
    /// A private key, and the certificate of its public key.
    Certificate {
        /// The private key.
        key: Arc<HostKey>,
        /// The certificate in the encoding of the wire.
        certificate: Vec<u8>,
    },
}

/// Sizes and times of a connection.
#[derive(Debug, Clone)]
pub struct ConnectionConfig {
    /// What a peer may send on a new channel before the program takes any of it, in bytes.
    ///
    /// Two MiB, as OpenSSH.
    pub window_bytes: u32,
    /// What that grows to, in bytes, on a channel whose program keeps up and whose peer waits for
    /// it over a long way.
    ///
    /// 16 MiB: at 40 ms of delay that is 400 MB/s. The growth of all channels of a connection
    /// together is at most twice this.
    pub max_window_bytes: u32,
    /// The most data in one packet of a channel, either way, in bytes.
    ///
    /// 32 KiB, as OpenSSH.
    pub max_packet_bytes: u32,
    /// How long nothing arrives before the peer is asked whether it lives; never by default.
    pub keepalive: Option<Duration>,
    /// How many such questions may stay unanswered.
    pub keepalive_max: u32,
    /// After how many bytes in one direction new keys are made.
    ///
    /// 1 GiB, as RFC 4253 section 9 recommends.
    pub rekey_bytes: u64,
    /// After how long new keys are made: one hour, as RFC 4253 section 9 recommends.
    pub rekey_after: Duration,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            window_bytes: 2 << 20,
            max_window_bytes: 16 << 20,
            max_packet_bytes: 32 << 10,
            keepalive: None,
            keepalive_max: 3,
            rekey_bytes: 1 << 30,
            rekey_after: Duration::from_secs(60 * 60),
        }
    }
}
