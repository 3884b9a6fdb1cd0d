//! Figures of the service, for metrics.

use std::{collections::BTreeMap, time::Duration};

use agent_api::DevContainerStatus;
use parking_lot::Mutex;

/// Figures of the service.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Statistics {
    /// Listings of the engine that succeeded, since the start.
    pub listings_succeeded_total: u64,
    /// Those that failed.
    pub listings_failed_total: u64,
    /// How long all of them took.
    pub listings: Times,
    /// Dev containers by status, also those that are not shown; a status that none has is absent.
    pub dev_containers: BTreeMap<DevContainerStatus, u64>,
    /// How long bringing up took where it gave a container without an error.
    pub ups_succeeded: Times,
    /// How long it took otherwise.
    pub ups_failed: Times,
    /// Clients that watch.
    pub watches: u64,
}

/// Upper bounds of [`Times::buckets`] in seconds, from a listing to a large build.
pub const SECONDS: [f64; 12] =
    [0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 180.0, 600.0, 1800.0, 3600.0];

/// How long things of one kind took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Times {
    /// Those that took no longer than the bound of the same place and longer than the one before;
    /// those above the last bound are in none.
    pub buckets: [u64; SECONDS.len()],
    /// All of them.
    pub count: u64,
    /// Their time together.
    pub sum: Duration,
}

/// The figures as they grow.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    succeeded: u64,
    failed: u64,
    listings: Times,
    ups_succeeded: Times,
    ups_failed: Times,
    watches: u64,
}

impl Times {
    fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        if let Some(place) = SECONDS.iter().position(|bound| seconds <= *bound) {
            self.buckets[place] += 1;
        }
        self.count += 1;
        self.sum += took;
    }
}

impl Counters {
    pub(crate) fn listed(&self, is_success: bool, took: Duration) {
        let mut counts = self.0.lock();
        *(if is_success { &mut counts.succeeded } else { &mut counts.failed }) += 1;
        counts.listings.add(took);
    }

    pub(crate) fn brought_up(&self, is_success: bool, took: Duration) {
        let mut counts = self.0.lock();
        let times = if is_success { &mut counts.ups_succeeded } else { &mut counts.ups_failed };
        times.add(took);
    }

    pub(crate) fn watch_began(&self) {
        self.0.lock().watches += 1;
    }

    pub(crate) fn watch_ended(&self) {
        self.0.lock().watches -= 1;
    }

    /// The figures of this moment, with those of the dev containers.
    pub(crate) fn statistics(
        &self,
        dev_containers: BTreeMap<DevContainerStatus, u64>,
    ) -> Statistics {
        let counts = self.0.lock();
        Statistics {
            listings_succeeded_total: counts.succeeded,
            listings_failed_total: counts.failed,
            listings: counts.listings,
            dev_containers,
            ups_succeeded: counts.ups_succeeded,
            ups_failed: counts.ups_failed,
            watches: counts.watches,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_in_the_first_bucket_that_holds_it() {
        let counters = Counters::default();
        counters.listed(true, Duration::from_millis(5));
        counters.listed(false, Duration::from_millis(6));
        counters.listed(true, Duration::from_secs(4000));
        counters.brought_up(false, Duration::from_secs(2));
        let statistics = counters.statistics(BTreeMap::new());
        assert_eq!(statistics.listings.buckets[..3], [1, 1, 0]);
        assert_eq!(statistics.listings.buckets.iter().sum::<u64>(), 2);
        assert_eq!((statistics.listings.count, statistics.ups_failed.count), (3, 1));
        assert_eq!(statistics.listings.sum, Duration::from_millis(4_000_011));
        assert_eq!((statistics.listings_succeeded_total, statistics.listings_failed_total), (2, 1));
    }
}
