//! What a launcher has found out about the system.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::report::Warnings;
use crate::cgroup::Hierarchy;
use crate::sys::Notes;
use crate::{Cgroups, Config, Limits};

/// What a launcher has found out about the system; nothing before the first command.
#[derive(Debug, Default)]
pub(crate) struct Means {
    hierarchy: OnceLock<Option<Hierarchy>>,
    fork: AtomicBool,
    pub(super) warnings: Warnings,
    /// As many as there were spawns at a time.
    notes: Mutex<Vec<Notes>>,
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

    /// Empty notes for a spawn.
    pub(super) fn notes(&self) -> io::Result<Notes> {
        let used = self.notes.lock().pop();
        used.map_or_else(Notes::new, |notes| {
            notes.clear();
            Ok(notes)
        })
    }

    /// Takes notes back, when no process writes to them any more.
    pub(super) fn give_back(&self, notes: Notes) {
        self.notes.lock().push(notes);
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
