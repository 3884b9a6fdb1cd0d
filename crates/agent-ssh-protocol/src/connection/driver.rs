//! What moves the bytes of a connection: a reader, a writer and a clock that run side by side.
//!
//! The reader never waits for the writer, nor the writer for the reader, unless a bound of the
//! queues is reached: two sides that only send would otherwise stop each other.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::core::Core;
use super::handle::Connection;
use super::incoming::{Incoming, MAX_EVENTS};
use super::reader::Reader;
use super::shared::Shared;
use super::writer::Writer;
use crate::auth::Link;
use crate::config::ConnectionConfig;
use crate::error::{Ended, ProtocolError};

/// How long what is queued may take to leave once the program disconnects.
const DRAIN: Duration = Duration::from_millis(500);
/// How long the DISCONNECT message may take behind it.
const FAREWELL: Duration = Duration::from_millis(500);

/// Moves the bytes of a connection for as long as it [runs](Self::run).
///
/// Dropped, it drops the stream, and the connection ends.
pub struct Driver {
    reader: Reader,
    writer: Writer,
    core: Core,
}

/// Why the parts of a driver stop.
#[derive(Debug)]
pub(super) enum Stop {
    ClosedByPeer {
        reason: Option<u32>,
        text: String,
    },
    Lost(io::Error),
    KeepaliveTimeout,
    Broken(ProtocolError),
    /// The program disconnects, and what could leave has.
    Disconnecting,
}

impl From<ProtocolError> for Stop {
    fn from(error: ProtocolError) -> Self {
        Self::Broken(error)
    }
}

/// Makes a connection of a stream whose peer is authenticated.
pub(crate) fn establish(link: Link, config: ConnectionConfig) -> (Connection, Incoming, Driver) {
    let mut link = link;
    link.seal();
    let (socket_reader, socket_writer) = tokio::io::split(link.stream);
    let shared = Arc::new(Shared::new(config.clone()));
    let core = Core {
        shared: Arc::clone(&shared),
        exchange: Arc::new(Mutex::new(link.exchange)),
        config: Arc::new(config),
    };
    let (sender, events) = mpsc::channel(MAX_EVENTS);
    let driver = Driver {
        reader: Reader::new(socket_reader, link.inbound, sender, core.clone()),
        writer: Writer::new(socket_writer, link.outbound, core.clone()),
        core,
    };
    (Connection { shared }, Incoming { events }, driver)
}

impl Driver {
    /// Moves bytes until the connection has ended; says why.
    ///
    /// A peer that broke a rule, or that this side [disconnects](Connection::disconnect), is told
    /// so before: that takes a second at most.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the stream, and the connection ends.
    pub async fn run(mut self) -> Ended {
        let stop = tokio::select! {
            biased;
            stop = self.reader.run() => stop,
            stop = self.writer.run() => stop,
            stop = watch(&self.core) => stop,
            () = disconnect_limit(&self.core.shared) => Stop::Disconnecting,
        };
        let farewell = match &stop {
            Stop::Broken(error) => Some((error.reason(), error.to_string())),
            Stop::Disconnecting => self.core.shared.with(|mux, _| mux.disconnect.clone()),
            Stop::ClosedByPeer { .. } | Stop::Lost(_) | Stop::KeepaliveTimeout => None,
        };
        self.core.shared.end();
        if let Some((reason, text)) = farewell {
            self.say_farewell(reason, &text).await;
        }
        match stop {
            Stop::ClosedByPeer { reason, text } => Ended::ClosedByPeer { reason, text },
            Stop::Lost(error) => Ended::Lost(error),
            Stop::KeepaliveTimeout => Ended::KeepaliveTimeout,
            Stop::Broken(error) => Ended::Protocol(error.to_string()),
            Stop::Disconnecting => Ended::Disconnected,
        }
    }

    /// Sends a DISCONNECT message behind what is sealed, and reads until the peer goes too: a
    /// stream closed with bytes unread may lose what was sent last.
    async fn say_farewell(&mut self, reason: u32, text: &str) {
        let farewell = async {
            if self.writer.say_farewell(reason, text).await.is_ok() {
                self.reader.drain().await;
            }
        };
        // A peer that does not hear it is left.
        let _ = timeout(FAREWELL, farewell).await;
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.core.shared.end();
    }
}

/// Waits until the program disconnects and what is queued has had its time to leave.
async fn disconnect_limit(shared: &Shared) {
    shared.disconnecting.notified().await;
    sleep(DRAIN).await;
}

/// Asks a silent peer whether it lives, and renews the keys in time.
async fn watch(core: &Core) -> Stop {
    let mut rekey_at = Instant::now() + core.config.rekey_after;
    let mut unanswered = 0;
    let mut asked_at = None;
    // Bytes and not times: the answer may arrive at the very moment of the question.
    let mut heard = core.shared.received();
    loop {
        let received = core.shared.received();
        if received != heard {
            heard = received;
            asked_at = None;
            unanswered = 0;
        }
        let silent_since = asked_at.unwrap_or_else(|| core.shared.last_arrival());
        let keepalive_at = core.config.keepalive.map(|interval| silent_since + interval);
        sleep_until(keepalive_at.map_or(rekey_at, |at| at.min(rekey_at))).await;
        let now = Instant::now();
        if now >= rekey_at {
            core.begin_exchange();
            rekey_at = now + core.config.rekey_after;
        }
        let is_due = keepalive_at.is_some_and(|at| at <= now);
        if !is_due || core.shared.received() != heard {
            continue;
        }
        if unanswered >= core.config.keepalive_max {
            return Stop::KeepaliveTimeout;
        }
        unanswered += 1;
        asked_at = Some(now);
        core.shared.with(|mux, wakes| mux.send_keepalive(wakes));
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::super::mux::MAX_CONTROL;
    use crate::key::HostKey;
    use crate::{Authenticator, ClientConfig, Identity, Offer, ServerConfig, accept, connect};

    use super::*;

    struct Anyone;

    impl Authenticator for Anyone {
        async fn none(&mut self, _: &[u8]) -> bool {
            true
        }

        async fn public_key(&mut self, _: Offer<'_>) -> bool {
            true
        }
    }

    /// The drivers of a client and a server that are joined, and the handles of both.
    async fn joined() -> [(Connection, Driver); 2] {
        let (near, far) = duplex(1 << 14);
        let client = ClientConfig {
            software: "client".to_owned(),
            user: "user".to_owned(),
            identity: Identity::None,
            connection: ConnectionConfig::default(),
        };
        let server = Arc::new(ServerConfig {
            software: "server".to_owned(),
            host_keys: vec![Arc::new(HostKey::generate_ed25519())],
            max_auth_tries: 1,
            connection: ConnectionConfig::default(),
        });
        let both =
            async { tokio::join!(connect(near, client, |_| true), accept(far, server, Anyone)) };
        let (client, server) = timeout(Duration::from_secs(20), both).await.unwrap();
        let (client, server) = (client.unwrap(), server.unwrap());
        [(client.connection, client.driver), (server.connection, server.driver)]
    }

    #[tokio::test(start_paused = true)]
    async fn answers_to_unknown_messages_are_bounded_when_the_peer_takes_none() {
        // One number below those of the connection, and one above.
        for number in [60, 200] {
            let [(client, mut client_driver), (server, server_driver)] = joined().await;
            client.shared.with(|mux, wakes| {
                (0..200_000).for_each(|_| mux.send_raw(&[number], wakes));
            });
            // The client writes and never reads.
            let both = async { tokio::join!(client_driver.writer.run(), server_driver.run()) };
            let mut both = std::pin::pin!(both);
            assert!(timeout(Duration::from_secs(1), both.as_mut()).await.is_err());
            let waiting = server.shared.with(|mux, _| mux.control.len());
            assert!((MAX_CONTROL..MAX_CONTROL + 64).contains(&waiting), "{waiting} bytes");
        }
    }
}
