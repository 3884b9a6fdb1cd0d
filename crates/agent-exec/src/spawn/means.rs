//! What a launcher has found out about the system.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cgroup::Hierarchy;
use crate::{Cgroups, Config, Limits};

/// What a launcher has found out about the system; nothing before the first command.
#[derive(Debug, Default)]
pub(crate) struct Means {
    hierarchy: OnceLock<Option<Hierarchy>>,
    fork: AtomicBool,
    pub(super) warnings: Warnings,
}

impl Means {
    /// Whether these limits can be enforced; may block the first time.
    pub(crate) fn supports(&self, config: &Config, limits: &Limits) -> bool {
        self.hierarchy(config).is_some_and(|hierarchy| hierarchy.supports(limits))
    }

    /// Makes processes with `fork` from now on.
    pub(crate) fn refuse_clone3(&self) {
        self.fork.store(true, Ordering::Relaxed);
    }

    /// Whether `clone3` has not been refused so far.
    pub(super) fn may_clone3(&self) -> bool {
        !self.fork.load(Ordering::Relaxed)
    }

    /// The hierarchy for the cgroups of commands; made the first time, which may block.
    pub(super) fn hierarchy(&self, config: &Config) -> Option<&Hierarchy> {
        let make = || match config.cgroups {
            Cgroups::Auto => Hierarchy::probe(&config.cgroup_name),
            Cgroups::Off => None,
        };
        self.hierarchy.get_or_init(make).as_ref()
    }
}

/// Says once what the system refuses every command.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    said: [AtomicBool; 3],
}

/// Something a command runs without when the system refuses it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Extra {
    OomScore,
    Nice,
    OpenFiles,
}

impl Warnings {
    pub(super) fn warn(&self, extra: Extra, error: &io::Error) {
        if self.said[extra as usize].swap(true, Ordering::Relaxed) {
            return;
        }
        let what = match extra {
            Extra::OomScore => "OOM score",
            Extra::Nice => "niceness",
            Extra::OpenFiles => "limit of open files",
        };
        tracing::warn!(error = %agent_api::io_text(error), "commands keep agentd's {what}");
    }
}
