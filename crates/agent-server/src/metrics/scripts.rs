//! Metrics of scripts.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Counts runs of scripts; the clones are one set.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScriptMetrics {
    executed: Family<SuccessLabels, Counter>,
    startup_seconds: Family<SuccessLabels, Gauge<f64, AtomicU64>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SuccessLabels {
    success: &'static str,
}

impl ScriptMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Runs of scripts that have ended";
        registry.register("agent_scripts_executed", help, self.executed.clone());
        let help = "Time that all start scripts together took";
        registry.register("agent_startup_script_seconds", help, self.startup_seconds.clone());
    }

    /// Counts a run that has ended.
    pub(crate) fn executed(&self, is_success: bool) {
        self.executed.get_or_create(&labels(is_success)).inc();
    }

    /// Notes how long the start scripts took until the last of them ended.
    pub(crate) fn started(&self, elapsed: Duration, is_success: bool) {
        self.startup_seconds.get_or_create(&labels(is_success)).set(elapsed.as_secs_f64());
    }
}

fn labels(is_success: bool) -> SuccessLabels {
    SuccessLabels { success: if is_success { "true" } else { "false" } }
}
