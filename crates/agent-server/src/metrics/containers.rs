//! Metrics of containers and dev containers, asked for when they are wanted.

use std::fmt;

use agent_api::DevContainerStatus;
use agent_containers::{Containers, SECONDS, Times};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use super::{histogram, signed};

/// Asks the service of an agent.
#[derive(Debug)]
pub(super) struct ContainersCollector {
    containers: Containers,
}

/// Every status that a dev container can have, as the wire writes it.
const STATUSES: [(DevContainerStatus, &str); 6] = [
    (DevContainerStatus::Running, "running"),
    (DevContainerStatus::Stopped, "stopped"),
    (DevContainerStatus::Starting, "starting"),
    (DevContainerStatus::Stopping, "stopping"),
    (DevContainerStatus::Deleting, "deleting"),
    (DevContainerStatus::Error, "error"),
];

impl ContainersCollector {
    pub(super) fn new(containers: Containers) -> Self {
        Self { containers }
    }
}

impl Collector for ContainersCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let statistics = self.containers.statistics();
        let (name, help) = ("agent_containers_listings", "Listings of the container engine");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        let listings = [
            ("true", statistics.listings_succeeded_total),
            ("false", statistics.listings_failed_total),
        ];
        for (success, count) in listings {
            let label = [("success", success)];
            ConstCounter::new(count).encode(metric.encode_family(&label)?)?;
        }
        let (name, help) = ("agent_containers_listing_seconds", "Time of such a listing");
        let metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        times(metric, &statistics.listings)?;
        let (name, help) = ("agent_dev_containers", "Dev containers, by status");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (status, word) in STATUSES {
            let count = statistics.dev_containers.get(&status).copied().unwrap_or_default();
            let label = [("status", word)];
            ConstGauge::new(signed(count)).encode(metric.encode_family(&label)?)?;
        }
        let (name, help) = ("agent_dev_container_up_seconds", "Time of bringing one up");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (success, ups) in [("true", statistics.ups_succeeded), ("false", statistics.ups_failed)]
        {
            times(metric.encode_family(&[("success", success)])?, &ups)?;
        }
        Ok(())
    }
}

fn times(metric: MetricEncoder<'_>, times: &Times) -> fmt::Result {
    histogram(metric, &SECONDS, &times.buckets, times.sum, times.count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_the_wires() {
        for (status, word) in STATUSES {
            assert_eq!(serde_json::to_value(status).unwrap(), word);
        }
    }
}
