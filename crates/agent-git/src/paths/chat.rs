//! The paths of one chat in memory, in the order of their recording; not their file.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use agent_api::AbsolutePath;

/// What a path costs in memory beside its text, about.
const PATH_OVERHEAD_BYTES: usize = 160;

/// A set of paths, each with the number of its last recording.
#[derive(Debug, Default)]
pub(super) struct Chat {
    by_sequence: BTreeMap<u64, Arc<AbsolutePath>>,
    sequences: HashMap<Arc<AbsolutePath>, u64>,
    bytes: usize,
}

impl Chat {
    /// Records a path under a number above all before it; beyond `max` paths the one recorded
    /// longest ago is dropped. A number that is not above them is ignored with its path.
    pub(super) fn record(&mut self, sequence: u64, path: AbsolutePath, max: usize) {
        if sequence <= self.last() {
            return;
        }
        let path = Arc::new(path);
        match self.sequences.insert(Arc::clone(&path), sequence) {
            Some(earlier) => {
                self.by_sequence.remove(&earlier);
            }
            None => self.bytes += cost(&path),
        }
        self.by_sequence.insert(sequence, path);
        while self.by_sequence.len() > max {
            let Some((_, oldest)) = self.by_sequence.pop_first() else { return };
            self.bytes -= cost(&oldest);
            self.sequences.remove(&oldest);
        }
    }

    /// The paths recorded after a number, oldest first; after 0 all of them.
    pub(super) fn since(&self, sequence: u64) -> Vec<AbsolutePath> {
        let later = self.by_sequence.range(sequence.saturating_add(1)..);
        later.map(|(_, path)| AbsolutePath::clone(path)).collect()
    }

    /// Every path with its number, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &AbsolutePath)> {
        self.by_sequence.iter().map(|(sequence, path)| (*sequence, &**path))
    }

    /// The highest number; 0 without a path.
    pub(super) fn last(&self) -> u64 {
        self.by_sequence.last_key_value().map_or(0, |(sequence, _)| *sequence)
    }

    pub(super) fn len(&self) -> usize {
        self.by_sequence.len()
    }

    /// Memory it takes, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

fn cost(path: &AbsolutePath) -> usize {
    path.as_str().len() + PATH_OVERHEAD_BYTES
}
