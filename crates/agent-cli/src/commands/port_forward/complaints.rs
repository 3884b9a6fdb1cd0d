//! What a port has to complain of, seldom enough to be read; not where it is printed.

use std::{
    fmt::Display,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::mpsc, time::Instant};

use super::spec::Mapping;

/// A port says why something failed once in this time.
const PAUSE: Duration = Duration::from_secs(1);

/// The complaints of one port.
#[derive(Debug)]
pub(super) struct Complaints {
    port: String,
    last: Mutex<Option<Instant>>,
    tx: mpsc::Sender<String>,
}

impl Complaints {
    pub(super) fn new(mapping: &Mapping, tx: &mpsc::Sender<String>) -> Self {
        Self { port: mapping.to_string(), last: Mutex::new(None), tx: tx.clone() }
    }

    /// Says why something failed, unless the port did so a moment ago.
    pub(super) fn say(&self, why: impl Display) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= PAUSE) {
            *last = Some(Instant::now());
            let _ = self.tx.try_send(format!("{}: {why}", self.port));
        }
    }
}

#[cfg(test)]
mod tests {
    use agent_sdk::api::Network;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_port_complains_once_a_second() {
        let (tx, mut said) = mpsc::channel(9);
        let mapping = Mapping { network: Network::Tcp, host: None, local: 80, remote: 81 };
        let complaints = Complaints::new(&mapping, &tx);
        complaints.say("one");
        complaints.say("two");
        tokio::time::advance(Duration::from_millis(999)).await;
        complaints.say("three");
        tokio::time::advance(Duration::from_millis(1)).await;
        complaints.say("four");
        assert_eq!(said.recv().await.as_deref(), Some("tcp 80 -> 81: one"));
        assert_eq!(said.recv().await.as_deref(), Some("tcp 80 -> 81: four"));
        assert!(said.try_recv().is_err());
    }
}
