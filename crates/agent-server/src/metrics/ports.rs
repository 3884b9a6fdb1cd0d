//! Metrics of ports, asked for when they are wanted.

use std::fmt;

use agent_ports::{Ports, SCAN_SECONDS, TunnelCounts};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use super::{histogram, signed};

/// Asks the service of an agent.
#[derive(Debug)]
pub(super) struct PortsCollector {
    ports: Ports,
}

impl PortsCollector {
    pub(super) fn new(ports: Ports) -> Self {
        Self { ports }
    }
}

impl Collector for PortsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let statistics = self.ports.statistics();
        let networks = [("tcp", statistics.tcp), ("udp", statistics.udp)];
        let name = "agent_tunnels";
        let mut metric =
            encoder.encode_descriptor(name, "Open tunnels", None, MetricType::Gauge)?;
        for (network, counts) in networks {
            let label = [("network", network)];
            ConstGauge::new(signed(counts.open)).encode(metric.encode_family(&label)?)?;
        }
        let help = "Tunnels asked for, by what came of them";
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (network, counts) in networks {
            for (result, count) in results(counts) {
                let labels = [("network", network), ("result", result)];
                ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
            }
        }
        let (name, help) = ("agent_listening_ports_scan_seconds", "Time of a look at the sockets");
        let metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        let scans = statistics.scans;
        histogram(metric, &SCAN_SECONDS, &scans.buckets, scans.sum, scans.count)
    }
}

fn results(counts: TunnelCounts) -> [(&'static str, u64); 4] {
    [
        ("ok", counts.ok_total),
        ("refused", counts.refused_total),
        ("timeout", counts.timeout_total),
        ("error", counts.error_total),
    ]
}
