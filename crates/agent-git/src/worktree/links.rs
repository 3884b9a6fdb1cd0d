//! Files that have other names: a write through another name is told of that one, or of none.
//!
//! Not even a new name of a file is told where the old one is, so one that is made outside of what
//! is watched becomes known at the next look at the file.

use std::{collections::BTreeMap, ops::RangeBounds, time::SystemTime};

use crate::{fs::Root, model::Stat};

/// Files that are looked at in every scan; where more have other names, every scan is a whole one.
pub(super) const MAX_LINKED: usize = 1000;

/// The files with other names, by path; of very many, one more than [`MAX_LINKED`].
#[derive(Clone, Debug, Default)]
pub(super) struct Links(BTreeMap<Vec<u8>, Known>);

/// A file as it was at the last look.
#[derive(Clone, Copy, Debug)]
struct Known {
    stat: Stat,
    /// No later than the look.
    looked_at: SystemTime,
}

impl Links {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn are_too_many(&self) -> bool {
        self.0.len() > MAX_LINKED
    }

    /// Adds files that were found in a scan that began at `looked_at`.
    pub(super) fn extend(&mut self, found: Vec<(Vec<u8>, Stat)>, looked_at: SystemTime) {
        self.0.extend(found.into_iter().map(|(path, stat)| (path, Known { stat, looked_at })));
    }

    /// Whether a path is known to lead to this file.
    pub(super) fn has(&self, path: &[u8], stat: &Stat) -> bool {
        let known = self.0.get(path).map(|known| known.stat);
        known.is_some_and(|known| (known.dev, known.ino) == (stat.dev, stat.ino))
    }

    pub(super) fn remove(&mut self, path: &[u8]) {
        self.0.remove(path);
    }

    pub(super) fn remove_range<'a>(&mut self, range: impl RangeBounds<[u8]> + 'a) {
        let gone: Vec<_> = self.0.range::<[u8], _>(range).map(|(path, _)| path.clone()).collect();
        gone.iter().for_each(|path| self.remove(path));
    }

    /// Those of some paths whose files are not surely as they were; what may not be looked at is
    /// taken to be so.
    pub(super) fn changed<'a>(
        &'a self,
        root: &'a Root,
        among: impl Fn(&[u8]) -> bool + 'a,
    ) -> impl Iterator<Item = &'a [u8]> {
        let is_same = |path: &[u8], known: &Known| match root.stat(path) {
            Ok(Some(stat)) => stat == known.stat && stat.is_settled_at(known.looked_at),
            Ok(None) => false,
            Err(error) => error.kind() == std::io::ErrorKind::PermissionDenied,
        };
        let asked = self.0.iter().filter(move |(path, _)| among(path));
        asked.filter(move |(path, known)| !is_same(path, known)).map(|(path, _)| path.as_slice())
    }
}
