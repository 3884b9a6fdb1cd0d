//! What the agent counts, in Prometheus' text format; what a count means is said where it is
//! registered.

mod containers;
mod exposition;
mod git;
pub(crate) mod http;
mod ports;
mod processes;
mod scripts;
mod ssh;
mod terminals;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use agent_containers::Containers;
use agent_git::Git;
use agent_http::Observer;
use agent_ports::Ports;
use agent_proc::Processes;
use agent_ssh::Ssh;
use agent_term::Terminals;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder},
    metrics::{
        MetricType,
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::Histogram,
    },
    registry::Registry,
};

use containers::ContainersCollector;
use git::GitCollector;
use ports::PortsCollector;
use processes::ProcessesCollector;
pub(crate) use scripts::ScriptMetrics;
use ssh::SshCollector;
use terminals::TerminalsCollector;

use crate::{
    lifecycle::{Lifecycles, STATES},
    logs::Logs,
    system::process::Usage,
};

/// The metrics of one agent; the clones are one set.
#[derive(Clone)]
pub struct Metrics {
    shared: Arc<Shared>,
}

/// What is asked when metrics are wanted.
pub(crate) struct Sources {
    pub(crate) lifecycles: Lifecycles,
    pub(crate) logs: Logs,
    pub(crate) processes: Processes,
    pub(crate) git: Git,
    pub(crate) ssh: Ssh,
    pub(crate) terminals: Terminals,
    pub(crate) ports: Ports,
    pub(crate) containers: Containers,
}

struct Shared {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<RequestLabels, Histogram>,
    connections: Family<ListenerLabels, Gauge>,
    streams: Family<StreamLabels, Gauge>,
    scripts: ScriptMetrics,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabels {
    listener: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StreamLabels {
    operation: &'static str,
}

/// Upper bounds in seconds: from a cached read to a long upload.
const REQUEST_SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

impl Metrics {
    /// Counts for an agent that starts now.
    pub(crate) fn new(sources: Sources) -> Self {
        let Sources { lifecycles, logs, processes, git, ssh, terminals, ports, containers } =
            sources;
        let mut registry = Registry::default();
        let requests = Family::default();
        registry.register("agent_http_requests", "Requests answered", Family::clone(&requests));
        let request_seconds = Family::<RequestLabels, Histogram>::new_with_constructor(|| {
            Histogram::new(REQUEST_SECONDS)
        });
        let help = "Time from the head of a request to the head of its answer";
        registry.register("agent_http_request_seconds", help, Family::clone(&request_seconds));
        let connections = Family::default();
        registry.register(
            "agent_open_connections",
            "Open connections",
            Family::clone(&connections),
        );
        let streams = Family::default();
        registry.register(
            "agent_open_streams",
            "Open WebSockets and event streams",
            Family::clone(&streams),
        );
        registry.register_collector(Box::new(AgentCollector {
            lifecycles,
            logs,
            started: seconds_since_epoch(),
        }));
        registry.register_collector(Box::new(ProcessCollector));
        registry.register_collector(Box::new(ProcessesCollector::new(processes)));
        registry.register_collector(Box::new(GitCollector::new(git)));
        registry.register_collector(Box::new(SshCollector::new(ssh)));
        registry.register_collector(Box::new(TerminalsCollector::new(terminals)));
        registry.register_collector(Box::new(PortsCollector::new(ports)));
        registry.register_collector(Box::new(ContainersCollector::new(containers)));
        let scripts = ScriptMetrics::default();
        scripts.register(&mut registry);
        let shared = Shared { registry, requests, request_seconds, connections, streams, scripts };
        Self { shared: Arc::new(shared) }
    }

    /// All metrics in Prometheus' text format 0.0.4; reads `/proc`, so it blocks for a moment.
    pub fn get_metrics(&self) -> String {
        exposition::encode(&self.shared.registry)
    }

    /// The metrics of scripts.
    pub(crate) fn scripts(&self) -> &ScriptMetrics {
        &self.shared.scripts
    }
}

impl Observer for Metrics {
    fn request(&self, operation: &'static str, status: u16, elapsed: Duration) {
        let labels = RequestLabels { operation, status };
        self.shared.requests.get_or_create(&labels).inc();
        self.shared.request_seconds.get_or_create(&labels).observe(elapsed.as_secs_f64());
    }

    fn connection_opened(&self, listener: &'static str) {
        self.shared.connections.get_or_create(&ListenerLabels { listener }).inc();
    }

    fn connection_closed(&self, listener: &'static str) {
        self.shared.connections.get_or_create(&ListenerLabels { listener }).dec();
    }

    fn stream_opened(&self, operation: &'static str) {
        self.shared.streams.get_or_create(&StreamLabels { operation }).inc();
    }

    fn stream_closed(&self, operation: &'static str) {
        self.shared.streams.get_or_create(&StreamLabels { operation }).dec();
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// What is known of the agent when it is asked.
#[derive(Debug)]
struct AgentCollector {
    lifecycles: Lifecycles,
    logs: Logs,
    started: f64,
}

impl Collector for AgentCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let version = [("version", crate::VERSION)];
        let build = ConstGauge::new(1_i64);
        let mut metric =
            encoder.encode_descriptor("agent_build_info", "Version", None, MetricType::Gauge)?;
        build.encode(metric.encode_family(&version)?)?;

        gauge(&mut encoder, "agent_start_time_seconds", "Start, Unix time", self.started)?;

        let present = self.lifecycles.state();
        let help = "1 for the present state";
        let mut metric =
            encoder.encode_descriptor("agent_lifecycle_state", help, None, MetricType::Gauge)?;
        for state in STATES {
            let label = [("state", crate::lifecycle::name(state))];
            let value = ConstGauge::new(i64::from(state == present));
            value.encode(metric.encode_family(&label)?)?;
        }

        let lost = ConstCounter::new(self.logs.lines_lost());
        let help = "Lines that the log lacks";
        let metric =
            encoder.encode_descriptor("agent_log_lines_lost", help, None, MetricType::Counter)?;
        lost.encode(metric)
    }
}

/// What the system knows of the process.
#[derive(Debug)]
struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(usage) = Usage::of_this_process() else { return Ok(()) };
        let encoder = &mut encoder;
        let help = "Memory in RAM";
        gauge(encoder, "process_resident_memory_bytes", help, usage.resident_bytes)?;
        gauge(encoder, "process_open_fds", "Open descriptors", usage.open_fds)?;
        let help = "Start, Unix time";
        gauge(encoder, "process_start_time_seconds", help, usage.started_at_seconds)?;
        let help = "Processor time, user and system";
        let metric =
            encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
        ConstCounter::new(usage.cpu_seconds).encode(metric)
    }
}

fn gauge<N>(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: N) -> fmt::Result
where
    ConstGauge<N>: EncodeMetric,
{
    let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(value).encode(metric)
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, count: u64) -> fmt::Result {
    let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    ConstCounter::new(count).encode(metric)
}

/// A histogram whose buckets have the counts between one bound and the next; those above the last are
/// in none.
fn histogram(
    mut metric: MetricEncoder<'_>,
    bounds: &[f64],
    buckets: &[u64],
    sum: Duration,
    count: u64,
) -> fmt::Result {
    let above = count - buckets.iter().sum::<u64>();
    let bounds = bounds.iter().chain(&[f64::INFINITY]).copied();
    let buckets: Vec<(f64, u64)> = bounds.zip(buckets.iter().chain(&[above]).copied()).collect();
    metric.encode_histogram::<[(&str, &str); 0]>(sum.as_secs_f64(), count, &buckets, None)
}

/// Gauges are signed; no count here comes near the difference.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn seconds_since_epoch() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
