//! The tree of HEAD against the index: what is staged. The work tree plays no part here.

#[cfg(test)]
mod needs_git;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{
    index::Index,
    model::{Mode, ObjectId, Version},
    repository::{Native, SourceError},
};

/// HEAD's version of each path where it is not the index's; `None` where HEAD has none.
pub(crate) type Staged = BTreeMap<Vec<u8>, Option<Version>>;

/// Deepest tree that is followed; git's own limit is near (core.maxTreeDepth).
const MAX_DEPTH: usize = 2048;

/// Most paths that may differ: a tree that holds itself many times over would fill the memory.
const MAX_STAGED: usize = 1_000_000;

/// Most bytes of these paths: names in a tree may have any length.
const MAX_STAGED_BYTES: usize = 256 * 1024 * 1024;

/// Compares a tree, `None` for an empty one, with the index.
///
/// Paths in a merge and those that are only intended to be added are always among the answer,
/// because the index has no contents for them. Directories whose tree the index knows to be the
/// same are not entered.
///
/// # Errors
///
/// A tree cannot be read, trees are more than 2048 deep, more than 1,000,000 paths differ or 256 MiB
/// of them, or `stop` was raised.
pub(crate) fn staged(
    source: &mut Native,
    tree: Option<ObjectId>,
    index: &Index,
    stop: &AtomicBool,
) -> Result<Staged, SourceError> {
    let mut walk =
        Walk { source, index, at: 0, path: Vec::new(), found: Staged::new(), bytes: 0, stop };
    if let Some(tree) = tree {
        walk.directory(tree, 0)?;
    }
    walk.added_before(None)?;
    Ok(walk.found)
}

/// Goes through trees and index side by side: both are in the same order.
struct Walk<'a> {
    source: &'a mut Native,
    index: &'a Index,
    /// Entries of the index before this one were compared.
    at: usize,
    /// Where the walk is.
    path: Vec<u8>,
    found: Staged,
    /// Of the paths in `found`.
    bytes: usize,
    stop: &'a AtomicBool,
}

impl Walk<'_> {
    /// Compares the directory at `self.path` with its tree.
    fn directory(&mut self, tree: ObjectId, depth: usize) -> Result<(), SourceError> {
        if self.index.tree_id(&self.path) == Some(tree) {
            self.at = self.index.positions(&self.path).end.max(self.at);
            return Ok(());
        }
        if self.stop.load(Ordering::Relaxed) {
            return Err(SourceError::Stopped);
        }
        if depth > MAX_DEPTH {
            return Err(SourceError::failed("compare HEAD with the index")("trees are too deep"));
        }
        let above = self.path.len();
        for entry in self.source.tree(tree)? {
            if above > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(&entry.name);
            match Mode::from_bits(entry.bits) {
                Some(mode) => self.file(Version { mode, id: entry.id })?,
                None => {
                    let mut first = self.path.clone();
                    first.push(b'/');
                    self.added_before(Some(&first))?;
                    self.directory(entry.id, depth + 1)?;
                }
            }
            self.path.truncate(above);
        }
        Ok(())
    }

    /// Compares the file at `self.path`.
    fn file(&mut self, head: Version) -> Result<(), SourceError> {
        let path = std::mem::take(&mut self.path);
        self.added_before(Some(&path))?;
        let mut is_same = false;
        while self.at < self.index.len() && self.index.path_at(self.at) == path {
            let entry = self.index.at(self.at);
            is_same = entry.stage == 0 && !entry.intent_to_add && entry.version == head;
            self.at += 1;
        }
        if !is_same {
            self.insert(&path, Some(head))?;
        }
        self.path = path;
        Ok(())
    }

    /// What the index has before a path, or to its end, is not in HEAD.
    fn added_before(&mut self, end: Option<&[u8]>) -> Result<(), SourceError> {
        let index = self.index;
        while self.at < index.len() && end.is_none_or(|end| index.path_at(self.at) < end) {
            self.insert(index.path_at(self.at), None)?;
            self.at += 1;
        }
        Ok(())
    }

    fn insert(&mut self, path: &[u8], head: Option<Version>) -> Result<(), SourceError> {
        self.bytes += path.len();
        self.found.insert(path.to_vec(), head);
        if self.found.len() > MAX_STAGED || self.bytes > MAX_STAGED_BYTES {
            let what = "compare HEAD with the index";
            return Err(SourceError::failed(what)("too many paths differ"));
        }
        Ok(())
    }
}
