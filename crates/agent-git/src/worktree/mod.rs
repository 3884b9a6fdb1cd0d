//! The work tree against the index: which tracked files differ, and which files are untracked.
//! What HEAD has, and how differences are shown, is decided elsewhere.
//!
//! ```text
//! index, stats ── compare ──> same │ deleted │ unsure ── contents ──> differs or not
//!      listing ── excludes ─> ignored │ untracked │ a repository of its own
//! ```

mod compare;
mod excludes;
mod found;
mod links;
mod look;
mod nested;
#[cfg(test)]
mod tests;
mod verify;
mod visit;
mod walk;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

pub(crate) use excludes::Excludes;

use self::{
    excludes::Levels,
    found::Found,
    links::Links,
    verify::Contents,
    walk::{Ignored, Job},
};
use crate::{
    engine::ScanError,
    fs::Root,
    index::Index,
    model::{Stat, Watching, WorkFile},
    repository::{Settings, Source},
};

/// What differs between work tree and index, kept from scan to scan.
///
/// After a scan that failed or was stopped the next one is a whole one, whatever was asked.
#[derive(Debug, Default)]
pub(crate) struct WorkTree {
    tracked: BTreeMap<Vec<u8>, Option<WorkFile>>,
    untracked: BTreeMap<Vec<u8>, Stat>,
    left_out: u64,
    /// Untracked directories that are repositories of their own.
    nested: BTreeSet<Vec<u8>>,
    levels: Levels,
    contents: Contents,
    links: Links,
    /// Whether all of the above is what the last scan found.
    is_complete: bool,
    was_whole: bool,
}

/// What a scan is to look at, and with.
pub(crate) struct Look<'a> {
    pub(crate) root: &'a Root,
    pub(crate) index: &'a Index,
    pub(crate) settings: &'a Settings,
    pub(crate) excludes: &'a Excludes,
    pub(crate) watching: &'a dyn Watching,
    pub(crate) source: &'a mut dyn Source,
    /// Once true, the scan ends with [`ScanError::Stopped`].
    pub(crate) stop: &'a AtomicBool,
}

/// The part of a [`Look`] that threads share.
#[derive(Clone, Copy)]
struct Scene<'a> {
    root: &'a Root,
    index: &'a Index,
    settings: &'a Settings,
    excludes: &'a Excludes,
    watching: &'a dyn Watching,
    stop: &'a AtomicBool,
}

impl<'a> Look<'a> {
    fn scene(&self) -> Scene<'a> {
        Scene {
            root: self.root,
            index: self.index,
            settings: self.settings,
            excludes: self.excludes,
            watching: self.watching,
            stop: self.stop,
        }
    }
}

impl Scene<'_> {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn check(&self) -> Result<(), ScanError> {
        if self.is_stopped() { Err(ScanError::Stopped) } else { Ok(()) }
    }
}

impl WorkTree {
    /// Knows nothing; its first scan is a whole one.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// What the work tree has at each tracked path where that is not what the index has, ordered
    /// by path; `None` where it has no file.
    ///
    /// Contents were compared, not only stats. Paths with stages of a merge are always here.
    pub(crate) fn tracked(&self) -> &BTreeMap<Vec<u8>, Option<WorkFile>> {
        &self.tracked
    }

    /// Untracked files and links that are not ignored, ordered by path; the first 100,000.
    pub(crate) fn untracked(&self) -> impl Iterator<Item = (&[u8], &Stat)> {
        self.untracked.iter().map(|(path, stat)| (path.as_slice(), stat))
    }

    /// How many more untracked files there are; while there are any, every scan is a whole one.
    pub(crate) fn untracked_left_out(&self) -> u64 {
        self.left_out
    }

    /// Whether there are files that may change without being told, as far as is known.
    pub(crate) fn has_links(&self) -> bool {
        !self.links.is_empty()
    }

    /// Whether one of those among some paths changed, or may have.
    pub(crate) fn has_changed_link(&self, root: &Root, among: impl Fn(&[u8]) -> bool) -> bool {
        self.links.changed(root, among).next().is_some()
    }

    /// Whether the last scan looked at everything.
    pub(crate) fn was_whole(&self) -> bool {
        self.was_whole
    }

    /// Looks at every entry of the index and every directory that is not ignored.
    ///
    /// # Errors
    ///
    /// [`ScanError::Stopped`], or [`ScanError::Failed`] when a directory cannot be opened for a
    /// reason that says nothing about the directory.
    pub(crate) fn scan_all(&mut self, look: &mut Look<'_>) -> Result<(), ScanError> {
        self.is_complete = false;
        let began = SystemTime::now();
        let index = look.index;
        self.levels.take_index(index, look.source)?;
        let top = Job {
            path: Vec::new(),
            parent: None,
            entries: 0..index.len(),
            scope: Arc::default(),
            ignored: Ignored::NotUpTo(0),
        };
        let mut found = walk::walk(look.scene(), &self.levels, &self.nested, vec![top])?;
        self.levels.clear();
        let suspects = std::mem::take(&mut found.suspects);
        let verified = self.contents.verify(look, &suspects)?;
        self.tracked.clear();
        self.take_deleted(index, &found.deleted);
        self.take_verified(index, verified);
        let mut concerned: Vec<&[u8]> =
            suspects.iter().map(|suspect| index.path_at(suspect.position)).collect();
        concerned.sort_unstable();
        self.contents.retain(|path| concerned.binary_search(&path).is_ok());

        let untracked = std::mem::take(&mut found.untracked);
        let (files, left_out) = untracked.into_files();
        self.untracked = files.into_iter().collect();
        self.left_out = left_out;
        self.nested = std::mem::take(&mut found.nested).into_iter().collect();
        self.links = Links::default();
        self.links.extend(std::mem::take(&mut found.linked), began);
        self.take_levels(found);
        self.is_complete = true;
        self.was_whole = true;
        Ok(())
    }

    fn take_levels(&mut self, found: Found) {
        for (directory, level) in found.levels {
            self.levels.keep(directory, level);
        }
    }

    fn take_deleted(&mut self, index: &Index, deleted: &[usize]) {
        self.tracked
            .extend(deleted.iter().map(|position| (index.path_at(*position).to_vec(), None)));
    }

    /// Keeps what differs.
    fn take_verified(&mut self, index: &Index, verified: Vec<verify::Verified>) {
        for verify::Verified { position, work } in verified {
            let entry = index.at(position);
            let is_same = entry.stage == 0
                && work.is_some_and(|work| {
                    work.mode == entry.version.mode && work.id == Some(entry.version.id)
                });
            if is_same {
                self.tracked.remove(entry.path);
            } else {
                self.tracked.insert(entry.path.to_vec(), work);
            }
        }
    }
}
