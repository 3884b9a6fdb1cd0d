//! Files of attributes: whether they are still what contents were converted by.

use std::{collections::HashMap, sync::Arc};

use crate::{
    convert::blob_id,
    fs::Root,
    index::Index,
    model::{Mode, ObjectFormat, ObjectId},
    repository::AttributeFiles,
    worktree::WorkTree,
};

/// Of a larger file nothing is known; git reads none that is over 100 MiB.
const MAX_BYTES: u64 = 1024 * 1024;

/// The files of attributes in a work tree, by path, and a digest of their contents.
pub(super) type Seen = Vec<(Vec<u8>, Option<ObjectId>)>;

/// The files of attributes that an index has, which count where the work tree lacks them.
pub(super) fn in_index(index: &Index) -> AttributeFiles {
    let files = index.entries().filter(|entry| entry.stage == 0 && is_attributes(entry.path));
    Arc::new(files.map(|entry| (entry.path.to_vec(), entry.version.id)).collect::<HashMap<_, _>>())
}

/// The files of attributes in the work tree that are tracked, untracked, or at its top.
pub(super) fn in_work_tree(root: &Root, tracked: &AttributeFiles, worktree: &WorkTree) -> Seen {
    let untracked = worktree.untracked().map(|(path, _)| path).filter(|path| is_attributes(path));
    let mut paths: Vec<_> = tracked.keys().map(Vec::as_slice).chain(untracked).collect();
    paths.push(b".gitattributes");
    paths.sort_unstable();
    paths.dedup();
    let digest = |path: &[u8]| {
        let contents = root.read(path, Mode::File, MAX_BYTES).ok()??;
        Some(blob_id(ObjectFormat::Sha1, &contents.bytes))
    };
    paths.into_iter().map(|path| (path.to_vec(), digest(path))).collect()
}

/// Whether a path names a file of attributes.
pub(super) fn is_attributes(path: &[u8]) -> bool {
    let rest = path.strip_suffix(b".gitattributes");
    rest.is_some_and(|rest| matches!(rest.last(), None | Some(b'/')))
}
