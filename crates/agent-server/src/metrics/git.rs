//! Metrics of git, asked for when they are wanted.

use std::fmt;

use agent_git::{Git, Statistics};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter},
};

use super::{counter, gauge, signed};

/// Asks the service of an agent.
#[derive(Debug)]
pub(super) struct GitCollector {
    git: Git,
}

impl GitCollector {
    pub(super) fn new(git: Git) -> Self {
        Self { git }
    }
}

impl Collector for GitCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let statistics = self.git.statistics();
        let encoder = &mut encoder;
        let gauges = [
            ("agent_git_repositories", "Repositories that are followed", statistics.repositories),
            ("agent_git_polling_repositories", "Those that are polled", statistics.polling),
            ("agent_git_watches", "Clients that watch", statistics.watches),
            (
                "agent_git_watched_directories",
                "Directories watched for events",
                statistics.watched_directories,
            ),
            ("agent_git_chats", "Chats whose paths are kept", statistics.chats),
        ];
        for (name, help, value) in gauges {
            gauge(encoder, name, help, signed(value))?;
        }
        scans(encoder, &statistics)?;
        let seconds = ConstCounter::new(statistics.scan_time.as_secs_f64());
        let help = "Time that scans took";
        let metric =
            encoder.encode_descriptor("agent_git_scan_seconds", help, None, MetricType::Counter)?;
        seconds.encode(metric)?;
        let help = "Events of file systems";
        counter(encoder, "agent_git_events", help, statistics.events_total)?;
        let help = "Times that events were lost";
        counter(encoder, "agent_git_event_overflows", help, statistics.overflows_total)
    }
}

fn scans(encoder: &mut DescriptorEncoder<'_>, statistics: &Statistics) -> fmt::Result {
    let name = "agent_git_scans";
    let mut metric =
        encoder.encode_descriptor(name, "Scans of repositories", None, MetricType::Counter)?;
    let results = [
        ("full", statistics.full_scans_total),
        ("incremental", statistics.incremental_scans_total),
        ("failed", statistics.failed_scans_total),
    ];
    for (result, count) in results {
        let label = [("result", result)];
        ConstCounter::new(count).encode(metric.encode_family(&label)?)?;
    }
    Ok(())
}
