//! Metrics of terminals, asked for when they are wanted.

use std::fmt;

use agent_term::Terminals;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter},
};

use super::{counter, gauge, signed};

/// Asks the service of an agent.
#[derive(Debug)]
pub(super) struct TerminalsCollector {
    terminals: Terminals,
}

impl TerminalsCollector {
    pub(super) fn new(terminals: Terminals) -> Self {
        Self { terminals }
    }
}

impl Collector for TerminalsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let statistics = self.terminals.statistics();
        let encoder = &mut encoder;
        let name = "agent_reconnecting_pty_connections";
        gauge(encoder, name, "Connections to terminals", signed(statistics.connections))?;
        let help = "Connections to terminals so far";
        counter(encoder, name, help, statistics.connections_total)?;
        let name = "agent_reconnecting_pty_resyncs";
        let help = "Times that a slow connection was brought up to date";
        counter(encoder, name, help, statistics.resyncs_total)?;
        let (name, help) = ("agent_reconnecting_pty_errors", "Failures of terminals");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (error, count) in &statistics.errors_total {
            let label = [("error_type", error.as_str())];
            ConstCounter::new(*count).encode(metric.encode_family(&label)?)?;
        }
        Ok(())
    }
}
