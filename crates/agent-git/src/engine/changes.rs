//! From what is staged and what is in the work tree to where HEAD and the work tree differ.

use crate::{
    index::Index,
    model::{Change, Mode, Standing, Stat, Version, WorkFile},
    staged::Staged,
    worktree::WorkTree,
};

/// Lists the paths at which HEAD and the work tree differ, in order.
///
/// A path that HEAD has, the index no longer, and the work tree still, is there twice. Some paths
/// may be in the list whose contents turn out to be the same.
///
/// `stat` is asked for files that are only intended to be added.
pub(super) fn changes(
    staged: &Staged,
    worktree: &WorkTree,
    index: &Index,
    file_mode: bool,
    stat: impl Fn(&[u8]) -> Option<Stat>,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for (path, head) in staged {
        let work = match worktree.tracked().get(path) {
            Some(work) => *work,
            None => as_indexed(index, path, &stat),
        };
        push(&mut changes, index, path, *head, work);
    }
    for (path, work) in worktree.tracked() {
        if !staged.contains_key(path) {
            let head = index.get(path).map(|entry| entry.version);
            push(&mut changes, index, path, head, *work);
        }
    }
    changes.extend(worktree.untracked().filter_map(|(path, stat)| {
        let mode = match stat.file_mode()? {
            Mode::Executable if !file_mode => Mode::File,
            mode => mode,
        };
        let work = WorkFile { mode, id: None, indexed: false, stat: *stat };
        let standing = Standing::Untracked;
        Some(Change { path: path.to_vec(), standing, head: None, work: Some(work) })
    }));
    // Stable: what is tracked stays before what is not.
    changes.sort_by(|left, right| left.path.cmp(&right.path));
    changes
}

/// The work tree's side of a path where it is the index's.
fn as_indexed(
    index: &Index,
    path: &[u8],
    stat: impl Fn(&[u8]) -> Option<Stat>,
) -> Option<WorkFile> {
    let entry = index.get(path)?;
    let Version { mode, id } = entry.version;
    if entry.intent_to_add {
        // Its empty blob need not exist.
        return Some(WorkFile { mode, id: Some(id), indexed: false, stat: stat(path)? });
    }
    Some(WorkFile { mode, id: Some(id), indexed: true, stat: Stat::default() })
}

fn push(
    changes: &mut Vec<Change>,
    index: &Index,
    path: &[u8],
    head: Option<Version>,
    work: Option<WorkFile>,
) {
    let is_same = match (head, work) {
        (None, None) => true,
        (Some(head), Some(work)) => head.mode == work.mode && Some(head.id) == work.id,
        _ => false,
    };
    if !is_same {
        let standing =
            if index.conflicted(path) { Standing::Conflicted } else { Standing::Tracked };
        changes.push(Change { path: path.to_vec(), standing, head, work });
    }
}
