//! Figures of the service, for metrics.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use agent_api::{Classify, ErrorCode, Network};
use parking_lot::Mutex;

use crate::Error;

/// Figures of the service.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Statistics {
    /// Tunnels of byte streams.
    pub tcp: TunnelCounts,
    /// Tunnels of datagrams.
    pub udp: TunnelCounts,
    /// Looks at the sockets of the system.
    pub scans: ScanTimes,
}

/// Tunnels of one kind; the totals are since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TunnelCounts {
    /// Those that are open, or being connected.
    pub open: u64,
    /// Made.
    pub ok_total: u64,
    /// Nothing listened.
    pub refused_total: u64,
    /// Not connected in time.
    pub timeout_total: u64,
    /// Not made for another reason: too many, the stop, a client that left, a failure of the system.
    pub error_total: u64,
}

/// Upper bounds of [`ScanTimes::buckets`] in seconds.
pub const SCAN_SECONDS: [f64; 10] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5];

/// How long looks took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ScanTimes {
    /// Looks that took no longer than the bound of the same place and longer than the one before;
    /// those above the last bound are in none.
    pub buckets: [u64; SCAN_SECONDS.len()],
    /// All looks.
    pub count: u64,
    /// Their time together.
    pub sum: Duration,
}

/// The figures as they grow.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    tcp: Tunnels,
    udp: Tunnels,
    scans: Mutex<ScanTimes>,
}

#[derive(Debug, Default)]
struct Tunnels {
    open: AtomicU64,
    ok: AtomicU64,
    refused: AtomicU64,
    timeout: AtomicU64,
    error: AtomicU64,
}

impl Counters {
    fn tunnels(&self, network: Network) -> &Tunnels {
        if network == Network::Udp { &self.udp } else { &self.tcp }
    }

    pub(crate) fn opened(&self, network: Network) {
        self.tunnels(network).open.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self, network: Network) {
        self.tunnels(network).open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts how a tunnel was made or not.
    pub(crate) fn made<T>(&self, network: Network, outcome: &Result<T, Error>) {
        let tunnels = self.tunnels(network);
        let count = match outcome.as_ref().map_err(Classify::code) {
            Ok(_) => &tunnels.ok,
            Err(ErrorCode::BadGateway) => &tunnels.refused,
            Err(ErrorCode::DeadlineExceeded) => &tunnels.timeout,
            Err(_) => &tunnels.error,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a tunnel whose client left before it was made.
    pub(crate) fn abandoned(&self, network: Network) {
        self.tunnels(network).error.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn scanned(&self, elapsed: Duration) {
        self.scans.lock().add(elapsed);
    }

    pub(crate) fn statistics(&self) -> Statistics {
        Statistics { tcp: self.tcp.counts(), udp: self.udp.counts(), scans: *self.scans.lock() }
    }
}

impl Tunnels {
    fn counts(&self) -> TunnelCounts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        TunnelCounts {
            open: of(&self.open),
            ok_total: of(&self.ok),
            refused_total: of(&self.refused),
            timeout_total: of(&self.timeout),
            error_total: of(&self.error),
        }
    }
}

impl ScanTimes {
    fn add(&mut self, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        if let Some(bucket) = SCAN_SECONDS.iter().position(|bound| seconds <= *bound) {
            self.buckets[bucket] += 1;
        }
        self.count += 1;
        self.sum += elapsed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_in_the_bucket_of_its_time() {
        let mut times = ScanTimes::default();
        for ms in [0, 1, 2, 400, 9000] {
            times.add(Duration::from_millis(ms));
        }
        assert_eq!(times.buckets, [1, 1, 1, 0, 0, 0, 0, 0, 1, 0]);
        assert_eq!((times.count, times.sum), (5, Duration::from_millis(9403)));
    }
}
