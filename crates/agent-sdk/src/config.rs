//! What a client may be told beside its target: times, limits, headers; not where it finds them.

use std::{fmt, time::Duration};

use http::HeaderMap;

/// Settings of a client.
///
/// `Debug` shows the names of the extra headers only, because their values may be secret.
#[derive(Clone)]
pub struct Config {
    /// Longest time for the look-up of the name, TCP, TLS and handshake together: 10 s, which is
    /// longer than three lost packets.
    pub connect_timeout: Duration,
    /// Longest time from the call to the head of the response; none, because operations such as a
    /// search have limits of their own.
    pub request_timeout: Option<Duration>,
    /// Headers of every request until
    /// [`set_extra_headers`](crate::AgentConn::set_extra_headers) replaces them; none.
    pub extra_headers: HeaderMap,
    /// How long an unused connection is kept: 30 s, half of what an agent keeps at least, so that
    /// a reused connection rarely turns out to be closed.
    pub idle_timeout: Duration,
    /// Largest WebSocket message that is accepted, in bytes: 4 MiB, the protocol's own limit.
    pub max_message_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            request_timeout: None,
            extra_headers: HeaderMap::new(),
            idle_timeout: Duration::from_secs(30),
            max_message_bytes: 4 * 1024 * 1024,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the iterator over the names itself: its `Debug` shows the values.
        let names: Vec<_> = self.extra_headers.keys().collect();
        f.debug_struct("Config")
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("extra_headers", &names)
            .field("idle_timeout", &self.idle_timeout)
            .field("max_message_bytes", &self.max_message_bytes)
            .finish()
    }
}
