//! Metrics of processes, asked for when they are wanted.

use std::fmt;

use agent_proc::{Processes, Statistics};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use super::{counter, signed};

/// Asks the service of an agent.
#[derive(Debug)]
pub(super) struct ProcessesCollector {
    processes: Processes,
}

impl ProcessesCollector {
    pub(super) fn new(processes: Processes) -> Self {
        Self { processes }
    }
}

impl Collector for ProcessesCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let statistics = self.processes.statistics();
        states(&mut encoder, &statistics)?;
        let started = statistics.started_total;
        counter(&mut encoder, "agent_processes_started", "Processes started", started)?;
        let output = statistics.output_bytes_total;
        counter(
            &mut encoder,
            "agent_process_output_bytes",
            "Bytes that processes printed",
            output,
        )?;
        let help = "Bytes of output that are kept";
        super::gauge(
            &mut encoder,
            "agent_process_journal_bytes",
            help,
            signed(statistics.journal_bytes),
        )?;
        gaps(&mut encoder, &statistics)
    }
}

fn states(encoder: &mut DescriptorEncoder<'_>, statistics: &Statistics) -> fmt::Result {
    let name = "agent_processes";
    let mut metric =
        encoder.encode_descriptor(name, "Processes that are kept", None, MetricType::Gauge)?;
    let states = [
        ("running", statistics.running),
        ("exited", statistics.exited),
        ("closed", statistics.closed),
    ];
    for (state, count) in states {
        let label = [("state", state)];
        ConstGauge::new(signed(count)).encode(metric.encode_family(&label)?)?;
    }
    Ok(())
}

fn gaps(encoder: &mut DescriptorEncoder<'_>, statistics: &Statistics) -> fmt::Result {
    let name = "agent_process_gap_bytes";
    let help = "Bytes of output that are lost";
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    let reasons =
        [("quota", statistics.quota_gap_bytes_total), ("disk", statistics.disk_gap_bytes_total)];
    for (reason, bytes) in reasons {
        let label = [("reason", reason)];
        ConstCounter::new(bytes).encode(metric.encode_family(&label)?)?;
    }
    Ok(())
}
