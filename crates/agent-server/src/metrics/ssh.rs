//! Metrics of SSH, asked for when they are wanted.

use std::fmt;

use agent_ssh::{SessionLabels, Ssh, TransportKind};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use super::{counter, signed};

/// Asks the server of an agent.
#[derive(Debug)]
pub(super) struct SshCollector {
    ssh: Ssh,
}

impl SshCollector {
    pub(super) fn new(ssh: Ssh) -> Self {
        Self { ssh }
    }
}

impl Collector for SshCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let statistics = self.ssh.statistics();
        let encoder = &mut encoder;
        let name = "agent_ssh_server_connections";
        let help = "Open SSH connections";
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for transport in [TransportKind::Tcp, TransportKind::Unix, TransportKind::Upgrade] {
            let open = statistics.connections.get(&transport).copied().unwrap_or_default();
            let label = [("transport", transport.label())];
            ConstGauge::new(signed(open)).encode(metric.encode_family(&label)?)?;
        }
        let counters = [
            (
                "agent_ssh_server_failed_connections",
                "SSH connections that ended before the login",
                statistics.failed_connections_total,
            ),
            (
                "agent_ssh_server_sftp_connections",
                "SFTP sessions",
                statistics.sftp_connections_total,
            ),
            (
                "agent_ssh_server_sftp_server_errors",
                "SFTP sessions that failed",
                statistics.sftp_server_errors_total,
            ),
        ];
        for (name, help, value) in counters {
            counter(encoder, name, help, value)?;
        }
        let name = "agent_sessions";
        // The gauge and the counter differ in the ending that the format gives to counters.
        let mut metric =
            encoder.encode_descriptor(name, "Sessions begun", None, MetricType::Counter)?;
        for (labels, count) in &statistics.sessions_total {
            ConstCounter::new(*count).encode(metric.encode_family(&session(*labels))?)?;
        }
        let mut metric =
            encoder.encode_descriptor(name, "Open sessions", None, MetricType::Gauge)?;
        for (labels, count) in &statistics.sessions {
            ConstGauge::new(signed(*count)).encode(metric.encode_family(&session(*labels))?)?;
        }
        let (name, help) = ("agent_sessions_errors", "Failures in sessions");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for ((labels, error), count) in &statistics.sessions_errors_total {
            let [kind, pty] = session(*labels);
            let labels = [kind, pty, ("error_type", error.label())];
            ConstCounter::new(*count).encode(metric.encode_family(&labels)?)?;
        }
        let (name, help) = ("agent_x11_handler_errors", "Failures of X11 forwarding");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (failure, count) in &statistics.x11_errors_total {
            let label = [("error_type", failure.label())];
            ConstCounter::new(*count).encode(metric.encode_family(&label)?)?;
        }
        Ok(())
    }
}

fn session(labels: SessionLabels) -> [(&'static str, &'static str); 2] {
    [("magic_type", labels.magic_type.label()), ("pty", if labels.pty { "yes" } else { "no" })]
}
