//! The index of a repository, read from the bytes of its file: versions 2, 3 and 4 with ids of
//! either length. It is never written, and nothing here touches a disk.
//!
//! Source: `gitformat-index(5)`.

mod listing;
#[cfg(test)]
mod needs_git;
mod parse;
mod split;
#[cfg(test)]
mod tests;

use std::{cmp::Ordering, collections::HashMap, ops::Range};

pub(crate) use split::Link;

use thiserror::Error;

use crate::model::{Mode, ObjectFormat, ObjectId, Version};

/// Largest index that is read, and the most that the paths of one may take once expanded.
pub(crate) const MAX_INDEX_BYTES: usize = 512 * 1024 * 1024;

/// Why bytes are no index that this parser reads.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum IndexError {
    /// Git would not read it either.
    #[error("the index is damaged: {what}")]
    Corrupt {
        /// What is wrong with it.
        what: &'static str,
    },
    /// Whole directories are single entries.
    #[error("the index is sparse")]
    Sparse,
    /// An extension that a reader must understand.
    #[error("the index has the unknown extension `{0}`")]
    Extension(String),
    /// A version from the future or the distant past.
    #[error("the index has the unknown version {0}")]
    Version(u32),
}

/// What git remembers of a file's stat data: the low 32 bits of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct IndexStat {
    /// Seconds and nanoseconds.
    pub(crate) ctime: (u32, u32),
    /// Seconds and nanoseconds.
    pub(crate) mtime: (u32, u32),
    pub(crate) dev: u32,
    pub(crate) ino: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Bytes; 0 as well for a file that may have changed right after it was added.
    pub(crate) size: u32,
}

/// One entry of an [`Index`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// Relative to the root.
    pub(crate) path: &'a [u8],
    /// 0, or in a merge 1 (base), 2 (ours), 3 (theirs).
    pub(crate) stage: u8,
    pub(crate) version: Version,
    pub(crate) stat: IndexStat,
    /// The user promises that the file is unchanged.
    pub(crate) assume_unchanged: bool,
    /// The file is not checked out.
    pub(crate) skip_worktree: bool,
    /// Only the path was added, and no contents.
    pub(crate) intent_to_add: bool,
}

/// An index: its entries ordered by path, then stage, each pair at most once.
///
/// About 100 bytes for an entry with a path of 40.
#[derive(Debug, Default)]
pub(crate) struct Index {
    format: ObjectFormat,
    /// All paths, one after the other.
    paths: Vec<u8>,
    /// All ids, one after the other, as many as `records`.
    ids: Vec<u8>,
    records: Vec<Record>,
    /// Ids of the directories whose entries are a tree's.
    trees: HashMap<Box<[u8]>, ObjectId>,
    /// Where most entries are, of a split index that was not put together yet.
    link: Option<Link>,
    modified: (i64, u32),
}

/// An entry without its path's bytes and its id.
#[derive(Clone, Copy, Debug)]
struct Record {
    path_start: u32,
    path_len: u32,
    stat: IndexStat,
    mode: Mode,
    /// [`STAGE`] and the flags.
    flags: u8,
}

const STAGE: u8 = 0b11;
const ASSUME_UNCHANGED: u8 = 1 << 2;
const SKIP_WORKTREE: u8 = 1 << 3;
const INTENT_TO_ADD: u8 = 1 << 4;

impl Index {
    /// Reads the bytes of an index file.
    ///
    /// # Errors
    ///
    /// [`IndexError`], and nothing worse for any bytes.
    pub(crate) fn parse(bytes: &[u8], format: ObjectFormat) -> Result<Self, IndexError> {
        parse::parse(bytes, format)
    }

    /// Takes out what a split index says of the shared one; [`Self::join`] wants it back.
    pub(crate) fn take_link(&mut self) -> Option<Link> {
        self.link.take()
    }

    /// Puts a split index and the shared one together.
    ///
    /// # Errors
    ///
    /// [`IndexError::Corrupt`] when they do not fit.
    pub(crate) fn join(self, link: &Link, shared: &Self) -> Result<Self, IndexError> {
        split::join(self, link, shared)
    }

    /// Reads the output of `git ls-files --stage -z`. There is no stat data in it, so every file is
    /// assumed to be unchanged.
    ///
    /// # Errors
    ///
    /// [`IndexError::Corrupt`] for any other bytes.
    pub(crate) fn of_listing(bytes: &[u8], format: ObjectFormat) -> Result<Self, IndexError> {
        listing::parse(bytes, format)
    }

    /// The index of a repository that has no file for it.
    pub(crate) fn empty() -> Self {
        Self::default()
    }

    /// Says when the file was modified (seconds, nanoseconds): files modified no earlier may have
    /// changed without a trace in their stat data.
    pub(crate) fn with_modified(mut self, modified: (i64, u32)) -> Self {
        self.modified = modified;
        self
    }

    /// When the file was modified; 1970 unless [`Self::with_modified`] said so.
    pub(crate) fn modified(&self) -> (i64, u32) {
        self.modified
    }

    /// How many entries there are, counting each stage.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// All entries in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry<'_>> + Clone {
        self.within(0..self.records.len())
    }

    /// The merged entry of a path.
    pub(crate) fn get(&self, path: &[u8]) -> Option<Entry<'_>> {
        self.stages(path).next().filter(|entry| entry.stage == 0)
    }

    /// All entries of a path, by stage.
    pub(crate) fn stages(&self, path: &[u8]) -> impl Iterator<Item = Entry<'_>> + Clone {
        self.within(self.positions_of(path))
    }

    /// Whether a path has stages of a merge.
    pub(crate) fn conflicted(&self, path: &[u8]) -> bool {
        self.stages(path).any(|entry| entry.stage != 0)
    }

    /// Positions among [`Self::entries`] of all entries of a path.
    pub(crate) fn positions_of(&self, path: &[u8]) -> Range<usize> {
        let start = self.records.partition_point(|record| self.path_of(record) < path);
        let here = self.records[start..].iter().take_while(|record| self.path_of(record) == path);
        start..start + here.count()
    }

    /// Positions among [`Self::entries`] of the entries below a directory; `b""` is the root.
    pub(crate) fn positions(&self, directory: &[u8]) -> Range<usize> {
        if directory.is_empty() {
            return 0..self.len();
        }
        let before = |end: Ordering| {
            self.records.partition_point(|record| below(self.path_of(record), directory) < end)
        };
        before(Ordering::Equal)..before(Ordering::Greater)
    }

    /// The entry at a position of [`Self::entries`], which must be less than [`Self::len`].
    pub(crate) fn at(&self, position: usize) -> Entry<'_> {
        self.within(position..position + 1).next().expect("a range of one has one")
    }

    /// The path of the entry at a position.
    pub(crate) fn path_at(&self, position: usize) -> &[u8] {
        self.path_of(&self.records[position])
    }

    /// The id of the tree that the entries below a directory are, where the index knows it;
    /// `b""` is the root.
    pub(crate) fn tree_id(&self, directory: &[u8]) -> Option<ObjectId> {
        self.trees.get(directory).copied()
    }

    fn within(&self, range: Range<usize>) -> impl Iterator<Item = Entry<'_>> + Clone {
        let len = self.format.id_len();
        let ids = self.ids[range.start * len..range.end * len].chunks_exact(len);
        self.records[range].iter().zip(ids).map(|(record, id)| Entry {
            path: self.path_of(record),
            stage: record.flags & STAGE,
            version: Version {
                mode: record.mode,
                id: ObjectId::from_bytes(id).expect("as many bytes as the format has"),
            },
            stat: record.stat,
            assume_unchanged: record.flags & ASSUME_UNCHANGED != 0,
            skip_worktree: record.flags & SKIP_WORKTREE != 0,
            intent_to_add: record.flags & INTENT_TO_ADD != 0,
        })
    }

    fn path_of(&self, record: &Record) -> &[u8] {
        &self.paths[record.path_start as usize..][..record.path_len as usize]
    }
}

/// Where a path is to those below a directory, in their order.
fn below(path: &[u8], directory: &[u8]) -> Ordering {
    let head = &path[..path.len().min(directory.len())];
    head.cmp(directory).then_with(|| match path.get(directory.len()) {
        Some(byte) => byte.cmp(&b'/'),
        None => Ordering::Less,
    })
}
