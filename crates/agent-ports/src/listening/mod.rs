//! `list_listening_ports`: the listening sockets of the system, who holds them, and one answer of
//! them for everybody who asks at the same time.

mod choose;
#[cfg(target_os = "linux")]
mod holders;
#[cfg(target_os = "linux")]
mod netlink;
#[cfg(target_os = "linux")]
mod scan;
#[cfg(not(target_os = "linux"))]
#[path = "scan_unsupported.rs"]
mod scan;
#[cfg(target_os = "linux")]
mod table;

use std::{
    fmt,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use agent_api::{ListListeningPortsResponse, ProcessId};

use crate::{Error, statistics::Counters};
use scan::Scanner;

/// How long an answer is given again; the protocol allows 1 s.
const FRESH: Duration = Duration::from_millis(500);

/// Knows which processes of the system belong to the agent's.
pub trait Owners: fmt::Debug + Send + Sync + 'static {
    /// The process of the agent in whose tree this process of the system is; may block for a moment.
    fn process_of(&self, pid: u32) -> Option<ProcessId>;
}

/// An agent without processes.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOwners;

impl Owners for NoOwners {
    fn process_of(&self, _pid: u32) -> Option<ProcessId> {
        None
    }
}

/// A TCP socket that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Socket {
    /// IPv4 also where the socket has the address in its IPv6 form.
    address: IpAddr,
    port: u16,
    /// Identifies the socket while it is there.
    inode: u64,
}

/// The last look and what it found.
pub(crate) struct Listening {
    ignore: Arc<[u16]>,
    owners: Arc<dyn Owners>,
    counters: Arc<Counters>,
    /// Held while somebody looks, so that others wait for that look instead of taking their own.
    last: Arc<tokio::sync::Mutex<Last>>,
}

#[derive(Default)]
struct Last {
    scanner: Scanner,
    answer: Option<(Instant, ListListeningPortsResponse)>,
}

impl Listening {
    pub(crate) fn new(ignore: Vec<u16>, owners: Arc<dyn Owners>, counters: Arc<Counters>) -> Self {
        Self { ignore: ignore.into(), owners, counters, last: Arc::default() }
    }

    pub(crate) async fn ports(&self) -> Result<ListListeningPortsResponse, Error> {
        let mut last = Arc::clone(&self.last).lock_owned().await;
        if let Some((began, answer)) = &last.answer
            && began.elapsed() < FRESH
        {
            return Ok(answer.clone());
        }
        let (ignore, owners) = (Arc::clone(&self.ignore), Arc::clone(&self.owners));
        let counters = Arc::clone(&self.counters);
        // The lock goes along, and with it a look whose caller left serves those who wait.
        let look = tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let ports = last.scanner.ports(&ignore, &*owners)?;
            counters.scanned(began.elapsed());
            let answer = ListListeningPortsResponse { ports };
            last.answer = Some((began, answer.clone()));
            Ok(answer)
        });
        look.await.map_err(Error::Panicked)?
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").field("ignore", &self.ignore).finish_non_exhaustive()
    }
}
